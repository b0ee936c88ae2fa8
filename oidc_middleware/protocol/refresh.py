"""The refresh request and its answer: RFC 6749 6, OIDC Core 12.

When to refresh, how often at most, and what a failure means for the session is the caller's business.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from oidc_middleware.errors import ProviderError
from oidc_middleware.protocol.claims import audiences, is_time
from oidc_middleware.protocol.client_auth import Client, authenticated
from oidc_middleware.protocol.id_token import ExpectedIDToken, IDToken, verify_id_token
from oidc_middleware.protocol.keys import KeySet
from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.protocol.responses import JSON_REQUEST_HEADERS
from oidc_middleware.protocol.text import shown
from oidc_middleware.protocol.tokens import token_answer


@dataclass(frozen=True, slots=True)
class RefreshedTokens:
    """What a refresh gave. ``expires_in`` is in seconds, ``None`` when unknown or unusable, as 0 and negative numbers are (catalogue RF-14).

    ``None`` elsewhere means: the old ``refresh_token`` stays good, no new ``id_token``, the ``scope`` asked for (RFC 6749 5.1 and 6, catalogue
    RF-09). ``id_token`` is not verified yet.
    """

    access_token: str = field(repr=False)
    expires_in: int | None
    refresh_token: str | None = field(repr=False)
    id_token: str | None = field(repr=False)
    scope: str | None


def refresh_request(refresh_token: str, *, token_endpoint: str, client: Client, scope: str | None = None) -> HttpRequest:
    """The request for new tokens. *scope* (space-separated) may ask for less than was granted; ``None`` asks for the same."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    if scope is not None:
        form["scope"] = scope
    headers, body = authenticated(form, client)
    return HttpRequest("token", "POST", token_endpoint, {**JSON_REQUEST_HEADERS, **headers}, body)


def process_refresh(response: HttpResponse) -> RefreshedTokens:
    """Judge the answer to :func:`refresh_request`.

    Raises ``LoginError("refresh_refused")`` for ``invalid_grant``: the token is used, revoked or expired, and the session at the provider may be
    over (catalogue RF-05). ``ProviderError``: ``client_rejected``, ``token_refused``, ``token_response_invalid``, ``id_token_missing`` (there, but
    no text), ``response_redirected``; ``Unavailable`` for 429 and 5xx (catalogue RF-06).
    """
    answer = token_answer(response, refused="refresh_refused")
    return RefreshedTokens(answer.access_token, answer.expires_in, answer.refresh_token, answer.id_token, answer.scope)


def verify_refreshed_id_token(
    token: object,
    expected: ExpectedIDToken,
    *,
    key_set: KeySet,
    now: float,
    subject: str,
    original_audience: Collection[str] | None = None,
    original_auth_time: int | None = None,
) -> IDToken:
    """Verify the ID token of a refresh: as any other, and against the one of the login (OIDC Core 12.2, catalogue RF-08).

    *expected* is that of the login, whose ``nonce`` may be left out of the token and must not be another; its ``access_token`` is the new one.
    What it demanded of the sign-in itself (``max_age``, ``acr_values``) was judged then. *subject*, *original_audience* and *original_auth_time*
    are what the ID token of the login said. ``None`` is not compared, in ``expected.nonce`` neither.

    Raises ``ProviderError``: ``id_token_issuer`` and ``id_token_subject``, after which the session must not go on; any other code says that the
    token is no good (``id_token_key_unknown``: fetch the keys anew, once).
    """
    verified = verify_id_token(token, replace(expected, nonce=None, max_age=None, acr_values=(), code=None), key_set=key_set, now=now)
    if verified.subject != subject:
        raise ProviderError("id_token_subject", f"sub {shown(verified.subject)}, expected {shown(subject)}")
    claims = verified.claims
    if original_audience is not None and audiences(claims["aud"]) != frozenset(original_audience):
        raise ProviderError("id_token_audience", f"aud {shown(claims['aud'])} is not that of the login")
    if "nonce" in claims and expected.nonce is not None and claims["nonce"] != expected.nonce:
        raise ProviderError("token_response_invalid", "the new ID token has the nonce of another login")
    if "auth_time" in claims and original_auth_time is not None:
        _check_auth_time(claims["auth_time"], original_auth_time)
    if "events" in claims:  # without a nonce to demand, nothing else would tell them apart (catalogue LT-13)
        raise ProviderError("token_response_invalid", "a logout token in place of the ID token")
    return verified


def _check_auth_time(found: object, original: int) -> None:
    if not is_time(found) or int(found) != original:
        raise ProviderError("token_response_invalid", f"the new ID token has auth_time {shown(found)}, the login had {original}")
