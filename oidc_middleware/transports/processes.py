"""What each process has of its own, and the event loop that its threads share."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

State = TypeVar("State")


class PerProcess(dict[int, State]):
    """A value for this process, made at first use. A forked child makes its own and leaves the parent's sockets and threads alone (F-PR-06)."""

    def __init__(self, make: Callable[[], State]) -> None:
        self._make = make

    def get_own(self) -> State:
        """The value of the current process."""
        pid = os.getpid()
        return self[pid] if pid in self else self.setdefault(pid, self._make())


class _Background:
    """An event loop in a daemon thread: anyio's ready-made portals run in threads that keep the interpreter from ending."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def call(self, coroutine: Coroutine[Any, Any, State]) -> State:
        """Run *coroutine* there and wait for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._started()).result()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="oidc_middleware HTTP", daemon=True).start()
            return self._loop


BACKGROUND: Final = PerProcess(_Background)
