"""A clock for several processes: eight bytes of a file that all of them map into memory."""

from __future__ import annotations

import mmap
import secrets
import struct
import time
from pathlib import Path

_TIME = struct.Struct("d")


class SharedClock:
    """Implements :class:`oidc_middleware.clock.Clock`. Random bytes are real, since workers share what they make of them.

    The time stands still unless the test moves it; one that *runs* is as far ahead of the real time as the test moved it, for providers that know
    only that. A test moves it while no request is under way, or while those that are only wait.
    """

    def __init__(self, path: Path, *, runs: bool) -> None:
        self.path, self.runs = path, runs
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _TIME.size)

    @classmethod
    def create(cls, path: Path, begin: float | None) -> SharedClock:
        """A new file for a clock that says *begin*; ``None``: for one that runs."""
        path.write_bytes(_TIME.pack(begin or 0.0))
        return cls(path, runs=begin is None)

    def now(self) -> float:
        return self._set() + (time.time() if self.runs else 0.0)

    def advance(self, seconds: float) -> None:
        _TIME.pack_into(self._memory, 0, self._set() + seconds)

    def _set(self) -> float:
        return _TIME.unpack_from(self._memory)[0]

    random = staticmethod(secrets.token_bytes)
