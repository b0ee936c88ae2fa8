"""Which sessions in cookies are over in this browser: one small cookie for each, in whose name the session is named.

An answer that prolongs a session brings its cookie along. One that was on its way while the user signed out in another tab arrives after the
deletion, and the cookie is there again; no server knows that it should not be (catalogue SF-05). So the browser is told with the deletion which
session ended, and whatever version of it comes later is read together with that.

Each has a cookie of its own, as logins have: answers that do not know of each other overwrite nothing of each other, as they would in one list.
Nothing is sealed. Whoever can plant a cookie here can overwrite the session's own as well, and all that these do is end a session, never begin one.
A copy of the session's cookie in another browser goes on living: ending that takes a server that remembers (catalogue CK-06).
"""

from __future__ import annotations

import re
from math import ceil
from typing import Final

from oidc_middleware.sessions.cookies import CookieNames, cost, delete_cookie, find, find_prefix, set_cookie, short_hash
from oidc_middleware.sessions.session import STEP_BACK, Lifetimes, Session

#: Sessions that ended in this browser and are still named. An answer is late by seconds; within that nobody signs in and out more often.
MAX_NAMED: Final = 8

_LENGTH: Final = 12  # 72 bits of a hash: enough to tell the sessions of one browser apart
_SUFFIX: Final = re.compile(rf"[A-Za-z0-9_-]{{{_LENGTH}}}")
#: A flood of them is cleaned away over several answers; each stays far below the header limits of servers.
_MAX_DELETIONS: Final = 20


def mark_of(session: Session) -> str:
    """What stays the same however often *session* is prolonged, and is another for each sign-in: its time, and the ID token as long as it fits.

    All workers, and all versions of us that run side by side, have to find the same.
    """
    texts = (session.issuer, session.subject, repr(float(session.created)), session.sid or "", session.id_token or "")
    return short_hash("".join(f"{len(text)}:{text}" for text in texts), _LENGTH)


class EndedSessions:
    """Reads and writes the names of ended sessions of one application.

    *cross_site*: the callback is a form post from the provider's page. The session's cookie does not come along (``SameSite=Lax``), so that a
    sign-in would not know which session it replaces: one more cookie says that, and like these it does come along (``SameSite=None``).
    """

    def __init__(self, names: CookieNames, lifetimes: Lifetimes, *, cross_site: bool = False) -> None:
        self.prefix: Final = names.ended_prefix
        self._current = names.current
        self._secure = names.secure
        self._lifetimes = lifetimes
        self.cross_site: Final = cross_site
        self._same_site = "None" if cross_site else "Lax"

    def has(self, cookie_header: str, session: Session) -> bool:
        """Whether the browser with this ``Cookie`` header was told that *session* is over. The name says so, whatever the value is."""
        return self.prefix in cookie_header and bool(find(cookie_header, self.prefix + mark_of(session)))

    def time_left(self, session: Session, now: float) -> float:
        """Seconds for which a version of *session*, used since, might be let in by any worker; negative when there can be none."""
        lifetimes = self._lifetimes
        return min(session.expires, session.created + lifetimes.session_lifetime) - now + STEP_BACK + lifetimes.leeway

    def add(self, cookie_header: str, session: Session, now: float) -> tuple[str, ...]:
        """``Set-Cookie`` values: that *session* is over, and deletions of the oldest names beyond :data:`MAX_NAMED`; none when its time is up."""
        return self._add(cookie_header, mark_of(session), ceil(self.time_left(session, now)))

    def follow(self, cookie_header: str, new: Session, now: float) -> tuple[str, ...]:
        """``Set-Cookie`` values: *new* is the browser's session from now on, and the one of which this was said before is over."""
        mark, seconds = mark_of(new), ceil(self.time_left(new, now))  # no session from before lives longer than the newest
        values = find(cookie_header, self._current)
        known = len(values) == 1 and values[0] != mark and _SUFFIX.fullmatch(values[0])
        before = self._add(cookie_header, values[0], seconds) if known else ()
        return (*before, self._set(self._current, mark, seconds))

    def _add(self, cookie_header: str, mark: str, seconds: int) -> tuple[str, ...]:
        if seconds <= 0:
            return ()
        name = self.prefix + mark
        # Browsers send the oldest first (RFC 6265 5.4); one that does not may lose a younger one, and never the one that ends now.
        others = [other for other in find_prefix(cookie_header, self.prefix) if other != name and _SUFFIX.fullmatch(other, len(self.prefix))]
        surplus = others[: max(0, len(others) + 1 - MAX_NAMED)][:_MAX_DELETIONS]
        return (self._set(name, "1", seconds), *(delete_cookie(other, secure=self._secure, same_site=self._same_site) for other in surplus))

    def _set(self, name: str, value: str, seconds: int) -> str:
        return set_cookie(name, value, max_age=seconds, secure=self._secure, same_site=self._same_site)

    def cost(self, cookie_header: str) -> int:
        """Bytes of *cookie_header* that the names take."""
        return sum(cost(name, len(value)) for name, values in find_prefix(cookie_header, self.prefix).items() for value in values)
