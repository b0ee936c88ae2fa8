"""Ending sessions that live in cookies: a small list of "everything issued until then is over", with a short local memory.

The list is in a store that all workers share. A worker asks it about a session once in a few seconds, so an ended session lives on for at most
that long elsewhere, and not at all in the worker that was told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from oidc_middleware.flows.effects import Flow, StoreMarks
from oidc_middleware.flows.stored import indexes_of, own_index
from oidc_middleware.sessions.session import Session

#: Seconds that a worker believes what it heard about a session.
MEMORY_SECONDS: Final = 5.0
_MAX_REMEMBERED: Final = 10_000


class Revocations:
    """What this process heard about ended sessions. Bounded; whoever is forgotten is asked about again.

    Plain dictionaries, each of whose steps is whole: threads share this without a lock.
    """

    def __init__(self) -> None:
        self._ended: dict[str, float] = {}
        #: When the list was asked about these indexes, and what it said: until when they were ended.
        self._heard: dict[tuple[str, ...], tuple[float, float | None]] = {}

    def note(self, index: str, issued_until: float) -> None:
        """This process was told that sessions under *index* are over."""
        if len(self._ended) >= _MAX_REMEMBERED:
            self._ended.clear()
            self._heard.clear()  # what was heard is older than what is forgotten: the list knows both
        self._ended[index] = max(issued_until, self._ended.get(index, issued_until))

    def known(self, session: Session, now: float) -> bool | None:
        """Whether *session* was ended; ``None`` when it is time to ask."""
        return self._known(_indexes(session), session, now)

    def unended(self, session: Session) -> Callable[[float], bool]:
        """A function of the time: whether this process knows that *session* was not ended, and need not ask."""
        indexes: tuple[str, ...] = ()

        def lives(now: float) -> bool:
            nonlocal indexes
            indexes = indexes or _indexes(session)  # hashes: once for all requests, and not for the one that is never repeated
            return self._known(indexes, session, now) is False

        return lives

    def _known(self, indexes: tuple[str, ...], session: Session, now: float) -> bool | None:
        if any(self._ended.get(index, -1.0) >= session.issued for index in indexes):
            return True
        asked, mark = self._heard.get(indexes, (float("-inf"), None))
        if _ends(mark, session):  # for good: such a mark is never lowered
            return True
        return False if abs(now - asked) < MEMORY_SECONDS else None

    def ask(self, session: Session, now: float) -> Flow[bool]:
        """Ask the list. Result: whether *session* was ended. Raises ``Unavailable``: then nobody is let in, and nothing is deleted."""
        known = self.known(session, now)
        if known is not None:
            return known
        indexes = _indexes(session)
        mark: float | None = yield StoreMarks(indexes)
        if len(self._heard) >= _MAX_REMEMBERED:
            self._heard.clear()
        self._heard[indexes] = (now, mark)
        return _ends(mark, session)


def _indexes(session: Session) -> tuple[str, ...]:
    return (*indexes_of(session), own_index(session))


def _ends(mark: float | None, session: Session) -> bool:
    return mark is not None and mark >= session.issued
