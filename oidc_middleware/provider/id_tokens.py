"""ID tokens from the provider's side (OpenID Connect Core 2, 3.1.3.6): plain functions, no framework, no state."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from oidc_middleware.protocol.hashes import id_token_hash
from oidc_middleware.provider.people import PROTOCOL_CLAIMS

__all__ = ["add_id_token", "id_token_hash"]


def add_id_token(
    token: Mapping[str, Any],
    *,
    sign: Callable[[dict[str, Any]], str],
    scopes: Collection[str],
    issuer: str,
    client_id: str,
    subject: str,
    now: float,
    lifetime: float = 300,
    alg: str = "RS256",
    nonce: str | None = None,
    code: str | None = None,
    max_age: int | None = None,
    auth_time: float | None = None,
    require_auth_time: bool = False,
    acr: str | None = None,
    sid: str | None = None,
    claims: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The token response *token* with an ``id_token``; unchanged when *scopes* has no ``openid`` (then it is plain OAuth).

    *sign* turns the claims into a signed token and must use *alg*, which decides the hash claims: ``at_hash`` when *token* has an ``access_token``,
    ``c_hash`` when a *code* is given or *token* has one. ``auth_time`` (seconds since the epoch) is included when *max_age* was requested or
    *require_auth_time* is set (Core 3.1.2.1). *claims* are further claims about the user; what describes the token itself is never taken
    from there. *now* is in seconds since the epoch, *lifetime* in seconds.

    Raises ``ValueError`` when *auth_time* has to be included and is not known, or when *alg* has no known hash: a token without the claim
    would be accepted by a client that does not look.
    """
    if "openid" not in scopes:
        return dict(token)
    body = {name: value for name, value in (claims or {}).items() if name not in PROTOCOL_CLAIMS}
    body |= {"iss": issuer, "sub": subject, "aud": client_id, "azp": client_id, "iat": int(now), "exp": int(now + lifetime)}
    if max_age is not None or require_auth_time:
        if auth_time is None:
            raise ValueError("auth_time is required when max_age was requested")
        body["auth_time"] = int(auth_time)
    optional = {"nonce": nonce, "acr": acr, "sid": sid}
    body |= {name: value for name, value in optional.items() if value is not None}
    body |= _hashes(token, code, alg)
    return {**token, "id_token": sign(body)}


def _hashes(token: Mapping[str, Any], code: str | None, alg: str) -> dict[str, str]:
    """Bind access token and code to the ID token (Core 3.1.3.6, 3.3.2.11)."""
    values = {"at_hash": token.get("access_token"), "c_hash": code if code is not None else token.get("code")}
    return {name: id_token_hash(value, alg) for name, value in values.items() if value is not None}
