"""What is heard from the provider is kept for a while, refreshed, and served stale while it is away. One asks, the others use the answer.

After a failure everybody hears of that at once, and one asks again every two seconds.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from oidc_middleware.errors import OIDCError, ProviderError, Unavailable
from oidc_middleware.flows.effects import Flow, Once, Report, current_time
from oidc_middleware.protocol.responses import DEFAULT_RETRY_AFTER

T = TypeVar("T")

#: Refresh after an hour, as most peers do within 10 minutes to 24 hours; serve stale for a day while the provider is away (F-OP-03).
FRESH_SECONDS: Final = 3600.0
STALE_SECONDS: Final = 86_400.0
#: A failure is remembered this long, so that a provider that is away costs each visitor nothing, yet is found back within 5 s (F-OP-01).
FAILURE_SECONDS: Final = 2.0
#: With a stale copy at hand there is no hurry.
STALE_FAILURE_SECONDS: Final = 30.0
#: While somebody asks anew, nobody waits who has a copy; longer than a call may take (F-OP-05).
ASKING_SECONDS: Final = 12.0
#: After a failure, who comes this soon after somebody began to ask anew waits for the answer: a crowd, when the provider is back (F-PR-19). Whoever
#: comes later hears of the last failure at once: a provider that hangs holds up a few, not everybody (F-OP-01).
JOIN_SECONDS: Final = 0.5
#: Threads that wait for a provider which was silent from the start. A server with twice as many has some left for signed-in users.
WAITING_THREADS: Final = 16


@dataclass(slots=True)
class Memory(Generic[T]):
    """One document of the provider. Threads share it without a lock: half of a change costs a needless call to the provider, and nothing else.

    *fresh* and *stale*: seconds for which it is as good as new, and for which it is better than none.
    """

    value: T | None = None
    fetched_at: float = 0.0
    failure: OIDCError | None = None
    failed_at: float = 0.0
    wait: float = 0.0
    asked_at: float = float("-inf")
    fresh: float = FRESH_SECONDS
    stale: float = STALE_SECONDS

    def usable(self, now: float, max_age: float) -> T | None:
        """The document, if it is younger than *max_age* seconds. A clock that went back makes it neither younger nor older."""
        return self.value if self.value is not None and abs(now - self.fetched_at) < max_age else None

    def remember(self, value: T, now: float) -> T:
        self.value, self.fetched_at, self.failure = value, now, None
        return value

    def remember_failure(self, error: OIDCError, now: float) -> None:
        wait = FAILURE_SECONDS if self.usable(now, self.stale) is None else STALE_FAILURE_SECONDS
        if isinstance(error, Unavailable) and (error.code == "provider_throttled" or error.retry_after > DEFAULT_RETRY_AFTER):
            wait = max(wait, error.retry_after)  # the provider named it (catalogue F-OP-07, DI-08)
        self.failure, self.failed_at, self.wait = _bare(error), now, wait

    def suspect(self, error: OIDCError) -> None:
        """Something else says that the provider is away: the next one asks, and this is the last word until then."""
        if self.failure is None:
            self.failure, self.wait = _bare(error), 0.0

    def recent_failure(self, now: float) -> OIDCError | None:
        """The failure, if it was a moment ago; a new exception for each caller. A clock that is set back does not prolong it (catalogue F-PR-10)."""
        failure = self.failure
        return _bare(failure) if failure is not None and abs(now - self.failed_at) < self.wait else None

    def last_failure(self) -> OIDCError | None:
        """What the last attempt failed with, if it failed."""
        return None if self.failure is None else _bare(self.failure)

    def asked_for(self, now: float) -> float:
        """Seconds for which somebody has been asking the provider for it; infinite when nobody is."""
        return abs(now - self.asked_at)


def _bare(error: OIDCError) -> OIDCError:
    """A copy without traceback. One exception raised again and again keeps the frames of every request it ended, cookies and all."""
    return copy.copy(error)


def remembered(memory: Memory[T], name: str, load: Callable[[], Flow[T]]) -> Flow[T]:
    """What *memory* holds, or what *load* brings: one of those who come under the same *name* asks. Raises what it failed with, now or just now."""
    now = yield from current_time()
    fresh = memory.usable(now, memory.fresh)
    if fresh is not None:
        return fresh
    stale = memory.usable(now, memory.stale)
    failure = memory.recent_failure(now)
    if failure is None and memory.asked_for(now) < ASKING_SECONDS:
        if stale is not None:
            return stale
        if memory.asked_for(now) >= JOIN_SECONDS:
            failure = memory.last_failure()
    if failure is None:
        try:
            loaded: T = yield Once(name, lambda: _load_unless_done(memory, load), WAITING_THREADS)
            return loaded
        except OIDCError as error:
            failure = error
            if stale is not None:  # nobody else is told of it
                level = logging.ERROR if isinstance(error, ProviderError) else logging.WARNING
                yield Report("provider.not_refreshed", level, error.code, f"{name} of before used on: {error.detail}")
    if stale is None:
        raise failure
    return stale


def _load_unless_done(memory: Memory[T], load: Callable[[], Flow[T]]) -> Flow[T]:
    """*load*, unless another thread did it between our look at *memory* and our turn."""
    now = yield from current_time()
    fresh, failure = memory.usable(now, memory.fresh), memory.recent_failure(now)
    if fresh is not None:
        return fresh
    if failure is not None:
        raise failure
    return (yield from load_anew(memory, load, now))


def load_anew(memory: Memory[T], load: Callable[[], Flow[T]], now: float) -> Flow[T]:
    """The result of *load*, which is remembered, as its failure is."""
    memory.asked_at = now
    try:
        value = yield from load()
        now = yield from current_time()
        return memory.remember(value, now)
    except OIDCError as error:
        now = yield from current_time()
        memory.remember_failure(error, now)
        raise
    finally:  # a cancelled request as well: the next one asks
        memory.asked_at = float("-inf")
