"""The revocation endpoint of a scripted provider (RFC 7009)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from oidc_middleware.testing.client_check import Refused, check_client
from oidc_middleware.testing.script import ReceivedRequest

if TYPE_CHECKING:
    from oidc_middleware.testing.provider import ScriptedProvider


def revocation_response(provider: ScriptedProvider, request: ReceivedRequest) -> httpx.Response:
    """Revokes a token and notes it in ``provider.revoked``. A token that is not known is no error (RFC 7009 2.2)."""
    form = request.form
    try:
        check_client(provider, request)
        if not form.get("token"):
            raise Refused(400, "invalid_request", "no token")
    except Refused as refused:
        provider.complaints.append(f"revocation request: {refused.reason}")
        return httpx.Response(refused.status, json={"error": refused.error})
    token = form["token"]
    provider.revoked.append((token, form.get("token_type_hint", "")))
    provider.tokens.pop(token, None)
    refresh = provider.refresh_grants.get(token)
    if refresh is not None:
        provider.revoke_grant(refresh.grant)  # RFC 7009 2.1: with a refresh token, the access tokens of its grant
    return httpx.Response(200, headers={"cache-control": "no-store"})
