"""A session: who signed in, since when, until when. Lifetimes are arithmetic on ``now``.

The times in the sealed value decide, never the cookie's ``Max-Age`` (catalogue CK-07). They are our own: itsdangerous refuses a timestamp one
second in the future, which ends fresh logins on the worker whose clock is behind (catalogue CK-18, Appendix A 1).

Two formats are read: the first is JSON, the second can be taken apart by three calls into C, because a session that is new to a process is read
while somebody waits.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from oidc_middleware.sessions.codec import UnknownFormat, dump, is_count, is_text, is_texts, is_time, load, require

__all__ = ["Fields", "Lifetimes", "Session", "UnknownFormat", "decode", "decode_fields", "encode"]

_FIELDS: Final = 10

#: Format 2: version, which of the optional fields there are, created, seen, expires, issued_at, auth_time.
_HEAD: Final = struct.Struct(">BBddddq")
_VERSION: Final = ord("2")
#: Behind the head, in UTF-8: issuer, subject, sid, id_token and scopes, a line each, and the claims as they are.
_LINES: Final = 5
_SID, _ID_TOKEN, _AUTH_TIME, _ISSUED_AT = 1, 2, 4, 8
_ALL: Final = 15

#: A clock that is set back by up to an hour (a wrong time server, summer time put into the system's clock) signs nobody out, and lets a session
#: live longer by no more than that (catalogue F-PR-10).
STEP_BACK = 3_600.0


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in on one browser. Times in seconds since the epoch, as floats.

    ``issuer`` and ``subject`` together name the user (OIDC Core 5.7). ``claims_json`` is a JSON object, decoded only when somebody reads it.
    ``created``: the login. ``seen``: the last request that was written down. ``expires``: the absolute end, whatever happens.
    ``sid``: the provider's session. ``id_token``: kept as the hint at sign-out. ``auth_time``: when the provider last saw the user's credentials.
    ``issued_at``: the provider's time of the ID token; a logout at or after it ends the session (Back-Channel Logout 2.7).
    ``memo``: what a reader made of the session, kept for as long as its cookie is cached; never sealed.
    ``record``: where a session on the server is kept, and in which version.

    Shared by all requests that bring the same cookie, so it is read-only: :func:`dataclasses.replace` makes another, and :meth:`note` writes
    beside it what is not of it.
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

    def note(self, *, memo: object = None, record: tuple[str, int] | None = None) -> None:
        """Keep with the session, for all who share it, what its reader made of it (*memo*), or where it was read (*record*)."""
        if memo is not None:
            object.__setattr__(self, "memo", memo)
        if record is not None:
            object.__setattr__(self, "record", record)


#: What a session holds, in the order of its constructor: who asks for no more than that need not wait for the session.
Fields = tuple[str, str, str, float, float, float, str | None, tuple[str, ...], str | None, int | None, float | None]


def encode(session: Session) -> bytes:
    """The session as bytes. Raises ``ValueError`` for text that has no UTF-8 form, and for times that are no numbers."""
    scopes, sid, id_token = " ".join(session.scopes), session.sid, session.id_token
    lines = "\n".join((session.issuer, session.subject, sid or "", id_token or "", scopes))
    if lines.count("\n") != _LINES - 1 or _scopes(scopes) != session.scopes:
        return _encode_1(session)
    auth_time, issued_at = session.auth_time, session.issued_at
    told = (sid is not None) * _SID + (id_token is not None) * _ID_TOKEN
    told += (auth_time is not None) * _AUTH_TIME + (issued_at is not None) * _ISSUED_AT
    try:
        head = _HEAD.pack(_VERSION, told, session.created, session.seen, session.expires, issued_at or 0.0, auth_time or 0)
    except (struct.error, OverflowError):
        return _encode_1(session)
    if (session.created + session.seen + session.expires + (issued_at or 0.0)) * 0.0 != 0.0:
        return _encode_1(session)
    return head + f"{lines}\n{session.claims_json}".encode()


def _encode_1(session: Session) -> bytes:
    """Format 1, for what format 2 has no form for: lines with breaks, scopes with spaces, years beyond all clocks."""
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


def decode(data: bytes, start: int = 0) -> Session:
    """The session :func:`encode` wrote, from *start* on. Raises :class:`UnknownFormat`, and nothing else, for anything it would not have written."""
    return Session(*decode_fields(data, start))


def decode_fields(data: bytes, start: int = 0) -> Fields:
    """The fields of the session that :func:`decode` makes, after the same checks."""
    try:
        version, told, created, seen, expires, issued_at, auth_time = _HEAD.unpack_from(data, start)
        if version != _VERSION:
            return _decode_1(data[start:])
        issuer, subject, sid, id_token, scopes, claims = data[start + _HEAD.size :].decode().split("\n", _LINES)
    except struct.error:
        return _decode_1(data[start:])
    except ValueError:
        raise UnknownFormat from None
    if not (issuer and subject and claims) or claims[0] != "{" or claims[-1] != "}" or told > _ALL:
        raise UnknownFormat
    if (created + seen + expires + issued_at) * 0.0 != 0.0:  # one of them is infinite, or no number
        raise UnknownFormat
    return (
        issuer,
        subject,
        claims,
        created,
        seen,
        expires,
        sid if told & _SID else None,
        _scopes(scopes),
        id_token if told & _ID_TOKEN else None,
        auth_time if told & _AUTH_TIME else None,
        issued_at if told & _ISSUED_AT else None,
    )


@lru_cache(256)
def _scopes(line: str) -> tuple[str, ...]:
    """One object for all who were granted the same."""
    return tuple(line.split(" ")) if line else ()


def _decode_1(data: bytes) -> Fields:
    head, newline, claims = data.partition(b"\n")
    issuer, subject, created, seen, expires, sid, scopes, id_token, auth_time, issued_at = load(head, _FIELDS)
    require(bool(newline and issuer and subject) and claims[:1] == b"{" and claims[-1:] == b"}")
    require(all(map(is_text, (issuer, subject))) and all(text is None or is_text(text) for text in (sid, id_token)) and is_texts(scopes))
    require(is_time(created) and is_time(seen) and is_time(expires))
    require((auth_time is None or is_count(auth_time)) and (issued_at is None or is_time(issued_at)))
    try:
        claims_json = claims.decode()
    except ValueError:
        raise UnknownFormat from None
    return issuer, subject, claims_json, created, seen, expires, sid, tuple(scopes), id_token, auth_time, issued_at


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
        created, seen, latest = session.created, session.seen, session.expires
        # Comparisons: max() and min() cost as much as all the rest of it.
        end, idle = created + self.session_lifetime, seen + self.idle_timeout
        if end < latest:  # noqa: PLR1730  # as above
            latest = end
        if idle < latest:  # noqa: PLR1730  # as above
            latest = idle
        return (created if created > seen else seen) - self.leeway - STEP_BACK, latest  # noqa: FURB136  # as above

    def quiet(self, session: Session) -> tuple[float, float]:
        """The part of :meth:`window` in which the session need not be written down again."""
        return self.quiet_between(session.created, session.seen, session.expires)

    def quiet_between(self, created: float, seen: float, expires: float) -> tuple[float, float]:
        """:meth:`quiet` for a session with these times."""
        end, due = created + self.session_lifetime, seen + self.idle_timeout / 4  # sooner than the end of the idle time
        if end < expires:  # noqa: PLR1730  # as above
            expires = end
        return (created if created > seen else seen) - self.leeway - STEP_BACK, due if due < expires else expires  # noqa: FURB136  # as above

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
