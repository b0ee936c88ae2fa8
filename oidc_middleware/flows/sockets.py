"""WebSockets outlive the request that opened them, but not the session behind them (catalogue WS-03).

An open socket is looked at again every half minute, and at once when this process hears that its session ended. What is looked at is what a request
with the cookie of the handshake would be asked: the session, whether it was ended, the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from oidc_middleware.flows.effects import Flow, current_time
from oidc_middleware.flows.messages import Request
from oidc_middleware.flows.open_sockets import key_of
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.flows.resume import user_of
from oidc_middleware.flows.site import Site
from oidc_middleware.flows.stored import indexes_of
from oidc_middleware.sessions.session import Session

#: Seconds between two looks; within that time a socket ends whose session was ended in another process.
RECHECK_SECONDS: Final = 30.0


class Watch:
    """An open socket with a session. ``on_wake`` is set by the shell: it makes the shell look at once."""

    def __init__(self, request: Request, rp: RelyingParty, site: Site, session: Session) -> None:
        self._request = request
        self._rp = rp
        self._site = site
        self._session = session
        self._signed_out = False
        self.on_wake: Callable[[], None] = lambda: None

    @property
    def keys(self) -> tuple[str, ...]:
        """What the session can be ended by."""
        return (key_of(self._session), *indexes_of(self._session))

    def wake(self) -> None:
        """Look at once whether the session still counts."""
        self.on_wake()

    def end(self) -> None:
        """The session was ended by this browser; with a session in the cookie nobody else would know."""
        self._signed_out = True
        self.wake()

    def still_open(self) -> Flow[bool]:
        """Whether the session still counts. Raises ``Unavailable`` when that cannot be known."""
        if self._signed_out:
            return False
        now = yield from current_time()
        if self._site.stored is not None:
            return (yield from self._stored_counts(now))
        # The cookie of the handshake stays as it was, while the browser's own goes on: an open socket is use enough, and the absolute end counts.
        session = self._session
        if now >= min(session.expires, session.created + self._rp.settings.session_lifetime):
            return False
        if self._rp.settings.revocation is not None and (yield from self._rp.revocations.ask(session, now)):
            return False
        return self._admitted(session)

    def _stored_counts(self, now: float) -> Flow[bool]:
        stored = self._site.stored
        if stored is None:
            return False
        read = yield from stored.read(self._request._replace(now=now))
        session = read.session
        if session is None or not self._admitted(session):
            return False
        if session.record is not None and self._site.lifetimes.touch_due(session, now):
            yield from stored.touch(session, session.record, now)  # an open socket is use
        return True

    def _admitted(self, session: Session) -> bool:
        rp = self._rp
        return rp.allow.check(user_of(session, rp)) is None or rp.public.covers(self._request.path, self._request.target)
