"""UserInfo: OIDC Core 5.3."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from oidc_middleware.errors import ProviderError
from oidc_middleware.protocol.id_token import ExpectedIDToken
from oidc_middleware.protocol.jws import verify_jws
from oidc_middleware.protocol.keys import KeySet
from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.protocol.responses import check_status, content_type, error_of, json_body
from oidc_middleware.protocol.text import shown

#: What the ID token alone may say (catalogue UI-05).
PROTOCOL_CLAIMS: Final = frozenset(
    {"iss", "aud", "exp", "iat", "nbf", "jti", "nonce", "azp", "at_hash", "c_hash", "s_hash", "sid", "auth_time", "acr", "amr", "events", "cnf"}
)
# Addresses, and access tokens for them, of claims that others hold. They are not fetched (catalogue UI-06) and not kept.
_NOT_KEPT: Final = PROTOCOL_CLAIMS | {"_claim_sources"}


def userinfo_request(endpoint: str, access_token: str) -> HttpRequest:
    """The UserInfo request. The access token travels in the header, never in the URL (RFC 6750 2.1, RFC 9700 4.3.2, catalogue UI-07)."""
    headers = {"accept": "application/json, application/jwt", "accept-encoding": "identity", "authorization": f"Bearer {access_token}"}
    return HttpRequest("userinfo", "GET", endpoint, headers)


def process_userinfo(response: HttpResponse, *, subject: str, expected: ExpectedIDToken, key_set: KeySet) -> Mapping[str, Any]:
    """The claims of a UserInfo answer, JSON or signed (OIDC Core 5.3.2), as a read-only mapping.

    *subject* is the ``sub`` of the verified ID token; an answer about anyone else is discarded whole (catalogue UI-01). Protocol claims are left out.
    A signed answer needs no ``exp``; its ``iss`` and ``aud``, where present, must be the expected ones.

    Raises ``ProviderError``: ``userinfo_refused`` (4xx), ``userinfo_invalid``, ``userinfo_sub_mismatch``, ``response_redirected``, and
    ``id_token_key_unknown`` when a signed answer's key is not in *key_set* (fetch the keys anew, once); ``Unavailable`` for 429 and 5xx.
    """
    check_status(response, "userinfo")
    if 400 <= response.status < 500:
        raise ProviderError("userinfo_refused", error_of(response)[1])
    if response.status == 200 and content_type(response) == "application/jwt":
        claims = _signed(response, expected, key_set)
    else:
        claims = json_body(response, "userinfo_invalid", "userinfo")
    if claims.get("sub") != subject:
        raise ProviderError("userinfo_sub_mismatch", f"sub {shown(claims.get('sub'))}, expected {shown(subject)}")
    return MappingProxyType({name: value for name, value in claims.items() if name not in _NOT_KEPT})


def _signed(response: HttpResponse, expected: ExpectedIDToken, key_set: KeySet) -> Mapping[str, Any]:
    try:
        claims = verify_jws(response.body.decode("latin-1"), algs=expected.algs, key_set=key_set, client_secret=expected.client_secret).claims
    except ProviderError as error:
        if error.code == "id_token_key_unknown":
            raise
        raise ProviderError("userinfo_invalid", f"signed answer: {error.code}: {error.detail}") from None
    if "iss" in claims and claims["iss"] != expected.issuer:
        raise ProviderError("userinfo_invalid", f"signed answer: iss {shown(claims['iss'])}")
    audience = claims.get("aud", expected.client_id)
    if expected.client_id not in (audience if isinstance(audience, list) else [audience]):
        raise ProviderError("userinfo_invalid", f"signed answer: aud {shown(audience)}")
    return claims
