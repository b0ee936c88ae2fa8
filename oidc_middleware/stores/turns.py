"""Whether a session may have been written to since it was last looked at: numbers in a file that all processes of a machine have in memory.

A slot belongs to all keys of the same checksum, and has two numbers. Who is about to write raises ``begun``, as the only writer that there is at the
time; once the write can be seen, ``done`` is set to the same. So:

- while the two differ, a write is under way, or was cut off: nobody takes note of anything;
- who looked while both were *n*, and finds ``begun`` to be *n* still, would see the same again.

Whoever writes is told that it is done after all others can know. What goes wrong (a writer killed midway, two that overtake each other with ``done``)
costs the sessions of one slot the short way, until one of them is written to again.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from zlib import crc32

#: Sixteen bytes each: two pages altogether, and a write stops few from believing what they know.
_SLOTS: Final = 512
_BYTES: Final = _SLOTS * 16


class Turns:
    """The numbers in the file *path*, made at first use and readable by its owner alone. Raises ``OSError``."""

    def __init__(self, path: Path) -> None:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(file).st_size < _BYTES:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file, 0, _BYTES)  # for the first write into a hole of a full disk is a signal, and no error
                else:
                    os.ftruncate(file, _BYTES)
            mapped = mmap.mmap(file, _BYTES)
        finally:
            os.close(file)
        #: ``begun`` of the slot *n* is at 2 *n*, ``done`` behind it. Reading and writing eight bytes that are aligned is one step.
        self.numbers = memoryview(mapped).cast("Q")

    @staticmethod
    def place(key: str) -> int:
        """Where ``begun`` of *key* is."""
        return crc32(key.encode()) % _SLOTS * 2

    def settled(self, place: int) -> int | None:
        """The number there, or ``None`` while a write is under way. To be asked before the look that is to be remembered under it."""
        begun = self.numbers[place]
        return begun if self.numbers[place + 1] == begun else None

    def begin(self, keys: Iterable[str]) -> dict[int, int]:
        """Before *keys* are written to, by the only writer that there is: what :meth:`done` takes once all others can see it, and not before."""
        begun = {}
        for place in map(self.place, keys):
            begun[place] = self.numbers[place] = (self.numbers[place] + 1) & 0xFFFF_FFFF_FFFF_FFFF
        return begun

    def done(self, begun: dict[int, int]) -> None:
        """What was begun is done."""
        for place, number in begun.items():
            self.numbers[place + 1] = number
