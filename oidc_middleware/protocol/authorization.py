"""The authorization request: OIDC Core 3.1.2.1, RFC 6749 4.1.1, RFC 7636 4.3. The answer to it is judged in ``callback``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from oidc_middleware.protocol.authorize_params import OURS, authorize_params_problems
from oidc_middleware.protocol.callback import CallbackParameters, ValidatedCallback, parse_callback, validate_callback
from oidc_middleware.protocol.pkce import CHALLENGE_METHOD
from oidc_middleware.protocol.urls import with_query

__all__ = [
    "CallbackParameters",
    "ValidatedCallback",
    "authorization_request",
    "authorize_params_problems",
    "parameter_texts",
    "parse_callback",
    "validate_callback",
]

_NONE: Final[Mapping[str, object]] = MappingProxyType({})
_UNRESERVED: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"  # RFC 3986 2.3


def authorization_request(
    endpoint: str,
    *,
    client_id: str,
    redirect_uri: str,
    scopes: Sequence[str],
    state: str,
    nonce: str,
    code_challenge: str,
    response_mode: str = "query",
    extra: Mapping[str, object] = _NONE,
) -> str:
    """The URL that starts a login at the provider's authorization *endpoint*.

    The endpoint's own query is kept. Every name occurs once, and ours win over *extra* (``authorize_params``) and over the endpoint's query
    (catalogue ST-18). Lists in *extra* are joined by spaces, mappings (``claims``) become JSON, ``None`` is left out.
    """
    begin = _begin(endpoint, client_id, redirect_uri, tuple(scopes), response_mode, tuple(parameter_texts(extra).items()) if extra else ())
    if f"{state}{nonce}{code_challenge}".encode("ascii", "replace").translate(None, _UNRESERVED):
        state, nonce, code_challenge = (quote(value, safe="") for value in (state, nonce, code_challenge))
    # As nearly always: ours are base64url, where there is nothing to do.
    return f"{begin}&state={state}&nonce={nonce}&code_challenge={code_challenge}"


@lru_cache(64)  # the same for nearly every login; a link can ask for another prompt
def _begin(endpoint: str, client_id: str, redirect_uri: str, scopes: tuple[str, ...], response_mode: str, extra: tuple[tuple[str, str], ...]) -> str:
    """The URL up to what is new in every login."""
    parameters = dict(extra)
    parameters |= {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "code_challenge_method": CHALLENGE_METHOD,
    }
    if response_mode != "query":
        parameters["response_mode"] = response_mode
    return with_query(endpoint, parameters, without=("state", "nonce", "code_challenge"))


def parameter_texts(extra: Mapping[str, object]) -> dict[str, str]:
    """*extra* as it goes into a query: never a parameter of ours (catalogue ST-18)."""
    return {name: _text(value) for name, value in extra.items() if value is not None and name not in OURS}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return json.dumps(dict(value), separators=(",", ":"))
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return str(value)
