"""The signed tokens of a scripted provider: ID tokens (OIDC Core 2, 12.2) and logout tokens (Back-Channel Logout 1.0 2.4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from oidc_middleware.testing.keys import Key, half_hash, sign_compact
from oidc_middleware.testing.script import Edits, edited

if TYPE_CHECKING:
    from oidc_middleware.testing.provider import ScriptedProvider

#: What makes a token a logout token.
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
#: Seconds from ``iat`` to ``exp``: as long as the suite's ID tokens live, and what section 2.4 recommends.
_ID_TOKEN_LIFETIME: Final = 300
_LOGOUT_TOKEN_LIFETIME: Final = 120


def id_token(provider: ScriptedProvider, parameters: Mapping[str, str], access_token: str, edits: Edits) -> str:
    """An ID token for the authorization request *parameters*: without ``nonce`` if they have none, as in a refresh."""
    now = int(provider.clock.now())
    claims = {"iss": provider.issuer, "sub": provider.user["sub"], "aud": provider.client_id, "iat": now, "exp": now + _ID_TOKEN_LIFETIME}
    if "nonce" in parameters:
        claims["nonce"] = parameters["nonce"]
    claims["at_hash"] = half_hash(access_token)
    if provider.sid is not None:
        claims["sid"] = provider.sid
    if "max_age" in parameters:
        claims["auth_time"] = now
    if provider.claims_in_id_token:
        claims = {**provider.user, **claims}
    claims = edited(edited(claims, provider.id_token_claims), edits)
    return signed(provider, claims, provider.id_token_header, alg=provider.id_token_alg, key=provider.id_token_key)


def logout_token(provider: ScriptedProvider, edits: Edits, header: Edits, *, alg: str, key: Key | bytes | None) -> str:
    """A logout token for the provider's user and session, without ``typ`` as the suite sends it."""
    now = int(provider.clock.now())
    claims: dict[str, Any] = {
        "iss": provider.issuer,
        "sub": provider.user["sub"],
        **({} if provider.sid is None else {"sid": provider.sid}),
        "aud": provider.client_id,
        "jti": provider.identifier("jti"),
        "iat": now,
        "exp": now + _LOGOUT_TOKEN_LIFETIME,
        "events": {LOGOUT_EVENT: {}},
        "unknown_claim": "must be ignored",  # the suite has one, too
    }
    return signed(provider, edited(claims, edits), header, alg=alg, key=key)


def signed(provider: ScriptedProvider, claims: Mapping[str, Any], header: Edits, *, alg: str, key: Key | bytes | None) -> str:
    """*claims* as a compact JWS of the provider; *key* replaces its own key for *alg*."""
    kid, own_key = provider.keys.signer(alg)
    complete = edited({"alg": alg, **({"kid": kid} if kid else {})}, header)
    token = sign_compact(complete, json.dumps(claims).encode(), key or own_key, alg)
    provider.secrets.add(token)
    return token
