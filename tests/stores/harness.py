"""Every kind of store, opened the way an application opens it; asynchronous ones look synchronous to the tests."""

from __future__ import annotations

import asyncio
import inspect
import threading

from oidc_middleware.stores import open_async, open_sync

#: A time of day; only memory and SQLite would let a test choose it freely, so it is close to the real one.
NOW = 1_790_000_000.0


class Portal:
    """An asynchronous store, called from a test: one event loop in one thread."""

    def __init__(self, store) -> None:
        self.store = store
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def __getattr__(self, name):
        method = getattr(self.store, name)
        if not inspect.iscoroutinefunction(method):
            return method

        def call(*args, **options):
            return asyncio.run_coroutine_threadsafe(method(*args, **options), self.loop).result(20)

        return call

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.loop.shutdown_asyncgens(), self.loop).result(20)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(20)
        self.loop.close()


class Opened:
    """Opens stores, and closes them with the test."""

    def __init__(self) -> None:
        self._stores: list = []

    def __call__(self, target, shell: str = "sync"):
        store = open_sync(target) if shell == "sync" else Portal(open_async(target))
        self._stores.append(store)
        return store

    def close(self) -> None:
        for store in self._stores:
            store.close()
            if isinstance(store, Portal):
                store.stop()


def new(store, key="k1", data=b"sealed", *, ttl=600.0, indexes=("sub-1",), issued_at=NOW, now=NOW):
    """``create`` with the usual values."""
    return store.create(key, data, ttl=ttl, indexes=indexes, issued_at=issued_at, now=now)
