"""Tells an event loop that was held up from a server that is silent.

A view that blocks the loop for a second, or a machine with too much to do, lets the time limits of all calls that are under way run out, although
their answers have long been there: the limit's callback comes before the reader's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

#: Seconds between two beats, and how late one has to be for a stall.
BEAT: Final = 0.1
LATE: Final = 0.1


class Stalls:
    """A heart that beats in one event loop for as long as somebody watches. Each beat is due before the limits that run out in the same stall."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watchers = 0
        self._beating = False
        self._due = 0.0
        self._last = float("-inf")

    @contextmanager
    def watched(self) -> Iterator[Callable[[], bool]]:
        """For the length of a call: what tells whether the loop was held up since it began."""
        begin = self._loop.time()
        self._watchers += 1
        if not self._beating:
            self._beating = True
            self._plan()
        try:
            yield lambda: self._last >= begin
        finally:
            self._watchers -= 1

    def _plan(self) -> None:
        self._due = self._loop.time() + BEAT
        self._loop.call_at(self._due, self._beat)

    def _beat(self) -> None:
        now = self._loop.time()
        if now - self._due > LATE:
            self._last = now
        if self._watchers:
            self._plan()
        else:
            self._beating = False
