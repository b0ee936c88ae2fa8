"""The token endpoint's two grants (RFC 6749 4.1.3 and 6, OpenID Connect Core 3.1.3 and 12): parameters in, token response out."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any, Final

from oidc_middleware.protocol.pkce import code_challenge
from oidc_middleware.provider.claims_request import asked_for, is_essential
from oidc_middleware.provider.id_tokens import add_id_token
from oidc_middleware.provider.memory import AccessToken, Code, Grant, RefreshToken
from oidc_middleware.provider.options import State
from oidc_middleware.provider.refusals import TokenRefused
from oidc_middleware.provider.registry import Client


def issue_code(state: State, grant: Grant) -> str:
    """An authorization code for *grant*, good for one use within ``code_lifetime``."""
    return state.codes.put(Code(grant, state.clock.now() + state.options.code_lifetime))


def token_response(state: State, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
    """What the token endpoint answers to the authenticated *client*. Raises :class:`TokenRefused`."""
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise TokenRefused("invalid_request", "The grant_type parameter is missing.")
    if grant_type not in _GRANTS:
        raise TokenRefused("unsupported_grant_type", "This grant_type is not supported.")
    return _GRANTS[grant_type](state, client, form)


def _authorization_code(state: State, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
    handle = form.get("code")
    if handle is None:
        raise TokenRefused("invalid_request", "The code parameter is missing.")
    code = state.codes.get(handle)
    if code is None or code.grant.client_id != client.client_id:
        raise TokenRefused("invalid_grant", "The code is unknown, expired or another client's.")  # nothing is spent: it was not its client asking
    if code.used:
        code.grant.revoked = True  # RFC 6749 4.1.2, 10.5: somebody else has it too, so everything that came of it dies
        raise TokenRefused("invalid_grant", "The code was used before. All tokens issued for it are revoked.")
    code.used = True  # also when what follows is refused: a code is for one try
    if state.clock.now() >= code.expires or not code.grant.alive:
        raise TokenRefused("invalid_grant", "The code is unknown, expired or another client's.")
    _check_binding(code.grant, form)
    return _issued(state, client, code.grant, code.grant.scopes, code=handle)


def _check_binding(grant: Grant, form: Mapping[str, str]) -> None:
    """The request must come from whoever started the login: same redirect URI (RFC 6749 4.1.3), matching verifier (RFC 7636 4.6)."""
    if form.get("redirect_uri") != grant.redirect_uri:
        raise TokenRefused("invalid_grant", "The redirect_uri is not the one of the authorization request.")
    challenge, verifier = grant.info.get("code_challenge"), form.get("code_verifier")
    if challenge is None and verifier is not None:
        raise TokenRefused("invalid_grant", "A code_verifier came for a code without code_challenge.")  # RFC 9700 2.1.1: downgrade (catalogue PK-03)
    if challenge is None:
        return
    try:
        same = hmac.compare_digest(code_challenge(verifier or "").encode(), str(challenge).encode())
    except ValueError:
        same = False
    if not same:
        raise TokenRefused("invalid_grant", "The code_verifier is missing or does not match the code_challenge.")


def _refresh_token(state: State, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
    handle = form.get("refresh_token")
    if handle is None:
        raise TokenRefused("invalid_request", "The refresh_token parameter is missing.")
    token = state.refresh_tokens.get(handle)
    if token is None or token.grant.client_id != client.client_id:
        raise TokenRefused("invalid_grant", "The refresh token is unknown, expired or another client's.")
    if token.used:
        token.grant.revoked = True  # RFC 9700 4.14.2: one of the two who have it is not the client
        raise TokenRefused("invalid_grant", "The refresh token was used before. All tokens of its family are revoked.")
    if not token.grant.alive:
        raise TokenRefused("invalid_grant", "The refresh token was revoked.")
    scopes = _narrowed(token.grant, form.get("scope"))
    token.used = True
    return _issued(state, client, token.grant, scopes)


def _narrowed(grant: Grant, scope: str | None) -> tuple[str, ...]:
    """Fewer scopes than granted may be asked for, never others (RFC 6749 6)."""
    if scope is None:
        return grant.scopes
    scopes = tuple(dict.fromkeys(scope.split()))
    if not set(scopes) <= set(grant.scopes):
        raise TokenRefused("invalid_scope", "A scope was asked for that was not granted.")
    return scopes


def _issued(state: State, client: Client, grant: Grant, scopes: tuple[str, ...], code: str | None = None) -> dict[str, Any]:
    """The answer. Tokens after a refresh carry no nonce and keep ``auth_time`` (Core 12.2)."""
    token: dict[str, Any] = {
        "access_token": state.access_tokens.put(AccessToken(grant, scopes)),
        "token_type": "Bearer",
        "expires_in": int(state.options.access_token_lifetime),
        "scope": " ".join(scopes),
    }
    if "offline_access" in grant.scopes:
        token["refresh_token"] = state.refresh_tokens.put(RefreshToken(grant))
    requested = grant.info["claims"]
    return add_id_token(
        token,
        sign=lambda claims: state.keys.sign(claims, client.id_token_signed_response_alg),
        scopes=scopes,
        issuer=state.issuer,
        client_id=client.client_id,
        subject=grant.user.sub,
        now=state.clock.now(),
        lifetime=state.options.id_token_lifetime,
        alg=client.id_token_signed_response_alg,
        nonce=grant.info["nonce"] if code is not None else None,
        max_age=grant.info["max_age"],
        auth_time=grant.auth_time,
        require_auth_time=client.require_auth_time or is_essential(requested, "auth_time"),
        acr=grant.acr,
        sid=grant.session.sid,
        claims=_id_token_claims(state, grant, scopes, asked_for(requested, "id_token")),
    )


def _id_token_claims(state: State, grant: Grant, scopes: tuple[str, ...], asked: list[str]) -> dict[str, Any]:
    """By name only, unless the option says that the scopes' claims belong here too (Core 5.4: normally they are UserInfo's)."""
    if state.options.id_token_claims:
        return grant.user.released(scopes, asked)
    return {name: value for name, value in grant.user.all_claims.items() if name in asked}


_GRANTS: Final[Mapping[str, Callable[[State, Client, Mapping[str, str]], dict[str, Any]]]] = {
    "authorization_code": _authorization_code,
    "refresh_token": _refresh_token,
}
GRANT_TYPES: Final = tuple(_GRANTS)
