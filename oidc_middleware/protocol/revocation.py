"""Giving a token back: RFC 7009."""

from __future__ import annotations

from typing import Final, Literal

from oidc_middleware.errors import ProviderError
from oidc_middleware.protocol.client_auth import Client, authenticated
from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.protocol.responses import JSON_REQUEST_HEADERS, check_status, error_of

#: A good answer has no content, an error a few hundred bytes.
_MAX_ANSWER: Final = 65_536


def revocation_request(endpoint: str, token: str, token_type_hint: Literal["access_token", "refresh_token"], client: Client) -> HttpRequest:
    """The request that revokes *token* (RFC 7009 2.1). With a refresh token, the provider revokes the access tokens of the same grant, too."""
    headers, body = authenticated({"token": token, "token_type_hint": token_type_hint}, client)
    return HttpRequest("revocation", "POST", endpoint, {**JSON_REQUEST_HEADERS, **headers}, body, max_bytes=_MAX_ANSWER)


def process_revocation(response: HttpResponse) -> None:
    """Judge the answer to :func:`revocation_request`: returns if the token is good for nothing any more.

    Raises ``ProviderError``: ``client_rejected``, ``token_refused`` (any other refusal), ``response_redirected``; ``Unavailable`` for 429 and 5xx.
    """
    check_status(response, "revocation")
    if 200 <= response.status < 300:
        return
    error, detail = error_of(response)
    if error == "invalid_client" or response.status == 401:
        raise ProviderError("client_rejected", detail)
    # RFC 7009 2.2 calls an invalid token no error, Google does all the same. It is what we wanted.
    if error != "invalid_token":
        raise ProviderError("token_refused", detail)
