"""A clock for tests: time moves when the test says so, and "random" bytes are reproducible yet never repeat."""

from __future__ import annotations

import hashlib
import itertools
from typing import Final

#: 15 January 2027, 08:00 UTC: a round number, well away from every limit.
START: Final = 1_800_000_000.0


class FakeClock:
    """Implements :class:`oidc_middleware.clock.Clock`.

    ``seed`` keeps the bytes of two clocks apart. Nothing made with this clock is secret: it is for tests only.
    """

    def __init__(self, now: float = START, seed: str = "clock") -> None:
        self._now = now
        self._seed = seed.encode()
        self._drawn = itertools.count()

    def now(self) -> float:
        """Seconds since the epoch, as last set."""
        return self._now

    def set(self, now: float) -> None:
        """Make it *now* (seconds since the epoch); backwards is allowed, as with a real clock that was corrected."""
        self._now = now

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass; a negative number steps the clock back."""
        self._now += seconds

    def random(self, length: int) -> bytes:
        """*length* bytes that no earlier call of this clock returned."""
        block = self._seed + next(self._drawn).to_bytes(8, "big")
        return hashlib.shake_256(block).digest(length)
