"""The only doors to time and randomness.

Nothing else in the package reads a clock or draws entropy (the import rules see to it), so a test hands in its own :class:`Clock` and patches
nothing.
"""

from __future__ import annotations

import secrets
import time
from typing import Protocol


class Clock(Protocol):
    """What the package asks of its surroundings: the time and unguessable bytes."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        ...

    def random(self, length: int) -> bytes:
        """*length* bytes from a cryptographically secure source."""
        ...


def sleep(seconds: float) -> None:
    """Let this thread wait."""
    time.sleep(seconds)


class SystemClock:
    """The real thing."""

    now = staticmethod(time.time)
    random = staticmethod(secrets.token_bytes)
