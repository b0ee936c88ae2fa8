"""The token endpoint of a scripted provider: everything a real one checks is checked (RFC 6749 4.1.3, RFC 7636 4.6)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

import httpx

from oidc_middleware.testing.authorize import Grant
from oidc_middleware.testing.keys import b64url
from oidc_middleware.testing.script import ReceivedRequest, edited

if TYPE_CHECKING:
    from oidc_middleware.testing.provider import ScriptedProvider


class _Refused(Exception):
    def __init__(self, status: int, error: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.error, self.reason = status, error, reason


class TokenEndpoint:
    """Answers one token request."""

    def __init__(self, provider: ScriptedProvider) -> None:
        self._provider = provider

    def answer(self, request: ReceivedRequest) -> httpx.Response:
        """Tokens, or a JSON error after noting what was wrong in ``complaints``."""
        try:
            self._check_client(request)
            grant = self._redeem(request.form)
        except _Refused as refused:
            self._provider.complaints.append(f"token request: {refused.reason}")
            return httpx.Response(refused.status, json={"error": refused.error})
        return httpx.Response(200, headers={"cache-control": "no-store"}, json=self._tokens(grant))

    def _check_client(self, request: ReceivedRequest) -> None:
        provider, form = self._provider, request.form
        if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
            raise _Refused(400, "invalid_request", "not a form")
        used, client_id, secret = _credentials(request)
        if used != provider.client_auth:
            raise _Refused(401, "invalid_client", f"the client authenticated with {used}, registered is {provider.client_auth}")
        if client_id != provider.client_id or form.get("client_id", provider.client_id) != provider.client_id:
            raise _Refused(401, "invalid_client", "unknown client")
        if used != "none" and secret != provider.client_secret:
            raise _Refused(401, "invalid_client", "wrong client secret")

    def _redeem(self, form: dict[str, str]) -> Grant:
        provider = self._provider
        if form.get("grant_type") != "authorization_code":
            raise _Refused(400, "unsupported_grant_type", "grant_type is not authorization_code")
        grant = provider.grants.get(form.get("code", ""))
        if grant is None:
            raise _Refused(400, "invalid_grant", "unknown code")
        if grant.used:
            provider.tokens.pop(grant.access_token, None)  # RFC 6749 4.1.2: revoke what a replayed code was used for
            raise _Refused(400, "invalid_grant", "code used twice")
        grant.used = True
        if provider.clock.now() > grant.issued + provider.code_lifetime:
            raise _Refused(400, "invalid_grant", "code expired")
        if form.get("redirect_uri") != grant.parameters["redirect_uri"]:
            raise _Refused(400, "invalid_grant", "redirect_uri is missing or another one")
        verifier = form.get("code_verifier", "")
        provider.secrets.update({verifier} - {""})
        if not 43 <= len(verifier) <= 128 or b64url(hashlib.sha256(verifier.encode()).digest()) != grant.parameters["code_challenge"]:
            raise _Refused(400, "invalid_grant", "code_verifier does not fit the code_challenge")
        return grant

    def _tokens(self, grant: Grant) -> dict[str, object]:
        provider = self._provider
        grant.access_token = provider.secret("canary-access-token")
        provider.tokens[grant.access_token] = grant
        tokens = {
            "access_token": grant.access_token,
            "token_type": "Bearer",
            "id_token": provider.id_token(dict(grant.parameters), grant.access_token),
            "scope": grant.parameters["scope"],
        }
        return edited(tokens, provider.token_edits)


def _credentials(request: ReceivedRequest) -> tuple[str, str, str]:
    """``(method, client id, secret)`` as sent; two methods at once are one too many (RFC 6749 2.3)."""
    form, header = request.form, request.headers.get("authorization", "")
    if header:
        if "client_secret" in form:
            return "two methods", "", ""
        try:
            user, _, password = base64.b64decode(header.removeprefix("Basic "), validate=True).decode("ascii").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "an unreadable header", "", ""
        return "client_secret_basic", unquote_plus(user), unquote_plus(password)
    if "client_secret" in form:
        return "client_secret_post", form.get("client_id", ""), form["client_secret"]
    return "none", form.get("client_id", ""), ""
