"""How a scripted provider judges who sends a token or revocation request (RFC 6749 2.3)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from oidc_middleware.testing.script import ReceivedRequest

if TYPE_CHECKING:
    from oidc_middleware.testing.provider import ScriptedProvider


class Refused(Exception):
    """The request is answered with an OAuth error; ``reason`` is for the provider's ``complaints``."""

    def __init__(self, status: int, error: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.error, self.reason = status, error, reason


def check_client(provider: ScriptedProvider, request: ReceivedRequest) -> None:
    """The registered client, with the registered method of authentication, and a form; raises :class:`Refused`."""
    form = request.form
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise Refused(400, "invalid_request", "not a form")
    used, client_id, secret = _credentials(request)
    if used != provider.client_auth:
        raise Refused(401, "invalid_client", f"the client authenticated with {used}, registered is {provider.client_auth}")
    if client_id != provider.client_id or form.get("client_id", provider.client_id) != provider.client_id:
        raise Refused(401, "invalid_client", "unknown client")
    if used != "none" and secret != provider.client_secret:
        raise Refused(401, "invalid_client", "wrong client secret")


def _credentials(request: ReceivedRequest) -> tuple[str, str, str]:
    """``(method, client id, secret)`` as sent; two methods at once are one too many (RFC 6749 2.3)."""
    form, header = request.form, request.headers.get("authorization", "")
    if header:
        if "client_secret" in form:
            return "two methods", "", ""
        try:
            user, _, password = base64.b64decode(header.removeprefix("Basic "), validate=True).decode("ascii").partition(":")
        except ValueError:  # no ASCII, no base64, or no ASCII inside
            return "an unreadable header", "", ""
        return "client_secret_basic", unquote_plus(user), unquote_plus(password)
    if "client_secret" in form:
        return "client_secret_post", form.get("client_id", ""), form["client_secret"]
    return "none", form.get("client_id", ""), ""
