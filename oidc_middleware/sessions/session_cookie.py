"""The session in the browser: one sealed cookie, or several when it is long.

Layout: ``<name>=<sealed>`` when it fits into one cookie; otherwise ``<name>=<count>~<part>``, ``<name>.1=<part>``, ... The count is sealed with
the session as well, so parts of different sessions, too few or too many parts never make a session (catalogue CK-01, CK-03).

Reading is the hot path of the whole package. :meth:`SessionCookies.read` knows all headers: what was opened, and passed every check that does not
depend on the time, is kept in a bounded cache under the very text of the cookie; the time is checked on every hit. The usual header is read in two
steps as well, :meth:`SessionCookies.sole` and :meth:`SessionCookies.fields`, by who keeps what it means in another form (``flows/lane``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from math import ceil
from typing import Any, Final, NamedTuple

from oidc_middleware.errors import LoginError
from oidc_middleware.sessions.codec import UnknownFormat
from oidc_middleware.sessions.cookies import CookieNames, cost, delete_cookie, find, find_prefix, set_cookie
from oidc_middleware.sessions.ended import EndedSessions
from oidc_middleware.sessions.sealing import BrokenSeal, Keyring, sealed_size
from oidc_middleware.sessions.session import STEP_BACK, Fields, Lifetimes, Session, decode, decode_fields, encode

#: Browsers keep cookies up to 4,096 bytes of name and value (RFC 6265bis 5.6); 3,900 is what express-openid-connect and others leave room for.
MAX_COOKIE_BYTES: Final = 3_900

#: More parts than that are never written and never looked for (catalogue CK-03).
MAX_COOKIES: Final = 10

#: 6 kB for all our cookies together, of which login and loop guard take the rest; gunicorn answers 431 above 8,190 bytes (catalogue CK-05).
DEFAULT_BUDGET: Final = 5_500

#: 1,024 sessions of the usual size take 2 to 4 MB.
_CACHED_SESSIONS: Final = 1_024

_IN_ONE_COOKIE: Final = b"\x01"  # as the count is sealed

_FIRST_PART: Final = re.compile(r"([2-9]|10)~([^~]+)")


class SessionRead(NamedTuple):
    """What a ``Cookie`` header says about the session.

    ``present``: the names of ours that were seen, for :meth:`SessionCookies.write` and :meth:`SessionCookies.clear`. ``reason``: ``ok``,
    ``absent``, ``ambiguous`` (two cookies of our name), ``broken``, ``expired``, ``early`` (begins in the future: our clock is behind, keep the
    cookie), ``unknown_format`` (written by another version, keep the cookie), ``ended`` (signed out, and brought back by an answer that was late).
    ``session`` is there when the reason is ``ok``, and only then.
    """

    session: Session | None
    present: tuple[str, ...]
    reason: str


#: What a text of cookies means, and from when until when.
_Opened = tuple[SessionRead, tuple[float, float]]

_ABSENT: Final = SessionRead(None, (), "absent")


class SessionCookies:
    """Reads and writes the session cookies of one application. *budget*: bytes of ``Cookie`` header that a session may take.

    *cross_site*: the callback is a form post from the provider's page, to which browsers send no session.
    """

    def __init__(self, names: CookieNames, keyring: Keyring, lifetimes: Lifetimes, budget: int = DEFAULT_BUDGET, *, cross_site: bool = False) -> None:
        self._name = names.session
        self._names: tuple[str, ...] = (names.session, *(f"{names.session}.{number}" for number in range(1, MAX_COOKIES)))
        self._first = [self._names[:count] for count in range(MAX_COOKIES + 1)]
        self._part_prefix = f"{names.session}."
        self._secure = names.secure
        self._keyring = keyring
        self._lifetimes = lifetimes
        self._budget = budget
        self._ended = EndedSessions(names, lifetimes, cross_site=cross_site)
        self._ended_prefix = names.ended_prefix
        self._room = MAX_COOKIE_BYTES - len(self._names[-1]) - len("=10~")
        self._opened = lru_cache(_CACHED_SESSIONS)(self._open)
        #: What the usual header is taken apart by, as the header is: text or bytes.
        texts = (f"{names.session}=", names.session, names.ended_prefix, "; ", ";")
        self._usual: dict[type, tuple[Any, ...]] = {str: texts, bytes: tuple(text.encode() for text in texts)}

    def read(self, cookie_header: str, now: float) -> SessionRead:
        """The session in a raw ``Cookie`` header. Never raises, whatever the header is."""
        values = find(cookie_header, self._name)
        # One cookie and no parts, not even left over: the usual case. Everything else takes the longer way.
        if self._part_prefix not in cookie_header:
            if not values:
                return _ABSENT
            if len(values) == 1 and "~" not in values[0]:
                return self._judged(values[0], None, now, cookie_header)
        return self._read_parts(cookie_header, now)

    def sole(self, cookie_header: str | bytes) -> str | bytes | None:
        """The value of the session's cookie in a raw ``Cookie`` header of the usual form: the only one of ours but for logins, and no part.

        ``None``: there is none, or it takes :meth:`read` to tell.
        """
        start, name, ended, between, end = self._usual[type(cookie_header)]
        before, found, rest = cookie_header.partition(start)
        if not found:
            return None
        value, more, others = rest.partition(end)
        # find(), for it takes bytes longer to say what is in them.
        if before and (not before.endswith(between) or before.find(name) >= 0 or before.find(ended) >= 0):
            return None
        return None if more and (others.find(name) >= 0 or others.find(ended) >= 0) else value

    def fields(self, value: str | bytes) -> Fields:
        """What the session in the *value* of its only cookie holds. Nothing is kept, and nothing depends on the time, which is for the caller to ask.

        Raises :class:`BrokenSeal` and :class:`UnknownFormat` where :meth:`read` finds no session.
        """
        data = self._keyring.open("session", value)
        if data[:1] != _IN_ONE_COOKIE:
            raise BrokenSeal
        return decode_fields(data, 1)

    def _read_parts(self, cookie_header: str, now: float) -> SessionRead:
        found = find_prefix(cookie_header, self._name)
        present = tuple(name for name in self._names if name in found)
        if not present:
            return _ABSENT
        if len(found.get(self._name, ())) > 1:
            # Planted from a sibling domain, or from http: there is no telling which one is ours (catalogue CK-08).
            return SessionRead(None, present, "ambiguous")
        text = self._assembled(found)
        return SessionRead(None, present, "broken") if text is None else self._judged(text, present, now, cookie_header)

    def _assembled(self, found: dict[str, list[str]]) -> str | None:
        values = found.get(self._name)
        if not values:
            return None
        if "~" not in values[0]:
            return values[0]
        first = _FIRST_PART.fullmatch(values[0])
        if first is None:
            return None
        parts = [found.get(name, []) for name in self._names[1 : int(first[1])]]
        if any(len(part) != 1 or "~" in part[0] for part in parts):
            return None
        return "~".join([values[0], *(part[0] for part in parts)])

    def _judged(self, text: str, present: tuple[str, ...] | None, now: float, cookie_header: str) -> SessionRead:
        """*present*: ``None`` when nothing else than the session's own cookies was seen."""
        try:
            read, (earliest, latest) = self._opened(text)
        except BrokenSeal:
            return SessionRead(None, present or (self._name,), "broken")
        except UnknownFormat:
            return SessionRead(None, present or (self._name,), "unknown_format")
        if earliest <= now < latest:
            # The one place where that is asked, for whoever reads sessions reads them here; and nearly nobody carries such a name (SF-05).
            if self._ended_prefix in cookie_header and read.session is not None and self._ended.has(cookie_header, read.session):
                return SessionRead(None, present or read.present, "ended")
            return read if present is None or present == read.present else read._replace(present=present)
        return SessionRead(None, present or read.present, "expired" if now >= latest else "early")

    def _open(self, text: str) -> _Opened:
        """Runs behind the cache. Raising keeps a text out of it: only what is ours gets in."""
        count = 1
        if "~" in text:
            number, parts = text.split("~", 1)
            count, text = int(number), parts.replace("~", "")
        data = self._keyring.open("session", text)
        if not data or data[0] != count:
            raise BrokenSeal
        session = decode(data, 1)
        return SessionRead(session, self._first[count], "ok"), self._lifetimes.window(session)

    def cost(self, session: Session) -> int:
        """Bytes of ``Cookie`` header the session would take; to decide what to keep before writing it."""
        size = sealed_size("session", len(encode(session)) + 1)
        count = self._count(size)
        return sum(cost(name, 0) for name in self._names[:count]) + size + (len(f"{count}~") if count > 1 else 0)

    def write(self, session: Session, now: float, entropy: bytes, present: Iterable[str]) -> tuple[str, ...]:
        """``Set-Cookie`` values for *session*, and deletions for the names in *present* that it does not use (catalogue CK-04).

        *entropy*: 12 random bytes. Raises ``LoginError("session_too_large")`` over budget: a session is never cut (catalogue CK-05).
        """
        needed = self.cost(session)
        encoded = encode(session)
        count = self._count(sealed_size("session", len(encoded) + 1))
        if needed > self._budget or count > MAX_COOKIES:
            raise LoginError(
                "session_too_large",
                f"the session takes {needed} bytes of cookies, {self._budget} are allowed: keep fewer claims (session_claims), "
                "or keep sessions on the server (store)",
            )
        text = self._keyring.seal("session", bytes([count]) + encoded, entropy)
        values = [text[start : start + self._room] for start in range(0, len(text), self._room)]
        if count > 1:
            values[0] = f"{count}~{values[0]}"
        # Longer than the session: whether it is still alive is for read() to say, and a clock of ours that is set back is none of the browser's.
        max_age = ceil(self._lifetimes.remaining(session, now) + STEP_BACK)
        written = self._names[:count]
        cookies = [set_cookie(name, value, max_age=max_age, secure=self._secure) for name, value in zip(written, values, strict=True)]
        return (*cookies, *self.clear(name for name in present if name not in written))

    def ending(self, cookie_header: str, now: float) -> Session | None:
        """The session that a sign-out ends: the one in the header, also when it was idle for too long.

        Another tab may have used it since, and the answer with the younger cookie be on its way.
        """
        found = find_prefix(cookie_header, self._name)
        text = self._assembled(found) if len(found.get(self._name, ())) == 1 else None
        try:
            session = None if text is None else self._opened(text)[0].session
        except (BrokenSeal, UnknownFormat):
            return None
        return session if session is not None and self._ended.time_left(session, now) > 0 else None

    def end(self, cookie_header: str, now: float) -> tuple[str, ...]:
        """``Set-Cookie`` values that take the session from the browser for good: no answer that comes late brings it back (catalogue SF-05)."""
        return (*self._named(cookie_header, now), *self.clear(self.read(cookie_header, now).present))

    def replaced(self, cookie_header: str, written: Iterable[str], now: float) -> tuple[str, ...]:
        """``Set-Cookie`` values that say of the session that the browser had that it is over. *written*: those of the one in its place."""
        named = self._named(cookie_header, now)
        if not self._ended.cross_site:
            return named
        new = self.ending("; ".join(cookie.partition(";")[0] for cookie in written), now)  # as it was written: perhaps without its ID token
        return named if new is None else tuple(dict.fromkeys((*named, *self._ended.follow(cookie_header, new, now))))

    def _named(self, cookie_header: str, now: float) -> tuple[str, ...]:
        session = self.ending(cookie_header, now)
        return () if session is None else self._ended.add(cookie_header, session, now)

    def cost_of_ended(self, cookie_header: str) -> int:
        """Bytes of *cookie_header* that name ended sessions."""
        return self._ended.cost(cookie_header)

    def clear(self, present: Iterable[str]) -> tuple[str, ...]:
        """Deletions for the names in *present*, as :class:`SessionRead` tells them."""
        return tuple(delete_cookie(name, secure=self._secure) for name in present)

    def _count(self, size: int) -> int:
        return ceil(size / self._room)
