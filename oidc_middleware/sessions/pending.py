"""Logins under way. Each has a sealed cookie of its own, named after its ``state``: tabs do not disturb each other (catalogue SF-04).

The server keeps nothing (catalogue DS-02); a restart, another worker or another version finish what one began (F-PR-01). A browser never
carries more than a few of them, whatever it is made to request (catalogue DS-01).
"""

from __future__ import annotations

import hmac
import re
from binascii import b2a_base64
from dataclasses import dataclass, field, replace
from typing import Final

from oidc_middleware.errors import LoginError
from oidc_middleware.sessions.codec import UnknownFormat, dump_texts, is_count, is_texts, is_time, load, require
from oidc_middleware.sessions.cookies import CookieNames, cost, delete_cookie, find, find_prefix, set_cookie, short_hash
from oidc_middleware.sessions.sealing import BrokenSeal, Keyring, sealed_size

#: 256 bits each for state, nonce and code verifier (RFC 7636 4.1 recommends it for the verifier; catalogue ST-08).
TOKEN_BYTES: Final = 32

#: An expired login is kept for another hour in the browser, so that "try again" knows where to return to (catalogue ST-07).
_KEPT_EXPIRED: Final = 3_600

#: All our cookies together; gunicorn answers 431 above 8,190 bytes of header, and the application has cookies, too (catalogue CK-05).
OWN_BUDGET: Final = 6_000

#: A flood of cookies is cleaned away over several answers; each stays far below the header limits of servers.
_MAX_DELETIONS: Final = 30

_MAX_OPENED: Final = 60  # more cookies than this are not even looked into: bounded work for whatever is sent (catalogue DS-04)
_SUFFIX_LENGTH: Final = 12  # 72 bits of a hash: enough to tell the logins of one browser apart
_SUFFIX: Final = re.compile(rf"[A-Za-z0-9_-]{{{_SUFFIX_LENGTH}}}")
_FIELDS: Final = 10
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")  # RFC 4648 4 to 5


@dataclass(slots=True)  # not frozen: every redirect makes one, and filling what is frozen takes seven times as long
class PendingLogin:
    """What a callback must fit to. ``created`` in seconds since the epoch; ``max_age`` in seconds, as sent to the provider.
    ``iss_required``: the provider announced that its answers name it (RFC 9207 3).

    ``state``, ``nonce`` and ``code_verifier`` are secrets between this browser and us, so they are never printed.
    """

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    return_to: str
    issuer: str
    redirect_uri: str
    created: float
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    iss_required: bool = False


def new_pending_login(
    random: bytes,
    *,
    return_to: str,
    issuer: str,
    redirect_uri: str,
    created: float,
    max_age: int | None = None,
    acr_values: tuple[str, ...] = (),
    iss_required: bool = False,
) -> PendingLogin:
    """A login that begins now, with three fresh tokens of 43 characters. *random*: three times :data:`TOKEN_BYTES` unguessable bytes.

    Raises ``ValueError`` when they are more or fewer.
    """
    state, nonce, code_verifier = _tokens(random)
    return PendingLogin(state, nonce, code_verifier, return_to, issuer, redirect_uri, created, max_age, acr_values, iss_required)


def _tokens(random: bytes) -> tuple[str, str, str]:
    """Each as 43 characters of base64url. With a zero byte behind it, each takes 44 of them, so that all are encoded at once."""
    if len(random) != 3 * TOKEN_BYTES:
        raise ValueError(f"a token takes {TOKEN_BYTES} random bytes")
    padded = b"%b\0%b\0%b\0" % (random[:TOKEN_BYTES], random[TOKEN_BYTES:-TOKEN_BYTES], random[-TOKEN_BYTES:])
    text = b2a_base64(padded, newline=False).translate(_URL_SAFE).decode("ascii")
    return text[:43], text[44:87], text[88:131]


def _encode(login: PendingLogin) -> bytes:
    texts = [login.state, login.nonce, login.code_verifier, login.return_to, login.issuer, login.redirect_uri]
    return dump_texts(texts, login.created, login.max_age, login.acr_values, login.iss_required)


def _decode(data: bytes) -> PendingLogin:
    *texts, created, max_age, acr_values, iss_required = load(data, _FIELDS)
    require(is_texts(texts) and is_time(created) and (max_age is None or is_count(max_age)))
    require(is_texts(acr_values) and isinstance(iss_required, bool))
    state, nonce, code_verifier, return_to, issuer, redirect_uri = texts
    return PendingLogin(state, nonce, code_verifier, return_to, issuer, redirect_uri, created, max_age, tuple(acr_values), iss_required)


class PendingLogins:
    """Reads and writes the cookies of pending logins.

    *login_timeout*, *leeway*: seconds. *max_alive*: logins a browser carries at most. *budget*: bytes of ``Cookie`` header they may take together.
    *landing*: where a login returns to whose own return path does not fit. *cross_site*: the callback is a form post from the provider's page,
    so the cookie must come along from there (``SameSite=None``).
    """

    def __init__(
        self,
        names: CookieNames,
        keyring: Keyring,
        login_timeout: float,
        leeway: float,
        max_alive: int = 5,
        budget: int = 2_500,
        *,
        landing: str = "/",
        cross_site: bool = False,
    ) -> None:
        self._prefix = names.login_prefix
        self._others = (names.session, names.rounds, names.ended_prefix, names.current)
        self._secure = names.secure
        self._keyring = keyring
        self._login_timeout = login_timeout
        self._leeway = leeway
        self._max_alive = max_alive
        self._budget = budget
        self._landing = landing
        self._same_site = "None" if cross_site else "Lax"

    def add(self, cookie_header: str, pending: PendingLogin, entropy: bytes, now: float, room: int | None = None) -> tuple[str, ...]:
        """``Set-Cookie`` values: the new login, then deletions of broken ones and of the oldest beyond the limits (catalogue DS-01).

        *entropy*: 12 random bytes. *room*: bytes of ``Cookie`` header left for logins; by default what our other cookies in *cookie_header* leave
        of :data:`OWN_BUDGET`. The new login is always written: a return path that does not fit gives way to the landing page (catalogue RD-17).
        """
        name, limit = self._name(pending.state), min(self._budget, self._room(cookie_header) if room is None else room)
        encoded = _encode(pending)
        if cost(name, sealed_size("login", len(encoded))) > limit:
            encoded = _encode(replace(pending, return_to=self._landing))
        value = self._keyring.seal("login", encoded, entropy)
        max_age = int(self._login_timeout) + _KEPT_EXPIRED
        new = set_cookie(name, value, max_age=max_age, secure=self._secure, same_site=self._same_site)
        others = self._begun(cookie_header, name)
        if not others:
            return (new,)
        return (new, *self._deletions(others, now, limit - cost(name, len(value)), self._max_alive - 1))

    def trim(self, cookie_header: str, finished: str, now: float, room: int) -> tuple[str, ...]:
        """Deletions that leave at most *room* bytes of logins beside a session that was just written, the oldest first.

        *finished*: the state of the login that led to the session; its cookie is :meth:`clear`'s business and counts as gone.
        """
        others = self._begun(cookie_header, self._name(finished))
        return self._deletions(others, now, min(self._budget, room), self._max_alive)

    def _begun(self, cookie_header: str, without: str) -> dict[str, list[str]]:
        """The logins in the header but for *without*. Names of another shape are not ours, and not fit for a ``Set-Cookie`` either."""
        start = len(self._prefix)
        found = find_prefix(cookie_header, self._prefix)
        if not found:
            return found
        return {name: values for name, values in found.items() if _SUFFIX.fullmatch(name, start) and name != without}

    def _room(self, cookie_header: str) -> int:
        if not cookie_header:
            return OWN_BUDGET
        taken = (cost(name, len(value)) for prefix in self._others for name, values in find_prefix(cookie_header, prefix).items() for value in values)
        return OWN_BUDGET - sum(taken)

    def _deletions(self, logins: dict[str, list[str]], now: float, room: int, max_alive: int) -> tuple[str, ...]:
        """Deletes what is not worth keeping, then the oldest, until the rest fits into *room* bytes and is no more than *max_alive*."""
        ages = {name: self._age(values, now) if index < _MAX_OPENED else None for index, (name, values) in enumerate(logins.items())}
        surplus = [name for name, age in ages.items() if age is None]
        alive = sorted(((age, name) for name, age in ages.items() if age is not None), key=lambda item: item[0])
        for position, (_, name) in enumerate(alive):
            room -= cost(name, len(logins[name][0]))
            if room < 0 or position >= max_alive:
                surplus += [old for _, old in reversed(alive[position:])]
                break
        return tuple(self._deletion(name) for name in surplus[:_MAX_DELETIONS])

    def _age(self, values: list[str], now: float) -> float | None:
        """Seconds since the login began; ``None`` when it is not worth keeping; infinite when another version knows."""
        if len(values) != 1:
            return None
        try:
            age = now - _decode(self._keyring.open("login", values[0])).created
        except BrokenSeal:
            return None
        except UnknownFormat:
            return float("inf")
        return age if age <= self._login_timeout + _KEPT_EXPIRED else None

    def take(self, cookie_header: str, state: str, now: float) -> PendingLogin:
        """The login that this browser began with *state*.

        Raises :class:`~oidc_middleware.errors.LoginError`: ``no_transaction`` (catalogue ST-02, ST-05), ``state_mismatch`` (ST-03, ST-04),
        ``transaction_expired`` (ST-07). Other logins of the browser stay as they are.
        """
        login = self._find(cookie_header, state)
        if not now - self._login_timeout < login.created <= now + self._leeway:
            raise LoginError("transaction_expired", f"began {now - login.created:.0f} s ago, {self._login_timeout:.0f} s are allowed")
        return login

    def peek_return_to(self, cookie_header: str, state: str) -> str | None:
        """Where the login with *state* was to return to, be it expired or not; for the link to try again. ``None`` if there is no such login."""
        try:
            return self._find(cookie_header, state).return_to
        except LoginError:
            return None

    def clear(self, state: str) -> str:
        """The ``Set-Cookie`` value that removes the login with *state*."""
        return self._deletion(self._name(state))

    def _find(self, cookie_header: str, state: str) -> PendingLogin:
        values = find(cookie_header, self._name(state))
        if not values and self._altered(cookie_header, state):
            raise LoginError("state_mismatch", "the state came back with other letters or a slash: something on the way rewrites addresses")
        if len(values) != 1:
            raise LoginError("no_transaction", f"{len(values)} cookies of this login")
        try:
            login = _decode(self._keyring.open("login", values[0]))
        except (BrokenSeal, UnknownFormat):
            raise LoginError("no_transaction", "the cookie of this login cannot be read") from None
        # As bytes: compare_digest refuses text that is not ASCII (catalogue ST-11, Appendix A 2).
        if not hmac.compare_digest(login.state.encode(), state.encode("utf-8", "surrogatepass")):
            raise LoginError("state_mismatch", "the cookie belongs to another login")
        return login

    def _altered(self, cookie_header: str, state: str) -> bool:
        """Whether *state* is that of a login of this browser, but for what intermediaries do to addresses. For the reason alone (F-OP-18)."""
        if len(state) > 2 * TOKEN_BYTES:
            return False
        for values in list(self._begun(cookie_header, "").values())[: self._max_alive]:
            try:
                login = _decode(self._keyring.open("login", values[0]))
            except (BrokenSeal, UnknownFormat):
                continue
            if hmac.compare_digest(login.state.lower().encode(), state.rstrip("/").lower().encode("utf-8", "surrogatepass")):
                return True
        return False

    def _name(self, state: str) -> str:
        return self._prefix + short_hash(state, _SUFFIX_LENGTH)

    def _deletion(self, name: str) -> str:
        return delete_cookie(name, secure=self._secure, same_site=self._same_site)
