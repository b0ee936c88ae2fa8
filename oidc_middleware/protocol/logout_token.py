"""The logout token, with which the provider ends sessions: OIDC Back-Channel Logout 1.0 (incorporating errata set 1) 2.4 to 2.6.

The request has no other proof than the token's signature: no cookie, no CSRF token, no session (catalogue LT-20). Whether its ``jti`` was seen
before, and which sessions it ends, is for the caller, who has a store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from oidc_middleware.errors import LoginError, ProviderError
from oidc_middleware.protocol.base64url import decode
from oidc_middleware.protocol.claims import audiences, is_printable, is_subject, is_time
from oidc_middleware.protocol.jws import verify_jws
from oidc_middleware.protocol.keys import KeySet
from oidc_middleware.protocol.strict_json import loads_object
from oidc_middleware.protocol.text import shown

#: Back-Channel Logout 2.4: the member of ``events`` that makes a token a logout token.
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
#: 64 kB, as of a callback's form (catalogue LT-01).
MAX_BODY_LENGTH: Final = 65_536
#: How old ``iat`` may be: providers deliver at once and retry for a minute or so (catalogue LT-07). Section 2.4 recommends two minutes for ``exp``.
MAX_TOKEN_AGE: Final = 300
#: The same where ``exp``, part of the rules since December 2023 only, is left out and the caller allows it: the two minutes of section 2.4.
MAX_TOKEN_AGE_WITHOUT_EXP: Final = 120
MAX_JTI_LENGTH: Final = 256
_MAX_FIELDS: Final = 50
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class ExpectedLogoutToken:
    """What a logout token must say to be accepted. ``leeway`` in seconds.

    ``algs``, ``client_secret`` and ``extra_audiences`` are those of the ID tokens: both are signed alike (Back-Channel Logout 2.6).
    ``allow_untyped`` accepts a header without ``typ``, which many providers send; any other ``typ`` than ``logout+jwt`` is refused anyhow.
    ``allow_missing_exp`` accepts a token without ``exp`` if it is not older than two minutes.
    """

    issuer: str
    client_id: str
    algs: tuple[str, ...] = ("RS256",)
    leeway: float = 60
    extra_audiences: tuple[str, ...] = ()
    client_secret: str | None = field(default=None, repr=False)
    allow_untyped: bool = True
    allow_missing_exp: bool = False


@dataclass(frozen=True, slots=True)
class LogoutToken:
    """A verified logout token. One of ``subject`` and ``sid`` may be ``None``: without ``sid``, all sessions of the subject are meant.

    Times in seconds since the epoch. After ``valid_until`` the token is refused for its age: as long its ``jti`` has to be remembered.
    """

    issuer: str
    subject: str | None
    sid: str | None
    jti: str
    issued_at: float
    valid_until: float


def parse_logout_request(body: bytes, content_type: str) -> str:
    """The logout token in the *body* of a POST (Back-Channel Logout 2.5). Unknown fields beside it are ignored.

    *content_type* is the header's value. Raises ``LoginError("logout_token_invalid")`` unless it is a form of at most 64 kB with exactly one
    ``logout_token`` (catalogue LT-01). What is not well-formed inside the token shows itself when it is verified.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != _FORM:
        raise _refused(f"the body is {shown(media_type)} instead of a form")
    if len(body) > MAX_BODY_LENGTH:
        raise _refused(f"the body has {len(body)} bytes")
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise _refused("the body is no form") from None
    tokens = [value for name, value in fields if name == "logout_token"]
    if len(tokens) != 1 or not tokens[0]:
        raise _refused(f"{len(tokens)} logout_token")
    return tokens[0]


def verify_logout_token(token: object, expected: ExpectedLogoutToken, *, key_set: KeySet, now: float) -> LogoutToken:
    """Verify *token* at the time *now* (seconds since the epoch) by the rules of Back-Channel Logout 2.6, all of them.

    Raises ``LoginError("logout_token_invalid")``, or ``ProviderError("id_token_key_unknown")``: then, and only then, the keys may be fetched
    anew. A token whose claims are wrong whoever signed it is never worth that, so *key_set* may as well be an empty one (catalogue LT-02).
    """
    if not isinstance(token, str) or not token:
        raise _refused(f"the token is {type(token).__name__}")
    try:
        claims = verify_jws(
            token,
            algs=expected.algs,
            key_set=key_set,
            client_secret=expected.client_secret,
            accepted_types=("logout+jwt",),  # catalogue LT-04: `JWT` and `at+jwt` are other tokens (RFC 8725 3.11)
            allow_untyped=expected.allow_untyped,
        ).claims
    except ProviderError as error:
        if error.code == "id_token_key_unknown":
            _judged(_unverified(token), expected, now)
            raise
        raise _refused(f"{error.code}: {error.detail}") from None
    return _judged(claims, expected, now)


def _unverified(token: str) -> Mapping[str, Any]:
    """The claims of a token of an unknown key. They can be grounds to refuse it, never to accept it."""
    try:
        return loads_object(decode(token.split(".")[1]))
    except ValueError as error:
        raise _refused(f"payload: {error}") from None


def _judged(claims: Mapping[str, Any], expected: ExpectedLogoutToken, now: float) -> LogoutToken:
    if claims.get("iss") != expected.issuer:  # exactly equal, no normalisation (catalogue LT-05)
        raise _refused(f"iss {shown(claims.get('iss'))}, expected {shown(expected.issuer)}")
    _check_audience(claims, expected)
    issued, valid_until = _check_times(claims, expected, now)
    jti = claims.get("jti")
    if not is_printable(jti, MAX_JTI_LENGTH):  # catalogue LT-08: without one, nobody could tell a replay
        raise _refused(f"jti {shown(jti)}")
    _check_purpose(claims)
    subject, sid = _whom(claims)
    return LogoutToken(expected.issuer, subject, sid, jti, issued, valid_until)


def _check_audience(claims: Mapping[str, Any], expected: ExpectedLogoutToken) -> None:
    """As in an ID token: we are in ``aud``, and nobody whom we do not know (catalogue LT-06)."""
    found = audiences(claims.get("aud"))
    if found is None or expected.client_id not in found:
        raise _refused(f"aud {shown(claims.get('aud'))} does not name this client")
    strangers = found - {expected.client_id, *expected.extra_audiences}
    if strangers:
        raise _refused(f"aud also names {shown(min(strangers))}")


def _check_times(claims: Mapping[str, Any], expected: ExpectedLogoutToken, now: float) -> tuple[float, float]:
    """When the token was issued, and until when it can be used (catalogue LT-07)."""
    issued = _time(claims, "iat")
    if issued > now + expected.leeway:
        raise _refused(f"issued {issued - now:.0f} s in the future: the provider's clock differs")
    if "nbf" in claims and _time(claims, "nbf") > now + expected.leeway:
        raise _refused("nbf is in the future")
    if "exp" not in claims and expected.allow_missing_exp:
        valid_until = issued + MAX_TOKEN_AGE_WITHOUT_EXP
    else:
        expires = _time(claims, "exp") + expected.leeway
        if now >= expires:
            raise _refused(f"expired {now - expires + expected.leeway:.0f} s ago")
        valid_until = min(expires, issued + MAX_TOKEN_AGE)
    if now > valid_until:
        raise _refused(f"issued {now - issued:.0f} s ago: too old, or the provider's clock differs")
    return issued, valid_until


def _check_purpose(claims: Mapping[str, Any]) -> None:
    """Back-Channel Logout 2.4, 2.6 (5), (6): this is a logout token, and cannot be taken for an ID token (catalogue LT-10, LT-11, LT-13)."""
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise _refused("events does not name a back-channel logout")
    if "nonce" in claims:
        raise _refused("the token has a nonce")


def _whom(claims: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """``(sub, sid)``, at least one of them; what is there is usable (Back-Channel Logout 2.6 (4), catalogue LT-12)."""
    subject, sid = claims.get("sub"), claims.get("sid")
    if "sub" in claims and not is_subject(subject):
        raise _refused(f"sub {shown(subject)}")
    # The rule of `IDToken.sid`, so that every sid of a session can be signed out.
    if "sid" in claims and not (isinstance(sid, str) and sid and sid.isprintable()):
        raise _refused(f"sid {shown(sid)}")
    if subject is None and sid is None:
        raise _refused("neither sub nor sid")
    return subject, sid


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if not is_time(value):
        raise _refused(f"{name} is {shown(value)}" if name in claims else f"{name} is missing")
    return float(value)


def _refused(detail: str) -> LoginError:
    return LoginError("logout_token_invalid", detail)
