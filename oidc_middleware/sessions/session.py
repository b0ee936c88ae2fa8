"""A session: who signed in, since when, until when. Lifetimes are arithmetic on ``now``.

The times in the sealed value decide, never the cookie's ``Max-Age`` (catalogue CK-07). They are our own: itsdangerous refuses a timestamp one
second in the future, which ends fresh logins on the worker whose clock is behind (catalogue CK-18, Appendix A 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Final

from oidc_middleware.sessions.codec import UnknownFormat, dump, is_count, is_time, load, require

__all__ = ["Lifetimes", "Session", "UnknownFormat", "decode", "encode"]

_FIELDS: Final = 10

#: A clock that is set back by up to an hour (a wrong time server, summer time put into the system's clock) signs nobody out, and lets a session
#: live longer by no more than that (catalogue F-PR-10).
STEP_BACK = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One sign-in on one browser. Times in seconds since the epoch, as floats.

    ``issuer`` and ``subject`` together name the user (OIDC Core 5.7). ``claims_json`` is a JSON object, decoded only when somebody reads it.
    ``created``: the login. ``seen``: the last request that was written down. ``expires``: the absolute end, whatever happens.
    ``sid``: the provider's session. ``id_token``: kept as the hint at sign-out. ``auth_time``: when the provider last saw the user's credentials.
    ``issued_at``: the provider's time of the ID token; a logout at or after it ends the session (Back-Channel Logout 2.7).
    ``memo``: what a reader made of the session, kept for as long as its cookie is cached; set with ``object.__setattr__``, never sealed.
    ``record``: where a session on the server is kept, and in which version; set likewise by whoever read it.
    """

    issuer: str
    subject: str
    claims_json: str = field(repr=False)
    created: float
    seen: float
    expires: float
    sid: str | None = None
    scopes: tuple[str, ...] = ()
    id_token: str | None = field(default=None, repr=False)
    auth_time: int | None = None
    issued_at: float | None = None
    memo: object = field(default=None, init=False, repr=False, compare=False)
    record: tuple[str, int] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def issued(self) -> float:
        """When the provider issued it, as far as known. Never later than we made it: a provider's clock that is ahead keeps nothing alive."""
        return self.created if self.issued_at is None else min(self.created, self.issued_at)


#: What sets each field, in their order. The class's own way looks every name up anew and takes twice as long, for each session that is new to us.
_FILL: Final = tuple(Session.__dict__[item.name].__set__ for item in fields(Session))


def encode(session: Session) -> bytes:
    """The session as bytes: a line of fields, then the claims as they are. Raises ``ValueError`` for text that has no UTF-8 form."""
    values = [
        session.issuer,
        session.subject,
        session.created,
        session.seen,
        session.expires,
        session.sid,
        session.scopes,
        session.id_token,
        session.auth_time,
        session.issued_at,
    ]
    return dump(values) + b"\n" + session.claims_json.encode()


def decode(data: bytes) -> Session:
    """The session :func:`encode` wrote. Raises :class:`UnknownFormat`, and nothing else, for anything it would not have written."""
    head, newline, claims = data.partition(b"\n")
    issuer, subject, created, seen, expires, sid, scopes, id_token, auth_time, issued_at = load(head, _FIELDS)
    require(bool(newline and issuer and subject) and claims[:1] == b"{" and claims[-1:] == b"}" and isinstance(scopes, list))
    try:
        # Joining takes nothing but strings, and encoding no lone surrogate: one call where a look at each would be six (performance).
        "".join((issuer, subject, "" if sid is None else sid, "" if id_token is None else id_token, *scopes)).encode()
        claims_json = claims.decode()
    except (TypeError, ValueError):
        raise UnknownFormat from None
    require(is_time(created) and is_time(seen) and is_time(expires))
    require((auth_time is None or is_count(auth_time)) and (issued_at is None or is_time(issued_at)))
    values = (issuer, subject, claims_json, created, seen, expires, sid, tuple(scopes), id_token, auth_time, issued_at, None, None)
    session = object.__new__(Session)
    for fill, value in zip(_FILL, values, strict=True):
        fill(session, value)
    return session


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long sessions live. All in seconds: ``session_lifetime`` from the login on, ``idle_timeout`` from the last request that was written
    down, ``leeway`` for clocks that differ between workers.

    A limit is a limit, to the second. The leeway is for the other side: a worker whose clock is behind, or was set back, sees sessions that seem to
    begin in the future, and takes them up to :data:`STEP_BACK` and the leeway (catalogue CK-18, F-PR-10). What is from further away was made by a
    clock that was years ahead, and would live that long.
    """

    session_lifetime: float
    idle_timeout: float
    leeway: float

    def expiry(self, now: float) -> float:
        """The absolute end of a session that begins now."""
        return now + self.session_lifetime

    def window(self, session: Session) -> tuple[float, float]:
        """From when (inclusive) until when (exclusive) the session counts.

        ``session_lifetime`` holds again here, beside the stored end: shortening it in the settings shortens the sessions that exist.
        """
        created, seen = session.created, session.seen
        earliest = (max(created, seen)) - self.leeway - STEP_BACK
        return earliest, min(session.expires, created + self.session_lifetime, seen + self.idle_timeout)

    def quiet(self, session: Session) -> tuple[float, float]:
        """The part of :meth:`window` in which the session need not be written down again."""
        earliest, latest = self.window(session)
        return earliest, min(latest, self.touch_at(session))

    def alive(self, session: Session, now: float) -> bool:
        """Whether the session counts now: neither idle for too long, nor past its end, nor from the future."""
        earliest, latest = self.window(session)
        return earliest <= now < latest

    def touch_at(self, session: Session) -> float:
        """From when on to write down that the session is used: a quarter of the idle time has passed. Never on every answer."""
        return session.seen + self.idle_timeout / 4

    def touch_due(self, session: Session, now: float) -> bool:
        """Whether to write down that the session was used."""
        return now >= self.touch_at(session)

    def touched(self, session: Session, now: float) -> Session:
        """The session, used now. A clock that is behind does not turn time back.

        Whole seconds: a fraction could take more digits than the time that stood there, and a session that just fitted would not fit any more.
        """
        return replace(session, seen=max(session.seen, float(int(now))))

    def remaining(self, session: Session, now: float) -> float:
        """Seconds until the session ends if nobody uses it; never negative."""
        return max(0.0, self.window(session)[1] - now)
