"""The same steps as plain functions, for people who write their own views. No framework, no state: what you pass in is all there is.

    url = start_authentication(metadata.authorization_endpoint, "openid email", "dash", redirect_uri, state=..., nonce=..., code_challenge=...)
    tokens = handle_authentication_result(current_url, metadata.token_endpoint, client, state=..., code_verifier=...)

The ID token in ``tokens.id_token`` is not verified yet: :func:`oidc_middleware.protocol.id_token.verify_id_token` does that. The middleware makes
each of these steps for you, and remembers between them what has to be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import urlsplit

from oidc_middleware.drive import AsyncWorld, SyncWorld, arun, run
from oidc_middleware.errors import ConfigError, LoginError
from oidc_middleware.flows.effects import Flow, fetch
from oidc_middleware.protocol.authorization import (
    CallbackParameters,
    ValidatedCallback,
    authorize_params_problems,
    parameter_texts,
    parse_callback,
    validate_callback,
)
from oidc_middleware.protocol.client_auth import Client
from oidc_middleware.protocol.pkce import code_challenge as challenge_of
from oidc_middleware.protocol.tokens import TokenSet, code_request, process_tokens
from oidc_middleware.protocol.urls import with_query
from oidc_middleware.transports.client import AsyncHttp, SyncHttp

#: How a client proves itself at the token endpoint: id, secret or ``None``, and ``client_secret_basic``, ``client_secret_post`` or ``none``.
ClientAuthentication = Client

_S256: Final = "S256"


def start_authentication(
    authorization_endpoint: str,
    scope: str,
    client_id: str,
    redirect_uri: str,
    state: str | None = None,
    nonce: str | None = None,
    prompt: Sequence[str] | None = None,
    code_challenge: str | None = None,
    code_challenge_method: str | None = None,
    **parameters: object,
) -> str:
    """The URL to send the user's browser to (OIDC Core 3.1.2.1).

    ``scope`` is space-separated and contains ``openid``. ``prompt`` is a list of ``none``, ``login``, ``consent``, ``select_account``; ``none``
    stands alone. ``code_challenge_method`` is ``S256``, the only one there is here (RFC 7636 4.2). Further *parameters* (``max_age``, ``display``,
    ``ui_locales``, ``id_token_hint``, ``login_hint``, ``acr_values``, ``claims``) go along. Pass ``state``, ``nonce`` and ``code_challenge``
    unless you know why not, and keep what they were for the way back.

    Raises :class:`~oidc_middleware.errors.ConfigError` naming every parameter that cannot be used.
    """
    extra = {**({"prompt": list(prompt)} if prompt is not None else {}), **{name: value for name, value in parameters.items() if value is not None}}
    problems = authorize_params_problems(extra)
    if "openid" not in scope.split():
        problems.append("scope: has to contain openid (OIDC Core 3.1.2.1)")
    if code_challenge_method not in (None, _S256) or (code_challenge_method and not code_challenge):
        problems.append("code_challenge_method: only S256, together with a code_challenge (RFC 7636 4.2)")
    if problems:
        raise ConfigError(problems)
    ours = {"response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri, "scope": scope, "state": state, "nonce": nonce}
    pkce = {"code_challenge": code_challenge, "code_challenge_method": _S256} if code_challenge else {}
    return with_query(
        authorization_endpoint, {**parameter_texts(extra), **{name: value for name, value in {**ours, **pkce}.items() if value is not None}}
    )


def handle_authentication_result(
    current_url: str,
    token_endpoint: str,
    client_authentication: ClientAuthentication,
    redirect_uri: Literal["auto"] | str = "auto",  # noqa: PYI051  # the special value is part of the contract
    state: str | None = None,
    code_verifier: str | None = None,
    code_challenge: str | None = None,
    code_challenge_method: str | None = None,
    *,
    issuer: str | None = None,
) -> TokenSet:
    """Judge the authorization response in *current_url* and exchange its code (OIDC Core 3.1.2.5, 3.1.3).

    ``redirect_uri="auto"`` takes *current_url* without its query and fragment. ``state``, ``code_verifier`` and the rest are what
    :func:`start_authentication` was given. With *issuer*, an ``iss`` in the response has to equal it (RFC 9207).

    Raises ``LoginError`` when the response is not usable or refuses the sign-in, ``ProviderError`` and ``Unavailable`` for the token endpoint.
    """
    callback = _callback(current_url, state, issuer)
    uri = _redirect_uri(current_url, redirect_uri)
    return exchange_code_for_tokens(token_endpoint, callback, uri, client_authentication, code_verifier, code_challenge, code_challenge_method)


async def handle_authentication_result_async(
    current_url: str,
    token_endpoint: str,
    client_authentication: ClientAuthentication,
    redirect_uri: Literal["auto"] | str = "auto",  # noqa: PYI051  # the special value is part of the contract
    state: str | None = None,
    code_verifier: str | None = None,
    code_challenge: str | None = None,
    code_challenge_method: str | None = None,
    *,
    issuer: str | None = None,
) -> TokenSet:
    """:func:`handle_authentication_result` for coroutines."""
    callback = _callback(current_url, state, issuer)
    uri = _redirect_uri(current_url, redirect_uri)
    return await exchange_code_for_tokens_async(
        token_endpoint, callback, uri, client_authentication, code_verifier, code_challenge, code_challenge_method
    )


def exchange_code_for_tokens(
    token_endpoint: str,
    authentication_response: ValidatedCallback,
    redirect_uri: str,
    client_authentication: ClientAuthentication,
    code_verifier: str | None = None,
    code_challenge: str | None = None,
    code_challenge_method: str | None = None,
) -> TokenSet:
    """Exchange the code of a validated response for tokens (RFC 6749 4.1.3). The code is sent once.

    ``authentication_response`` comes from :func:`validate_authentication_response`, which :func:`handle_authentication_result` calls for you.
    ``code_challenge``, if given, has to be the challenge of ``code_verifier``.

    Raises ``LoginError("code_refused")``, ``ProviderError``, ``Unavailable``, and ``ConfigError`` for a verifier that does not fit.
    """
    return run(
        _exchange(token_endpoint, authentication_response, redirect_uri, client_authentication, code_verifier, code_challenge, code_challenge_method),
        _sync_world(),
    )


async def exchange_code_for_tokens_async(
    token_endpoint: str,
    authentication_response: ValidatedCallback,
    redirect_uri: str,
    client_authentication: ClientAuthentication,
    code_verifier: str | None = None,
    code_challenge: str | None = None,
    code_challenge_method: str | None = None,
) -> TokenSet:
    """:func:`exchange_code_for_tokens` for coroutines."""
    return await arun(
        _exchange(token_endpoint, authentication_response, redirect_uri, client_authentication, code_verifier, code_challenge, code_challenge_method),
        _async_world(),
    )


def validate_authentication_response(current_url: str, *, state: str | None, issuer: str | None = None) -> ValidatedCallback:
    """The authorization response in *current_url*, judged: state, issuer, error, code. Raises ``LoginError``."""
    return _callback(current_url, state, issuer)


def _exchange(
    token_endpoint: str,
    callback: ValidatedCallback,
    redirect_uri: str,
    client: Client,
    code_verifier: str | None,
    code_challenge: str | None,
    code_challenge_method: str | None,
) -> Flow[TokenSet]:
    if code_challenge_method not in (None, _S256):
        raise ConfigError(["code_challenge_method: only S256 (RFC 7636 4.2)"])
    if code_challenge is not None and (code_verifier is None or challenge_of(code_verifier) != code_challenge):
        raise ConfigError(["code_verifier: does not belong to the code_challenge of this login"])
    request = code_request(callback, token_endpoint=token_endpoint, client=client, redirect_uri=redirect_uri, code_verifier=code_verifier)
    response = yield from fetch(request)
    return process_tokens(response)


def _callback(current_url: str, state: str | None, issuer: str | None) -> ValidatedCallback:
    parameters: CallbackParameters = parse_callback(urlsplit(current_url).query)
    return validate_callback(parameters, state=state, issuer=issuer, iss_required=False)


def _redirect_uri(current_url: str, redirect_uri: str) -> str:
    if redirect_uri != "auto":
        return redirect_uri
    parts = urlsplit(current_url)
    if not parts.scheme or not parts.netloc:
        raise LoginError("bad_request_target", 'redirect_uri="auto" needs an absolute current_url')
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


@lru_cache(maxsize=1)
def _sync_world() -> SyncWorld:
    return SyncWorld(SyncHttp(None, trust_env=True))


@lru_cache(maxsize=1)
def _async_world() -> AsyncWorld:
    return AsyncWorld(AsyncHttp(None, trust_env=True))


__all__ = [
    "ClientAuthentication",
    "exchange_code_for_tokens",
    "exchange_code_for_tokens_async",
    "handle_authentication_result",
    "handle_authentication_result_async",
    "start_authentication",
    "validate_authentication_response",
]
