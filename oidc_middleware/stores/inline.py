"""Synchronous stores under an event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import anyio.to_thread

from oidc_middleware.stores.base import Instant, Record, SyncStore

Result = TypeVar("Result")


class Inline(Instant):
    """Calls a store that never waits right in the event loop: it answers faster than a thread could be woken.

    *patient* is the same store for what would have to wait, called in a worker thread. A call of the first that raises *busy* is made there.
    """

    def __init__(self, store: SyncStore, patient: SyncStore | None = None, busy: type[Exception] | tuple[()] = ()) -> None:
        self._store = store
        self._patient = patient or store
        self._busy = busy

    def __repr__(self) -> str:
        return repr(self._store)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)  # what one store has beyond the interface: instance, evicted

    def still(self, key: str, version: int, now: float) -> bool:
        """See :class:`~oidc_middleware.stores.base.Instant`."""
        return isinstance(self._store, Instant) and self._store.still(key, version, now)

    def quickest(self) -> Callable[[str, int, float], bool]:
        return self._store.quickest() if isinstance(self._store, Instant) else self.still

    async def _call(self, call: Callable[[SyncStore], Result]) -> Result:
        try:
            return call(self._store)
        except self._busy:
            return await anyio.to_thread.run_sync(call, self._patient)

    async def get(self, key: str, now: float) -> Record | None:
        """See :class:`~oidc_middleware.stores.base.AsyncStore`, here and below."""
        try:
            return self._store.get(key, now)
        except self._busy:
            return await anyio.to_thread.run_sync(self._patient.get, key, now)

    async def create(self, key: str, data: bytes, *, ttl: float, indexes: tuple[str, ...], issued_at: float, now: float) -> bool:
        return await self._call(lambda store: store.create(key, data, ttl=ttl, indexes=indexes, issued_at=issued_at, now=now))

    async def replace(self, key: str, data: bytes, version: int, *, ttl: float, now: float) -> bool:
        return await self._call(lambda store: store.replace(key, data, version, ttl=ttl, now=now))

    async def delete(self, key: str, *, keep: float, now: float) -> bool:
        return await self._call(lambda store: store.delete(key, keep=keep, now=now))

    async def delete_index(self, index: str, *, issued_until: float, keep: float, now: float) -> int:
        return await self._call(lambda store: store.delete_index(index, issued_until=issued_until, keep=keep, now=now))

    async def mark(self, index: str, *, issued_until: float, keep: float, now: float) -> None:
        return await self._call(lambda store: store.mark(index, issued_until=issued_until, keep=keep, now=now))

    async def marks(self, indexes: tuple[str, ...], now: float) -> float | None:
        try:
            return self._store.marks(indexes, now)
        except self._busy:
            return await anyio.to_thread.run_sync(self._patient.marks, indexes, now)

    async def holds(self, index: str, now: float) -> bool:
        return await self._call(lambda store: store.holds(index, now))

    async def claim(self, key: str, ttl: float, now: float) -> bool:
        return await self._call(lambda store: store.claim(key, ttl, now))

    async def forget(self, key: str) -> None:
        return await self._call(lambda store: store.forget(key))

    async def acquire(self, key: str, owner: str, ttl: float, now: float) -> bool:
        return await self._call(lambda store: store.acquire(key, owner, ttl, now))

    async def release(self, key: str, owner: str) -> None:
        return await self._call(lambda store: store.release(key, owner))

    async def check(self) -> list[str]:
        return await self._call(lambda store: store.check())

    async def close(self) -> None:
        self._store.close()
        self._patient.close()


class Threaded(Inline):
    """Calls a user's own synchronous store in worker threads: nobody knows how long it takes."""

    def still(self, key: str, version: int, now: float) -> bool:  # noqa: ARG002  # it would have to wait
        return False

    def quickest(self) -> Callable[[str, int, float], bool]:
        return self.still

    async def _call(self, call: Callable[[SyncStore], Result]) -> Result:
        return await anyio.to_thread.run_sync(call, self._store)

    async def get(self, key: str, now: float) -> Record | None:
        return await self._call(lambda store: store.get(key, now))

    async def marks(self, indexes: tuple[str, ...], now: float) -> float | None:
        return await self._call(lambda store: store.marks(indexes, now))

    async def close(self) -> None:
        await anyio.to_thread.run_sync(self._store.close)
