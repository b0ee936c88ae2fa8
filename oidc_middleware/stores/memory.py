"""Sessions in this process, for one worker: nothing to install, nothing kept over a restart."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Final, NamedTuple

from oidc_middleware.clock import SystemClock
from oidc_middleware.errors import Unavailable
from oidc_middleware.stores.base import BATCH, Instant, Record, full
from oidc_middleware.stores.shelf import Shelf

MAX_SESSIONS: Final = 100_000


#: A time of expiry, and what was marked until when, or who owns it.
_Mark = tuple[float, float]
_Owner = tuple[float, str]


class _Session(NamedTuple):
    """What is kept of a session; every object less counts a hundred thousand times. The indexes are lines of one text."""

    expires: float
    data: bytes
    version: int
    indexes: bytes
    issued_at: float


def _short(index: str) -> int:
    """What stands for *index* in the table of members: a third of its size, and not its like. Two of them may share a number."""
    return hash(index) & 0xFFF_FFFF_FFFF_FFFF


def _is_of(session: _Session, index: str) -> bool:
    return index.encode() in session.indexes.split(b"\n")


class MemoryStore(Instant):
    """At most *max_sessions* sessions; beyond that, the one that was idle the longest goes, and ``evicted`` counts it (catalogue F-ST-14).

    Tombstones go likewise. Marks, claims and leases do not: forgetting one would undo a logout or let a message be replayed, so when there are
    too many (twice *max_sessions* of a kind) new ones are ``store_full``. ``instance`` names this store: a cookie that carries it tells that a
    session belongs to another worker (catalogue F-ST-15). A forked child starts empty, with a name of its own.
    """

    #: No other process sees what is in here.
    shared: Final = False

    def __init__(self, max_sessions: int = MAX_SESSIONS) -> None:
        self._max_sessions = max_sessions
        self.start()
        _ALIVE.add(self)

    def start(self) -> None:
        """Begin empty."""
        self.instance = SystemClock.random(6).hex()
        self._lock = threading.Lock()
        self._sessions: Shelf[_Session] = Shelf(self._max_sessions, self._unlink)
        #: The sessions of an index, by its number, and of those that share it: a session itself says of which it is. Most numbers have one: then it
        #: stands there by itself, for a set would take half as much again as a session's claims.
        self._members: dict[int, str | set[str]] = {}
        self._tombstones: Shelf[tuple[float]] = Shelf(2 * self._max_sessions)
        self._marks: Shelf[_Mark] = Shelf(2 * self._max_sessions)
        self._owners: Shelf[_Owner] = Shelf(2 * self._max_sessions)

    def __repr__(self) -> str:
        return f"<MemoryStore of {len(self._sessions)} sessions>"

    @property
    def evicted(self) -> int:
        """How many living sessions had to make room."""
        return self._sessions.evicted

    def get(self, key: str, now: float) -> Record | None:
        """See :class:`~oidc_middleware.stores.base.SyncStore`, here and below."""
        with self._lock:
            session = self._sessions.get(key, now)
        return Record(session.data, session.version) if session else None

    def still(self, key: str, version: int, now: float) -> bool:
        """See :class:`~oidc_middleware.stores.base.Instant`."""
        # Without the lock, which costs as much as the rest: each step is whole by itself, and what others take out in between is gone.
        sessions = self._sessions.entries
        session = sessions.get(key)
        if session is None or session[0] <= now or session[2] != version:
            return False
        try:
            sessions.move_to_end(key)
        except KeyError:
            return False
        return True

    def create(self, key: str, data: bytes, *, ttl: float, indexes: tuple[str, ...], issued_at: float, now: float) -> bool:
        with self._lock:
            known = self._sessions.get(key, now)
            if known:
                return known.data == data
            latest = self._latest(indexes, now)
            if self._tombstones.get(key, now) or (latest is not None and latest >= issued_at):
                return False
            self._sessions.put(key, _Session(now + ttl, data, 1, "\n".join(indexes).encode(), issued_at), now)
            for index in indexes:
                self._link(_short(index), key)
            return True

    def replace(self, key: str, data: bytes, version: int, *, ttl: float, now: float) -> bool:
        with self._lock:
            known = self._sessions.get(key, now)
            if not known or known.version != version:
                return bool(known and known.version == version + 1 and known.data == data)
            self._sessions.put(key, known._replace(expires=now + ttl, data=data, version=version + 1), now)
            return True

    def delete(self, key: str, *, keep: float, now: float) -> bool:
        with self._lock:
            return self._bury(key, keep, now)

    def delete_index(self, index: str, *, issued_until: float, keep: float, now: float) -> int:
        self.mark(index, issued_until=issued_until, keep=keep, now=now)
        with self._lock:
            keys = self._perhaps_of(index)
        count = 0
        for start in range(0, len(keys), BATCH):
            with self._lock:
                count += sum(self._bury_if_of(key, index, issued_until, keep, now) for key in keys[start : start + BATCH])
        return count

    def mark(self, index: str, *, issued_until: float, keep: float, now: float) -> None:
        with self._lock:
            known = self._marks.get(index, now)
            expires = max(now + keep, self._marks.expiry(index))
            self._room(self._marks, index, now)
            self._marks.put(index, (expires, issued_until if known is None else max(known[1], issued_until)), now)

    def marks(self, indexes: tuple[str, ...], now: float) -> float | None:
        with self._lock:
            return self._latest(indexes, now)

    def holds(self, index: str, now: float) -> bool:
        with self._lock:
            sessions = (self._sessions.look(key, now) for key in self._perhaps_of(index))
            return any(session is not None and _is_of(session, index) for session in sessions)

    def claim(self, key: str, ttl: float, now: float) -> bool:
        with self._lock:
            return self._own(f"claim:{key}", "", ttl, now) is None

    def forget(self, key: str) -> None:
        with self._lock:
            self._owners.pop(f"claim:{key}", 0)

    def acquire(self, key: str, owner: str, ttl: float, now: float) -> bool:
        with self._lock:
            if self._own(f"lease:{key}", owner, ttl, now) not in {None, owner}:
                return False
            self._owners.put(f"lease:{key}", (now + ttl, owner), now)
            return True

    def release(self, key: str, owner: str) -> None:
        with self._lock:
            known = self._owners.get(f"lease:{key}", 0)
            if known is not None and known[1] == owner:
                self._owners.pop(f"lease:{key}", 0)

    def check(self) -> list[str]:
        return []

    def close(self) -> None:
        """Nothing to let go of; the sessions stay for whoever still has this store."""

    def _own(self, name: str, owner: str, ttl: float, now: float) -> str | None:
        """The owner of *name*, which is *owner* from now on if there was none."""
        known = self._owners.get(name, now)
        if known is None:
            self._room(self._owners, name, now)
            self._owners.put(name, (now + ttl, owner), now)
        return None if known is None else known[1]

    @staticmethod
    def _room(shelf: Shelf[_Owner] | Shelf[_Mark], key: str, now: float) -> None:
        shelf.sweep(now)
        if shelf.is_full and not shelf.expiry(key):
            raise _full()

    def _latest(self, indexes: tuple[str, ...], now: float) -> float | None:
        return max((mark[1] for index in indexes if (mark := self._marks.get(index, now)) is not None), default=None)

    def _bury_if_of(self, key: str, index: str, issued_until: float, keep: float, now: float) -> bool:
        known = self._sessions.get(key, now)
        return bool(known and known.issued_at <= issued_until and _is_of(known, index) and self._bury(key, keep, now))

    def _bury(self, key: str, keep: float, now: float) -> bool:
        known = self._sessions.pop(key, now)
        if known:
            self._unlink(key, known)
        self._tombstones.put(key, (now + keep,), now)
        return bool(known)

    def _perhaps_of(self, index: str) -> list[str]:
        """The sessions of *index*, and perhaps others."""
        members = self._members.get(_short(index), ())
        return [members] if isinstance(members, str) else list(members)

    def _link(self, short: int, key: str) -> None:
        members = self._members.setdefault(short, key)
        if isinstance(members, set):
            members.add(key)
        elif members != key:
            self._members[short] = {members, key}

    def _unlink(self, key: str, session: _Session) -> None:
        for index in session.indexes.decode().split("\n"):
            short = _short(index)
            members = self._members.get(short)
            if isinstance(members, set):
                members.discard(key)
            if not members or members == key:
                self._members.pop(short, None)


def _full() -> Unavailable:
    return full("memory", "too many logouts, claims or leases at once; raise max_sessions")


_ALIVE: Final[weakref.WeakSet[MemoryStore]] = weakref.WeakSet()


def _start_again() -> None:
    for store in list(_ALIVE):
        store.start()


if hasattr(os, "register_at_fork"):
    # A child would otherwise inherit a lock that some thread of the parent holds, and sessions that the parent alone keeps up (catalogue F-PR-06).
    os.register_at_fork(after_in_child=_start_again)
