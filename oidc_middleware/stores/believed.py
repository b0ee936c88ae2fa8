"""What a worker still believes of a store that others write to: for a few seconds, at the operator's wish, it does not ask again.

The bound that is promised: whatever another process ended is believed no longer than ``seconds`` after; what this process ended, not at all. So an
answer counts from the moment it was *asked for*, and every write from here makes void what was asked for before that write was done.
"""

from __future__ import annotations

import itertools
from typing import Final, NamedTuple

#: Sessions that are believed, and names that are doubted, at most; then everything is asked again.
_LIMIT: Final = 4_096


class _Answer(NamedTuple):
    begun: int
    asked: float
    version: int
    until: float
    indexes: tuple[str, ...]


class Believed:
    """Plain dictionaries, each of whose steps is whole: threads share this without a lock."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._turn = itertools.count()
        self._answers: dict[str, _Answer] = {}
        #: Keys and indexes, and when they were last written to from here.
        self._doubted: dict[str, int] = {}
        self._floor = -1

    def begin(self) -> int:
        """To be called before the store is asked: the turn that :meth:`keep` takes."""
        return next(self._turn)

    def keep(self, begun: int, key: str, version: int, *, expires: float, indexes: tuple[str, ...], asked: float) -> None:
        """Believe an answer: *key* is of *version* and can be ended by *indexes*."""
        if len(self._answers) >= _LIMIT:
            self._answers.clear()
        self._answers[key] = _Answer(begun, asked, version, min(expires, asked + self._seconds), indexes)

    def doubt(self, *names: str) -> None:
        """To be called after a write to keys or indexes, whether or not it succeeded."""
        if len(self._doubted) >= _LIMIT:
            self._floor = next(self._turn)  # first: in between, too much is doubted and never too little
            self._doubted.clear()
        turn = next(self._turn)
        for name in names:
            self._doubted[name] = turn

    def still(self, key: str, version: int, now: float) -> bool:
        """Whether *key* is believed to be of *version* now."""
        answer = self._answers.get(key)
        if answer is None or answer.version != version or not answer.asked <= now < answer.until or answer.begun < self._floor:
            return False
        doubted = self._doubted
        return not doubted or all(doubted.get(name, -1) < answer.begun for name in (key, *answer.indexes))
