"""What the rest of the package needs of a store, in a synchronous and an asynchronous form.

A store keeps sealed sessions and the small facts of logouts and logins. It can read none of it, knows no clock (``now`` is an argument, in
seconds since the epoch) and keeps nothing for ever: every entry has a time to live. Keys and indexes are printable ASCII, made by the caller
from hashes (catalogue CK-24). What a store finds under a key of its own and cannot read counts as absent (catalogue F-ST-12).

What all stores promise:

- A write that comes too late changes nothing: a deleted session leaves a tombstone, a replaced one another version (catalogue SF-05, F-ST-13).
- Whoever repeats a write because the answer was lost is told the same again: the same ``create`` or ``replace`` with the same data is True.
- ``delete_index`` marks first and deletes then; ``create`` looks at the marks after it wrote. So a session whose login was overtaken by its
  logout does not stay, in whichever order the two meet (catalogue LT-16).
- Not reachable, too slow and full are ``Unavailable`` (``store_unavailable``, ``store_full``), which never means "no such session".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from oidc_middleware.errors import Unavailable

#: Sessions (or users' indexes) handled in one go when there are many: others get their turn in between.
BATCH = 500


class Record(NamedTuple):
    """A stored session: ``data`` as the caller sealed it, and the ``version`` that the next ``replace`` must name."""

    data: bytes
    version: int


class SyncStore(Protocol):
    """A store for WSGI. Every method may raise ``Unavailable``."""

    def get(self, key: str, now: float) -> Record | None:
        """The record of *key*, unless it was deleted or has expired."""
        ...

    def create(self, key: str, data: bytes, *, ttl: float, indexes: tuple[str, ...], issued_at: float, now: float) -> bool:
        """Store a new record for *ttl* seconds, to be found by *indexes*.

        False, with nothing stored, when *key* is taken or was deleted, or when one of *indexes* is marked at or after *issued_at*, the time of
        the login: its logout came first (catalogue LT-16).
        """
        ...

    def replace(self, key: str, data: bytes, version: int, *, ttl: float, now: float) -> bool:
        """Replace the record if it is still of *version*, and let it live for another *ttl* seconds. False when it is not, or is gone."""
        ...

    def delete(self, key: str, *, keep: float, now: float) -> bool:
        """Delete the record and refuse *key* for *keep* seconds (catalogue SF-05). Whether there was one."""
        ...

    def delete_index(self, index: str, *, issued_until: float, keep: float, now: float) -> int:
        """Mark *index* as :meth:`mark` does, then delete all its records issued at or before *issued_until*; how many.

        After a fault, the same call again completes it (catalogue LT-18).
        """
        ...

    def mark(self, index: str, *, issued_until: float, keep: float, now: float) -> None:
        """Remember for *keep* seconds that what was issued to *index* at or before *issued_until* is void. A later mark is not lowered."""
        ...

    def marks(self, indexes: tuple[str, ...], now: float) -> float | None:
        """The latest ``issued_until`` among the marks of *indexes*."""
        ...

    def holds(self, index: str, now: float) -> bool:
        """Whether *index* finds a record that was neither deleted nor has expired. Changes nothing (catalogue LT-12)."""
        ...

    def claim(self, key: str, ttl: float, now: float) -> bool:
        """True for the first who asks, False for everyone else for *ttl* seconds."""
        ...

    def forget(self, key: str) -> None:
        """Give a claim back."""
        ...

    def acquire(self, key: str, owner: str, ttl: float, now: float) -> bool:
        """Take the lease of *key* for *ttl* seconds. False while another owner has it; the same owner again prolongs it."""
        ...

    def release(self, key: str, owner: str) -> None:
        """Give the lease back, if *owner* still has it."""
        ...

    def check(self) -> list[str]:
        """What is wrong with this store, in words; ``[]`` when nothing is. ``Unavailable`` when it cannot be reached."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


class AsyncStore(Protocol):
    """A store for ASGI: :class:`SyncStore` with ``async`` methods."""

    async def get(self, key: str, now: float) -> Record | None:
        """As :meth:`SyncStore.get`."""
        ...

    async def create(self, key: str, data: bytes, *, ttl: float, indexes: tuple[str, ...], issued_at: float, now: float) -> bool:
        """As :meth:`SyncStore.create`."""
        ...

    async def replace(self, key: str, data: bytes, version: int, *, ttl: float, now: float) -> bool:
        """As :meth:`SyncStore.replace`."""
        ...

    async def delete(self, key: str, *, keep: float, now: float) -> bool:
        """As :meth:`SyncStore.delete`."""
        ...

    async def delete_index(self, index: str, *, issued_until: float, keep: float, now: float) -> int:
        """As :meth:`SyncStore.delete_index`."""
        ...

    async def mark(self, index: str, *, issued_until: float, keep: float, now: float) -> None:
        """As :meth:`SyncStore.mark`."""
        ...

    async def marks(self, indexes: tuple[str, ...], now: float) -> float | None:
        """As :meth:`SyncStore.marks`."""
        ...

    async def holds(self, index: str, now: float) -> bool:
        """As :meth:`SyncStore.holds`."""
        ...

    async def claim(self, key: str, ttl: float, now: float) -> bool:
        """As :meth:`SyncStore.claim`."""
        ...

    async def forget(self, key: str) -> None:
        """As :meth:`SyncStore.forget`."""
        ...

    async def acquire(self, key: str, owner: str, ttl: float, now: float) -> bool:
        """As :meth:`SyncStore.acquire`."""
        ...

    async def release(self, key: str, owner: str) -> None:
        """As :meth:`SyncStore.release`."""
        ...

    async def check(self) -> list[str]:
        """As :meth:`SyncStore.check`."""
        ...

    async def close(self) -> None:
        """As :meth:`SyncStore.close`."""
        ...


class Instant:
    """A store that can often tell at once, without waiting for anybody, that nothing has changed. Ours can; other people's need not."""

    def still(self, key: str, version: int, now: float) -> bool:
        """Whether :meth:`SyncStore.get` would return the record of *key* in this *version*. ``False``: ask it. Never raises."""
        raise NotImplementedError

    def quickest(self) -> Callable[[str, int, float], bool]:
        """What :meth:`still` asks in the end: it is called for every request, and each call on the way costs one of a dozen."""
        return self.still


def instant(store: object) -> Callable[[str, int, float], bool] | None:
    """The ``still`` of *store*, if it is an :class:`Instant`."""
    return store.quickest() if isinstance(store, Instant) else None


#: The names of the methods above.
METHODS = tuple(name for name in vars(SyncStore) if not name.startswith("_"))


def unavailable(store: str, what: object) -> Unavailable:
    """The error for "not reachable" and "too slow". *what* is a library's own words about it, which name hosts and files but no credentials."""
    return Unavailable("store_unavailable", f"{store}: {str(what)[:200]!r}")


def full(store: str, what: object) -> Unavailable:
    """The error for "no room"."""
    return Unavailable("store_full", f"{store}: {str(what)[:200]!r}")
