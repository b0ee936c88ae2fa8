"""The token endpoint of a scripted provider: everything a real one checks is checked (RFC 6749 4.1.3 and 6, RFC 7636 4.6, RFC 9700 4.14.2)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import httpx

from oidc_middleware.testing.authorize import Grant, RefreshGrant
from oidc_middleware.testing.client_check import Refused, check_client
from oidc_middleware.testing.keys import b64url
from oidc_middleware.testing.script import ReceivedRequest, edited

if TYPE_CHECKING:
    from oidc_middleware.testing.provider import ScriptedProvider


class TokenEndpoint:
    """Answers one token request."""

    def __init__(self, provider: ScriptedProvider) -> None:
        self._provider = provider

    def answer(self, request: ReceivedRequest) -> httpx.Response:
        """Tokens, or a JSON error after noting what was wrong in ``complaints``."""
        try:
            check_client(self._provider, request)
            answer = self._grant(request.form)
        except Refused as refused:
            self._provider.complaints.append(f"token request: {refused.reason}")
            return httpx.Response(refused.status, json={"error": refused.error})
        return httpx.Response(200, headers={"cache-control": "no-store"}, json=answer)

    def _grant(self, form: dict[str, str]) -> dict[str, object]:
        match form.get("grant_type"):
            case "authorization_code":
                return self._first_tokens(self._redeem(form))
            case "refresh_token":
                return self._refreshed_tokens(*self._refresh(form))
        raise Refused(400, "unsupported_grant_type", "grant_type is neither authorization_code nor refresh_token")

    def _redeem(self, form: dict[str, str]) -> Grant:
        provider = self._provider
        grant = provider.grants.get(form.get("code", ""))
        if grant is None:
            raise Refused(400, "invalid_grant", "unknown code")
        if grant.used:
            provider.revoke_grant(grant)  # RFC 6749 4.1.2: revoke what a replayed code was used for
            raise Refused(400, "invalid_grant", "code used twice")
        grant.used = True
        if provider.clock.now() > grant.issued + provider.code_lifetime:
            raise Refused(400, "invalid_grant", "code expired")
        if form.get("redirect_uri") != grant.parameters["redirect_uri"]:
            raise Refused(400, "invalid_grant", "redirect_uri is missing or another one")
        verifier = form.get("code_verifier", "")
        provider.secrets.update({verifier} - {""})
        if not 43 <= len(verifier) <= 128 or b64url(hashlib.sha256(verifier.encode()).digest()) != grant.parameters["code_challenge"]:
            raise Refused(400, "invalid_grant", "code_verifier does not fit the code_challenge")
        return grant

    def _refresh(self, form: dict[str, str]) -> tuple[RefreshGrant, str]:
        """The refresh token's grant and the scope now asked for (RFC 6749 6)."""
        provider, token = self._provider, form.get("refresh_token", "")
        refresh = provider.refresh_grants.get(token)
        if refresh is None:
            raise Refused(400, "invalid_grant", "unknown refresh token")
        now = provider.clock.now()
        if refresh.used is not None and now > refresh.used + provider.refresh_grace:
            provider.revoke_grant(refresh.grant)  # RFC 9700 4.14.2: whoever comes second, one of the two is a thief
            raise Refused(400, "invalid_grant", "refresh token used twice")
        granted = refresh.grant.parameters["scope"]
        scope = form.get("scope", granted)
        if not set(scope.split()) <= set(granted.split()):
            raise Refused(400, "invalid_scope", "more scopes than were granted")
        if provider.refresh_rotation and refresh.used is None:
            refresh.used = now
        return refresh, scope

    def _first_tokens(self, grant: Grant) -> dict[str, object]:
        provider, scope = self._provider, grant.parameters["scope"]
        access_token = self._access_token(grant)
        grant.signed_in = int(provider.clock.now())
        tokens = self._answer(access_token, provider.id_token(dict(grant.parameters), access_token), scope)
        if provider.refresh_tokens or "offline_access" in scope.split():
            tokens["refresh_token"] = self._refresh_token(grant)
        return edited(tokens, provider.token_edits)

    def _refreshed_tokens(self, refresh: RefreshGrant, scope: str) -> dict[str, object]:
        """New tokens. The ID token has no ``nonce`` and the old ``auth_time`` (OIDC Core 12.2)."""
        provider, grant = self._provider, refresh.grant
        access_token = self._access_token(grant)
        parameters = {name: value for name, value in grant.parameters.items() if name != "nonce"}
        edits = {**({"auth_time": grant.signed_in} if "max_age" in parameters else {}), **provider.refreshed_id_token_claims}
        tokens = self._answer(access_token, provider.id_token(parameters, access_token, edits), scope)
        if provider.refresh_rotation:
            tokens["refresh_token"] = self._refresh_token(grant)
        return edited(edited(tokens, provider.token_edits), provider.refresh_edits)

    def _access_token(self, grant: Grant) -> str:
        grant.access_token = self._provider.secret("canary-access-token")
        self._provider.tokens[grant.access_token] = grant
        return grant.access_token

    def _refresh_token(self, grant: Grant) -> str:
        token = self._provider.secret("canary-refresh-token")
        self._provider.refresh_grants[token] = RefreshGrant(grant)
        return token

    def _answer(self, access_token: str, id_token: object, scope: str) -> dict[str, object]:
        tokens: dict[str, object] = {"access_token": access_token, "token_type": "Bearer", "id_token": id_token, "scope": scope}
        if self._provider.expires_in is not None:
            tokens["expires_in"] = self._provider.expires_in
        return tokens
