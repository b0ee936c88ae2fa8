"""The UserInfo endpoint of a scripted provider (OIDC Core 5.3), with the conformance suite's user."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import httpx

from oidc_middleware.testing.keys import sign_compact
from oidc_middleware.testing.script import ReceivedRequest, edited

if TYPE_CHECKING:
    from oidc_middleware.testing.provider import ScriptedProvider

#: The suite's user; the e-mail address is *not* verified.
USER: Final[dict[str, Any]] = {
    "sub": "user-subject-1234531",
    "name": "Demo T. User",
    "given_name": "Demo",
    "family_name": "User",
    "middle_name": "Theresa",
    "nickname": "Dee",
    "preferred_username": "d.tu",
    "gender": "female",
    "birthdate": "2000-02-03",
    "website": "https://openid.net/",
    "zoneinfo": "America/Los_Angeles",
    "locale": "en-US",
    "updated_at": 1580000000,
    "email": "user@example.com",
    "email_verified": False,
    "phone_number": "+1 555 5550000",
    "phone_number_verified": False,
    "address": {"street_address": "100 Universal City Plaza", "locality": "Hollywood", "region": "CA", "postal_code": "91608", "country": "USA"},
}

_OF_SCOPE: Final = {
    "email": {"email", "email_verified"},
    "phone": {"phone_number", "phone_number_verified"},
    "address": {"address"},
}


def claims_for(user: dict[str, Any], scope: str) -> dict[str, Any]:
    """The claims of *user* that *scope* (space-separated) asks for (OIDC Core 5.4); claims of no standard scope come with ``profile``."""
    scopes = scope.split()
    hidden = {claim for name, claims in _OF_SCOPE.items() if name not in scopes for claim in claims}
    if "profile" not in scopes:
        hidden |= set(user) - {"sub"} - {claim for claims in _OF_SCOPE.values() for claim in claims}
    return {name: value for name, value in user.items() if name not in hidden}


def userinfo_response(provider: ScriptedProvider, request: ReceivedRequest) -> httpx.Response:
    """The claims for an access token; anything else is a complaint and 401 (RFC 6750 2 and 3)."""
    header = request.headers.get("authorization", "")
    token = header[7:] if header[:7].lower() == "bearer " else ""
    if "access_token" in request.url or "access_token" in request.form:
        provider.complaints.append("userinfo request: the access token is not in the header only")
        return httpx.Response(400, json={"error": "invalid_request"})
    grant = provider.tokens.get(token)
    if grant is None:
        provider.complaints.append("userinfo request: not an access token of this provider")
        return httpx.Response(401, headers={"www-authenticate": 'Bearer error="invalid_token"'})
    claims = edited(claims_for(provider.user, grant.parameters["scope"]), provider.userinfo_edits)
    if not provider.userinfo_signed:
        return httpx.Response(200, json=claims)
    kid, key = provider.keys.signer("RS256")
    payload = {"iss": provider.issuer, "aud": provider.client_id, **claims}
    token = sign_compact({"alg": "RS256", "kid": kid}, json.dumps(payload).encode(), key, "RS256")
    return httpx.Response(200, headers={"content-type": "application/jwt;charset=UTF-8"}, content=token.encode())
