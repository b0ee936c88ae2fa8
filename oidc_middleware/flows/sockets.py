"""WebSockets and long answers outlive the request that began them, but not the session behind them (catalogue WS-03, WS-09).

An open socket is looked at again every half minute, and at once when this process hears that its session ended. What is looked at is what a request
with the cookie of the handshake would be asked: the session, whether it was ended, the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from oidc_middleware.flows.effects import Flow, current_time
from oidc_middleware.flows.messages import Request
from oidc_middleware.flows.open_sockets import key_of
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.flows.resume import user_of
from oidc_middleware.flows.site import Site
from oidc_middleware.flows.stored import StoredSessions, indexes_of
from oidc_middleware.sessions.session import Session

#: Seconds between two looks; within that time a socket ends whose session was ended in another process.
RECHECK_SECONDS: Final = 30.0


def _nobody() -> None:
    """Nobody waits yet."""


class Watch:
    """What has to be known of an open socket to judge it again. There may be tens of thousands, so it is no more than that (catalogue WS-05).

    ``signed_out``: the session was ended by its own browser. ``on_wake`` is set by whoever waits: it makes them look at once.
    """

    __slots__ = ("_path", "_rp", "_session", "_site", "_target", "on_wake", "signed_out")

    def __init__(self, request: Request, rp: RelyingParty, site: Site, session: Session) -> None:
        self._path = request.path
        self._target = request.target
        self._rp = rp
        self._site = site
        self._session = session
        self.signed_out = False
        self.on_wake: Callable[[], None] = _nobody

    @property
    def key(self) -> str:
        """The name of the session."""
        return key_of(self._session)

    @property
    def keys(self) -> tuple[str, ...]:
        """What the session can be ended by."""
        return (self.key, *indexes_of(self._session))

    def wake(self) -> None:
        """Look at once whether the session still counts."""
        self.on_wake()

    def end(self) -> None:
        """The session was ended by this browser; with a session in the cookie nobody else would know."""
        self.signed_out = True
        self.wake()

    def still_open(self) -> Flow[bool]:
        """Whether the session still counts. Raises ``Unavailable`` when that cannot be known."""
        (counts,) = yield from look((self,))
        return counts

    def current(self) -> Flow[Session | None]:
        """The session as it is now, ``None`` when it is over. Raises ``Unavailable`` when that cannot be known."""
        now = yield from current_time()
        session = self._session
        if self._site.stored is not None:
            return None if session.record is None else (yield from _stored(self._site.stored, session.record[0], self._site, now))
        # The cookie of the handshake stays as it was, while the browser's own goes on: an open socket is use enough, and the absolute end counts.
        if now >= min(session.expires, session.created + self._rp.settings.session_lifetime):
            return None
        ended = self._rp.settings.revocation is not None and (yield from self._rp.revocations.ask(session, now))
        return None if ended else session

    def admits(self, session: Session) -> bool:
        """Whether the rules still let the user of *session* in here."""
        rp = self._rp
        return rp.allow.check(user_of(session, rp)) is None or rp.public.covers(self._path, self._target)


def look(watches: Sequence[Watch]) -> Flow[list[bool]]:
    """Whether each of *watches*, which are all of one session, may stay open. Raises ``Unavailable`` when that cannot be known."""
    if all(watch.signed_out for watch in watches):
        return [False] * len(watches)
    session = yield from watches[0].current()
    return [session is not None and not watch.signed_out and watch.admits(session) for watch in watches]


def _stored(stored: StoredSessions, key: str, site: Site, now: float) -> Flow[Session | None]:
    session, _ = yield from stored.at(key, now)
    if session is not None and session.record is not None and site.lifetimes.touch_due(session, now):
        yield from stored.touch(session, session.record, now)  # an open socket is use
    return session
