"""The endpoints that programs call: discovery, keys, token, UserInfo."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from oidc_middleware.provider.authorization import DISPLAYS, PROMPTS, RESPONSE_MODES
from oidc_middleware.provider.claims_request import asked_for
from oidc_middleware.provider.client_auth import authenticated_client
from oidc_middleware.provider.memory import AccessToken
from oidc_middleware.provider.options import SCOPES, State
from oidc_middleware.provider.parameters import read_parameters
from oidc_middleware.provider.people import SCOPE_CLAIMS
from oidc_middleware.provider.refusals import RequestRefused, TokenRefused
from oidc_middleware.provider.registry import AUTH_METHODS, SIGNING_ALGS
from oidc_middleware.provider.tokens import GRANT_TYPES, token_response
from oidc_middleware.provider.web import read_form, refusal_json


def metadata(state: State) -> dict[str, Any]:
    """OpenID Provider Metadata (OpenID Connect Discovery 3, RP-Initiated Logout 2.1, RFC 8414 2, RFC 9207 3)."""
    return {
        "issuer": state.issuer,
        "authorization_endpoint": state.url("/authorize"),
        "token_endpoint": state.url("/token"),
        "userinfo_endpoint": state.url("/userinfo"),
        "jwks_uri": state.url("/jwks"),
        "end_session_endpoint": state.url("/logout"),
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": list(GRANT_TYPES),
        "acr_values_supported": list(state.options.acr_values),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(SIGNING_ALGS),
        "display_values_supported": list(DISPLAYS),
        "prompt_values_supported": list(PROMPTS),
        "claim_types_supported": ["normal"],
        "claims_supported": _claims_supported(state),
        "ui_locales_supported": ["en"],
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "code_challenge_methods_supported": ["S256"],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,  # absent would mean True
        "authorization_response_iss_parameter_supported": True,
    }


def _claims_supported(state: State) -> list[str]:
    standard = {claim for claims in SCOPE_CLAIMS.values() for claim in claims}
    own = {claim for user in state.users.values() for claim in user.all_claims}
    return ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "azp", "sid", "at_hash", *sorted(standard | own)]


async def discovery(state: State, request: Request) -> Response:  # noqa: ARG001 - all endpoints are called alike
    return JSONResponse(metadata(state))


async def jwks(state: State, request: Request) -> Response:  # noqa: ARG001 - likewise
    return JSONResponse(state.keys.jwks(), media_type="application/jwk-set+json")


async def token(state: State, request: Request) -> Response:
    """POST ``/token`` (RFC 6749 3.2)."""
    try:
        values, repeated = read_parameters(await read_form(request))
        if repeated or request.scope["query_string"]:
            raise TokenRefused("invalid_request", "Parameters belong into the body, each of them once.")
        client = authenticated_client(_single_header(request), values, state.clients)
        return JSONResponse(token_response(state, client, values))
    except RequestRefused as refusal:
        challenge = isinstance(refusal, TokenRefused) and refusal.challenge
        return refusal_json(refusal, headers={"WWW-Authenticate": 'Basic realm="token"'} if challenge else None)


async def userinfo(state: State, request: Request) -> Response:
    """GET and POST ``/userinfo`` (OpenID Connect Core 5.3) with a Bearer token in the header or, by POST, in the form (RFC 6750 2.1, 2.2)."""
    try:
        handle = await _bearer_token(request)
    except RequestRefused as refusal:
        return refusal_json(refusal, headers={"WWW-Authenticate": 'Bearer error="invalid_request"'})
    if handle is None:
        return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})  # RFC 6750 3.1: no error code without credentials
    access = state.access_tokens.get(handle)
    if access is None or not access.grant.alive:
        unusable = TokenRefused("invalid_token", "The access token is unknown, expired or revoked.", status=401)
        return refusal_json(unusable, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return JSONResponse(userinfo_claims(access))


def userinfo_claims(access: AccessToken) -> dict[str, Any]:
    """What this access token shows: ``sub``, the claims of its scopes, and those asked for by name."""
    user = access.grant.user
    return {**user.released(access.scopes, asked_for(access.grant.info["claims"], "userinfo")), "sub": user.sub}


async def _bearer_token(request: Request) -> str | None:
    header = _single_header(request)
    scheme, _, in_header = (header or "").partition(" ")
    if header is not None and scheme.lower() != "bearer":
        raise RequestRefused("invalid_request", "Another scheme than Bearer.")
    in_body = None
    if request.method == "POST" and "content-type" in request.headers:
        values, repeated = read_parameters(await read_form(request))
        in_body = values.get("access_token")
        if "access_token" in repeated:
            raise RequestRefused("invalid_request", "The access token was sent more than once.")
    if "access_token" in request.query_params:
        raise RequestRefused("invalid_request", "The access token must not be part of the address.")  # RFC 6750 5.3
    if header is not None and in_body is not None:
        raise RequestRefused("invalid_request", "The access token was sent in more than one way.")  # RFC 6750 2
    return in_header.strip(" ") if header is not None else in_body


def _single_header(request: Request) -> str | None:
    values = request.headers.getlist("authorization")
    if len(values) > 1:
        raise TokenRefused("invalid_request", "More than one Authorization header.")
    return values[0] if values else None
