"""The token request and its answer: OIDC Core 3.1.3, RFC 6749 4.1.3, 5.1, 5.2, RFC 7636 4.5."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Final

from oidc_middleware.errors import LoginError, ProviderError
from oidc_middleware.protocol.callback import ValidatedCallback
from oidc_middleware.protocol.client_auth import Client, authenticated
from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.protocol.responses import JSON_REQUEST_HEADERS, check_status, error_of, json_body
from oidc_middleware.protocol.text import shown

# A token goes into a header later: nothing but the characters that RFC 6749 A.12 and A.17 allow, and no space.
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*")  # RFC 6749 3.3
#: Ten years; a longer life is a mistake of units.
_MAX_EXPIRES_IN: Final = 315_360_000


@dataclass(frozen=True, slots=True)
class TokenSet:
    """What the token endpoint gave. ``expires_in`` is in seconds, ``None`` when unknown. ``id_token`` is not verified yet."""

    access_token: str = field(repr=False)
    token_type: str
    expires_in: int | None
    refresh_token: str | None = field(repr=False)
    id_token: str = field(repr=False)
    scope: str | None


def code_request(callback: ValidatedCallback, *, token_endpoint: str, client: Client, redirect_uri: str, code_verifier: str | None) -> HttpRequest:
    """The request that exchanges the code of a validated callback. *redirect_uri* and *code_verifier* are those of the login's own request;
    ``None`` only where a caller of the plain functions sent no challenge."""
    form = {"grant_type": "authorization_code", "code": callback.code, "redirect_uri": redirect_uri}
    if code_verifier is not None:
        form["code_verifier"] = code_verifier
    headers, body = authenticated(form, client)
    return HttpRequest("token", "POST", token_endpoint, {**JSON_REQUEST_HEADERS, **headers}, body)


def process_tokens(response: HttpResponse) -> TokenSet:
    """Judge the answer to :func:`code_request`.

    Raises ``LoginError("code_refused")`` for ``invalid_grant``; ``ProviderError``: ``client_rejected`` (``invalid_client`` or 401),
    ``token_refused`` (any other 4xx), ``token_response_invalid``, ``id_token_missing``, ``response_redirected``; ``Unavailable`` for 429 and 5xx.
    """
    answer = token_answer(response, refused="code_refused")  # used, expired, or another login's (catalogue PK-03, CI-01)
    if answer.id_token is None:
        raise ProviderError("id_token_missing", "the answer has no id_token")  # catalogue ID-31
    return TokenSet(answer.access_token, "Bearer", answer.expires_in, answer.refresh_token, answer.id_token, answer.scope)


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """A successful answer of the token endpoint to any kind of grant, as :class:`TokenSet`, but for ``id_token``: ``None`` where there is none."""

    access_token: str = field(repr=False)
    expires_in: int | None
    refresh_token: str | None = field(repr=False)
    id_token: str | None = field(repr=False)
    scope: str | None


def token_answer(response: HttpResponse, *, refused: str) -> TokenAnswer:
    """The answer of the token endpoint (RFC 6749 5.1, 5.2); errors as for :func:`process_tokens`, *refused* being the code for ``invalid_grant``."""
    check_status(response, "token")
    if 400 <= response.status < 500:
        _refuse(response, refused)
    # An unusable number elsewhere in the answer must not cost the login (catalogue ID-32: `expires_in: 1e400`).
    document = json_body(response, "token_response_invalid", "token", huge_numbers_as_none=True)
    access_token, token_type, id_token = (document.get(name) for name in ("access_token", "token_type", "id_token"))
    if not isinstance(access_token, str) or _TOKEN.fullmatch(access_token) is None:
        raise ProviderError("token_response_invalid", "no usable access_token")
    if not isinstance(token_type, str) or token_type.lower() != "bearer":  # RFC 6749 5.1: case insensitive
        raise ProviderError("token_response_invalid", f"token_type {shown(token_type)}")
    if id_token is not None and not isinstance(id_token, str):
        raise ProviderError("id_token_missing", f"id_token is {type(id_token).__name__}")
    refresh_token, scope = document.get("refresh_token"), document.get("scope")
    return TokenAnswer(
        access_token=access_token,
        expires_in=_seconds(document.get("expires_in")),
        refresh_token=refresh_token if isinstance(refresh_token, str) and _TOKEN.fullmatch(refresh_token) else None,
        id_token=id_token or None,
        scope=scope if isinstance(scope, str) and _SCOPE.fullmatch(scope) else None,
    )


def _refuse(response: HttpResponse, refused: str) -> None:
    error, detail = error_of(response)
    if error == "invalid_client" or response.status == 401:  # RFC 6749 5.2
        raise ProviderError("client_rejected", detail)
    if error == "invalid_grant":
        raise LoginError(refused, detail)
    raise ProviderError("token_refused", detail)


def _seconds(value: object) -> int | None:
    """A usable lifetime, else ``None``: unknown, which is neither 0 nor for ever (catalogue ID-32). Some providers send it as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return int(value) if 1 <= value <= _MAX_EXPIRES_IN else None
