"""The loop guard: how many logins this browser completed within the last minute (catalogue DS-07).

A session that does not stick (a blocked cookie, a clock far off, a worker with another secret) sends the browser round and round between us and
the provider, who signs the user in silently each time. Counting completed logins in a cookie of its own ends that with a page.
"""

from __future__ import annotations

from typing import Final

from oidc_middleware.sessions.codec import UnknownFormat, dump, is_time, load
from oidc_middleware.sessions.cookies import CookieNames, delete_cookie, find, set_cookie
from oidc_middleware.sessions.sealing import BrokenSeal, Keyring

#: Seconds a completed login is remembered.
WINDOW: Final = 60

#: This many completed logins within :data:`WINDOW` seconds are a loop.
LIMIT: Final = 3


class Rounds:
    """Reads and writes the cookie of the loop guard.

    *cross_site*: the callback, where logins are counted, is a form post from the provider's page, so the cookie must come along from there
    (``SameSite=None``), or every login would look like the first.
    """

    def __init__(self, names: CookieNames, keyring: Keyring, *, cross_site: bool = False) -> None:
        self._name = names.rounds
        self._secure = names.secure
        self._keyring = keyring
        self._same_site = "None" if cross_site else "Lax"

    def count(self, cookie_header: str, now: float) -> int:
        """How many logins were completed within the last :data:`WINDOW` seconds. What cannot be read counts as none."""
        return len(self._times(cookie_header, now))

    def add(self, cookie_header: str, now: float, entropy: bytes) -> str:
        """The ``Set-Cookie`` value that counts one more login, completed at *now*. *entropy*: 12 random bytes."""
        times = [*self._times(cookie_header, now), int(now)][-LIMIT:]
        value = self._keyring.seal("rounds", dump([times]), entropy)
        return set_cookie(self._name, value, max_age=WINDOW, secure=self._secure, same_site=self._same_site)

    def clear(self) -> str:
        """The ``Set-Cookie`` value that starts counting anew: somebody asked for a login on purpose, or signed out."""
        return delete_cookie(self._name, secure=self._secure, same_site=self._same_site)

    def _times(self, cookie_header: str, now: float) -> list[float]:
        values = find(cookie_header, self._name) if cookie_header else ()
        if len(values) != 1:
            return []
        try:
            (times,) = load(self._keyring.open("rounds", values[0]), 1)
        except (BrokenSeal, UnknownFormat):
            return []
        # The difference in either direction: another worker's clock may be ahead.
        return [time for time in times if is_time(time) and abs(now - time) < WINDOW] if isinstance(times, list) else []
