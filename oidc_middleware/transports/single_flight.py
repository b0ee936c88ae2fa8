"""One run for many callers: those that ask for the same key while it is being fetched share the result or the error.

Nothing is remembered after completion, so an error is never cached (catalogue JW-08). If the caller that does the work is cancelled, one of the
waiting callers does it instead. Works without a lock: ``dict.setdefault`` decides who leads.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, Generic, TypeVar, cast

import anyio
import anyio.lowlevel

from oidc_middleware.errors import Unavailable

T = TypeVar("T")

#: Work that takes longer than that hangs, as far as a thread is concerned that could serve somebody else meanwhile.
STILL_SECONDS: Final = 2.0


class _Outcome(Generic[T]):
    """What a run ended with: a value, an error to share, or nothing when it was given up."""

    def __init__(self) -> None:
        self.value: T | None = None
        self.error: Exception | None = None
        self.known = False

    def succeed(self, value: T) -> None:
        self.value, self.known = value, True

    def fail(self, error: Exception) -> None:
        self.error, self.known = error, True

    def get(self) -> T:
        if self.error is not None:
            raise self.error
        return cast("T", self.value)


class AsyncSingleFlight:
    """For coroutines. Callers of one event loop share; each loop does its own work, because a coroutine cannot be awaited across loops."""

    def __init__(self) -> None:
        self._runs: dict[Hashable, tuple[_Outcome[Any], anyio.Event]] = {}

    async def run(self, key: str, factory: Callable[[], Awaitable[T]]) -> T:
        """The result of ``await factory()``, run by one of the callers that ask for *key* at this moment."""
        here = (anyio.lowlevel.current_token(), key)
        while True:
            mine: tuple[_Outcome[T], anyio.Event] = (_Outcome(), anyio.Event())
            outcome, done = cast("tuple[_Outcome[T], anyio.Event]", self._runs.setdefault(here, mine))
            if outcome is mine[0]:
                return await self._lead(here, outcome, done, factory)
            await done.wait()
            if outcome.known:
                return outcome.get()

    async def _lead(self, here: Hashable, outcome: _Outcome[T], done: anyio.Event, factory: Callable[[], Awaitable[T]]) -> T:
        try:
            value = await factory()
            outcome.succeed(value)
            return value
        except Exception as error:
            outcome.fail(error)
            raise
        finally:  # a cancelled leader leaves the outcome unknown: whoever wakes first leads
            del self._runs[here]
            done.set()


class _ThreadRun(Generic[T]):
    """What several threads wait for. *threads*: how many of them may go on waiting for what hangs."""

    def __init__(self, threads: int | None) -> None:
        self.outcome: _Outcome[T] = _Outcome()
        self._done = threading.Event()
        self._began = time.monotonic()
        self._places = None if threads is None else threading.Semaphore(threads)

    def end(self) -> None:
        self._done.set()

    def wait(self, key: str) -> None:
        """Until it ended. Raises ``Unavailable("provider_busy")`` when it hangs and enough threads wait."""
        if self._places is not None:
            still = self._began + STILL_SECONDS - time.monotonic()
            if not self._done.wait(max(0.0, still)) and not self._places.acquire(blocking=False):
                raise Unavailable("provider_busy", f"{key}: enough threads wait for the provider, which has not answered for a while", sent=False)
        self._done.wait()


class SyncSingleFlight:
    """For threads: all threads of a process share. A forked child starts empty: the parent's leading thread does not exist in it."""

    def __init__(self) -> None:
        self._runs: dict[Hashable, _ThreadRun[Any]] = {}

    def run(self, key: str, factory: Callable[[], T], threads: int | None = None) -> T:
        """The result of ``factory()``, run by one of the threads that ask for *key* at this moment.

        *threads*: as many may wait for long. Who is one too many gets ``Unavailable("provider_busy")``, after two seconds at the latest.
        """
        here = (os.getpid(), key)
        while True:
            mine: _ThreadRun[T] = _ThreadRun(threads)
            run = cast("_ThreadRun[T]", self._runs.setdefault(here, mine))
            if run is mine:
                return self._lead(here, run, factory)
            run.wait(key)
            if run.outcome.known:
                return run.outcome.get()

    def _lead(self, here: Hashable, run: _ThreadRun[T], factory: Callable[[], T]) -> T:
        try:
            value = factory()
            run.outcome.succeed(value)
            return value
        except Exception as error:
            run.outcome.fail(error)
            raise
        finally:  # a leader ended by SystemExit and its kin leaves the outcome unknown
            del self._runs[here]
            run.end()
