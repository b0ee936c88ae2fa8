"""Where sessions are kept on the server: memory, SQLite, Redis behind one small interface."""

from oidc_middleware.stores.base import AsyncStore, Instant, Record, SyncStore, instant
from oidc_middleware.stores.targets import file_of, is_shared, open_async, open_sync, store_problems
from oidc_middleware.stores.workers import NOT_SHARED, memory_of, several_announced

__all__ = [
    "NOT_SHARED",
    "AsyncStore",
    "Instant",
    "Record",
    "SyncStore",
    "file_of",
    "instant",
    "is_shared",
    "memory_of",
    "open_async",
    "open_sync",
    "several_announced",
    "store_problems",
]
