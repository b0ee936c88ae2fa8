"""Who calls the token endpoint? (RFC 6749 2.3, OpenID Connect Core 9)"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from collections.abc import Mapping
from typing import NamedTuple

from oidc_middleware.provider.parameters import form_unquote
from oidc_middleware.provider.refusals import TokenRefused
from oidc_middleware.provider.registry import Client


class Credentials(NamedTuple):
    method: str
    client_id: str
    secret: str

    def __repr__(self) -> str:
        return f"Credentials({self.method}, {self.client_id!r})"


def authenticated_client(authorization: str | None, form: Mapping[str, str], clients: Mapping[str, Client]) -> Client:
    """The client that proved to be itself in the way it is registered for. Raises :class:`TokenRefused` ``invalid_client`` or ``invalid_request``."""
    credentials = _credentials(authorization, form)
    client = clients.get(credentials.client_id)
    # An unknown client and a wrong secret take the same way and get the same answer.
    expected = client.client_secret if client is not None else None
    same = hmac.compare_digest((expected or "").encode(), credentials.secret.encode("utf-8", "replace"))
    if client is None or not same or credentials.method not in client.auth_methods:
        raise TokenRefused("invalid_client", "Client authentication failed.", status=401, challenge=authorization is not None)
    return client


def _credentials(authorization: str | None, form: Mapping[str, str]) -> Credentials:
    if "client_assertion" in form or "client_assertion_type" in form:
        raise TokenRefused("invalid_client", "Client assertions are not supported.", status=401)
    if authorization is None:
        if "client_id" not in form:
            raise TokenRefused("invalid_client", "Client authentication is missing.", status=401)
        method = "client_secret_post" if "client_secret" in form else "none"
        return Credentials(method, form["client_id"], form.get("client_secret", ""))
    if "client_secret" in form:
        raise TokenRefused("invalid_request", "More than one way of client authentication was used.")  # RFC 6749 2.3
    credentials = _basic(authorization)
    if form.get("client_id", credentials.client_id) != credentials.client_id:
        raise TokenRefused("invalid_request", "The client_id in the body is another one than in the header.")
    return credentials


def _basic(authorization: str) -> Credentials:
    scheme, _, encoded = authorization.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError("another scheme")
        client_id, colon, secret = b64decode(encoded.strip(" "), validate=True).decode("utf-8").partition(":")
        if not colon:
            raise ValueError("no colon")
        # Both were form-encoded before they were joined (RFC 6749 2.3.1); a client that forgets it fails with special characters only.
        return Credentials("client_secret_basic", form_unquote(client_id), form_unquote(secret))
    except (ValueError, binascii.Error):
        raise TokenRefused("invalid_client", "The Authorization header cannot be read.", status=401, challenge=True) from None
