"""A clock for several processes: eight bytes of a file that all of them map into memory."""

from __future__ import annotations

import mmap
import secrets
import struct
from pathlib import Path

_TIME = struct.Struct("d")


class SharedClock:
    """Implements :class:`oidc_middleware.clock.Clock`. The time stands still unless a test moves it; random bytes are real, since workers share them.

    A test moves the time while no request is under way, or while those that are only wait.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _TIME.size)

    @classmethod
    def create(cls, path: Path, now: float) -> SharedClock:
        """A new file for a clock that says *now*."""
        path.write_bytes(_TIME.pack(now))
        return cls(path)

    def now(self) -> float:
        return _TIME.unpack_from(self._memory)[0]

    def advance(self, seconds: float) -> None:
        _TIME.pack_into(self._memory, 0, self.now() + seconds)

    random = staticmethod(secrets.token_bytes)
