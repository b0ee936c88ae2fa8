"""The ID token: OIDC Core 2 and 3.1.3.7, without its leniencies."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from oidc_middleware.errors import LoginError, ProviderError
from oidc_middleware.protocol.claims import is_subject, is_time
from oidc_middleware.protocol.hashes import id_token_hash
from oidc_middleware.protocol.jws import VerifiedJWS, verify_jws
from oidc_middleware.protocol.keys import KeySet
from oidc_middleware.protocol.text import shown

#: How old ``iat`` may be; mod_auth_openidc allows the same 600 s (catalogue ID-19).
MAX_TOKEN_AGE: Final = 600


@dataclass(frozen=True, slots=True)
class ExpectedIDToken:
    """What an ID token must say to be accepted. Times in seconds.

    ``nonce`` is ``None`` only where none was sent (refresh). ``max_age`` and ``acr_values`` are what the authorization request demanded.
    ``extra_audiences`` may stand beside our client id in ``aud``. ``client_secret`` serves HS* algorithms. ``access_token`` and ``code`` are
    what came with the token, for ``at_hash`` and ``c_hash``.
    """

    issuer: str
    client_id: str
    nonce: str | None = field(repr=False)
    algs: tuple[str, ...] = ("RS256",)
    leeway: float = 60
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    extra_audiences: tuple[str, ...] = ()
    client_secret: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    code: str | None = field(default=None, repr=False)
    max_token_age: float = MAX_TOKEN_AGE


@dataclass(frozen=True, slots=True)
class IDToken:
    """A verified ID token. ``claims`` is read-only; ``raw`` is the token itself, for ``id_token_hint``."""

    claims: Mapping[str, Any] = field(repr=False)
    raw: str = field(repr=False)

    @property
    def issuer(self) -> str:
        """The ``iss`` claim."""
        return str(self.claims["iss"])

    @property
    def subject(self) -> str:
        """The ``sub`` claim: with the issuer, who the user is (OIDC Core 5.7)."""
        return str(self.claims["sub"])

    @property
    def sid(self) -> str | None:
        """The ``sid`` claim, the provider's session (OIDC Back-Channel Logout 2.1), if there is a usable one."""
        value = self.claims.get("sid")
        return value if isinstance(value, str) and value and value.isprintable() else None

    @property
    def auth_time(self) -> int | None:
        """When the user last signed in at the provider, in seconds since the epoch, if it said so."""
        value = self.claims.get("auth_time")
        return int(value) if is_time(value) else None


def verify_id_token(token: object, expected: ExpectedIDToken, *, key_set: KeySet, now: float) -> IDToken:
    """Verify *token*, the ``id_token`` of a token answer, at the time *now* (seconds since the epoch).

    Signature first, then each rule of OIDC Core 3.1.3.7. Raises ``ProviderError`` (``id_token_…``), ``LoginError`` where the token belongs to
    another login (``nonce_…``) or the user must sign in anew (``auth_…``, ``acr_insufficient``).
    """
    if not isinstance(token, str) or not token:
        raise ProviderError("id_token_missing", f"id_token is {type(token).__name__}")
    jws = verify_jws(token, algs=expected.algs, key_set=key_set, client_secret=expected.client_secret)
    claims = jws.claims
    _check_issuer(claims, expected)
    _check_audience(claims, expected)
    _check_times(claims, expected, now)
    _check_subject(claims)
    _check_nonce(claims, expected)
    _check_authentication(claims, expected, now)
    _check_hashes(jws, expected)
    return IDToken(claims, token)


def _check_issuer(claims: Mapping[str, Any], expected: ExpectedIDToken) -> None:
    """OIDC Core 3.1.3.7 (2): exactly equal, no normalisation (catalogue ID-15)."""
    if claims.get("iss") != expected.issuer:
        raise ProviderError("id_token_issuer", f"iss {shown(claims.get('iss'))}, expected {shown(expected.issuer)}")


def _check_audience(claims: Mapping[str, Any], expected: ExpectedIDToken) -> None:
    """OIDC Core 3.1.3.7 (3) to (5): we are in ``aud``, nobody else is whom we do not know, and ``azp`` names us (catalogue ID-16, ID-17)."""
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or not all(isinstance(item, str) for item in audiences) or expected.client_id not in audiences:
        raise ProviderError("id_token_audience", f"aud {shown(audience)} does not name this client")
    strangers = set(audiences) - {expected.client_id, *expected.extra_audiences}
    if strangers:
        raise ProviderError("id_token_audience", f"aud also names {shown(min(strangers))}")
    if ("azp" in claims or len(audiences) > 1) and claims.get("azp") != expected.client_id:
        raise ProviderError("id_token_azp", f"azp {shown(claims.get('azp'))}")


def _check_times(claims: Mapping[str, Any], expected: ExpectedIDToken, now: float) -> None:
    """OIDC Core 3.1.3.7 (9), (10); RFC 7519 4.1.5. The details name the difference of the clocks for the operator (catalogue F-OP-17)."""
    expires = _time(claims, "exp", "id_token_expired")
    if now >= expires + expected.leeway:
        raise ProviderError("id_token_expired", f"expired {now - expires:.0f} s ago{_clocks(claims, expected, now)}")
    issued = _time(claims, "iat", "id_token_iat")
    if issued > now + expected.leeway:
        raise ProviderError("id_token_iat", f"issued {issued - now:.0f} s in the future{_clocks(claims, expected, now)}")
    if issued < now - expected.max_token_age:
        raise ProviderError("id_token_iat", f"issued {now - issued:.0f} s ago{_clocks(claims, expected, now)}")
    if "nbf" in claims:
        begins = _time(claims, "nbf", "id_token_nbf")
        if begins > now + expected.leeway:
            raise ProviderError("id_token_nbf", f"valid in {begins - now:.0f} s only")


def _clocks(claims: Mapping[str, Any], expected: ExpectedIDToken, now: float) -> str:
    """A token comes straight from the provider, so its ``iat`` is the provider's time: what an operator wants to know first (catalogue F-OP-17)."""
    issued = claims.get("iat")
    if not is_time(issued) or abs(issued - now) <= expected.leeway:
        return ""
    return f": provider clock differs by {abs(issued - now):.0f} s{'' if issued > now else ', or the token is an old one'}"


def _check_subject(claims: Mapping[str, Any]) -> None:
    if not is_subject(claims.get("sub")):
        raise ProviderError("id_token_subject", f"sub {shown(claims.get('sub'))}")


def _check_nonce(claims: Mapping[str, Any], expected: ExpectedIDToken) -> None:
    """OIDC Core 3.1.3.7 (11). Compared byte by byte: no Unicode equivalence (catalogue NO-01 to NO-04)."""
    if expected.nonce is None:
        return
    nonce = claims.get("nonce")
    if nonce is None:
        raise LoginError("nonce_missing", "the ID token has no nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode("utf-8"), expected.nonce.encode("utf-8")):
        raise LoginError("nonce_mismatch", "the ID token has the nonce of another login")


def _check_authentication(claims: Mapping[str, Any], expected: ExpectedIDToken, now: float) -> None:
    """OIDC Core 3.1.3.7 (12), (13), 3.1.2.1: what the request demanded of the sign-in is judged here, not left to the provider (catalogue ID-30)."""
    if expected.acr_values and claims.get("acr") not in expected.acr_values:
        raise LoginError("acr_insufficient", f"acr {shown(claims.get('acr'))}, demanded: {', '.join(map(shown, expected.acr_values))}")
    if expected.max_age is None:
        return
    auth_time = claims.get("auth_time")
    if not is_time(auth_time) or auth_time > now + expected.leeway:
        raise LoginError("auth_time_missing", f"auth_time {shown(auth_time)}")
    if now - auth_time > expected.max_age + expected.leeway:
        raise LoginError("auth_too_old", f"signed in {now - auth_time:.0f} s ago, max_age {expected.max_age}")


def _check_hashes(jws: VerifiedJWS, expected: ExpectedIDToken) -> None:
    """OIDC Core 3.1.3.6, 3.3.2.11: optional in the code flow, but never wrong (catalogue ID-28, ID-29, CI-05)."""
    for claim, value, code in (("at_hash", expected.access_token, "id_token_at_hash"), ("c_hash", expected.code, "id_token_c_hash")):
        if claim not in jws.claims or value is None:
            continue
        found = jws.claims[claim]
        if not isinstance(found, str) or not hmac.compare_digest(found.encode("utf-8"), id_token_hash(value, jws.alg).encode("ascii")):
            raise ProviderError(code, f"{claim} {shown(found)}")


def _time(claims: Mapping[str, Any], name: str, code: str) -> float:
    value = claims.get(name)
    if not is_time(value):
        raise ProviderError(code, f"{name} is {shown(value)}" if name in claims else f"{name} is missing")
    return float(value)
