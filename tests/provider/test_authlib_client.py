"""The whole way with a client that nobody here wrote: Authlib's, and joserfc's own validation of what it gets."""

import anyio
import httpx
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client
from authlib.oidc.core import CodeIDToken, UserInfo
from joserfc import jwt
from joserfc.jwk import KeySet

from oidc_middleware.provider import Client

pytestmark = pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # EdDSA under its old name

SCOPE = "openid profile email groups offline_access"


def options(desk, read, **changes):
    return {
        "client_id": "web",
        "client_secret": read.secret,
        "scope": SCOPE,
        "redirect_uri": read.callback,
        "code_challenge_method": "S256",
        **changes,
    }


def validated(desk, read, tokens, alg, **expected):
    """The ID token's claims, after Authlib's and joserfc's own checks."""
    keys = KeySet.import_key_set(desk.browser.get("/jwks").json())
    decoded = jwt.decode(tokens["id_token"], keys, algorithms=[alg])
    essential = {"iss": read.issuer, "aud": "web", "sub": "ada", **expected}
    registry = jwt.JWTClaimsRegistry(
        now=lambda: int(desk.clock.now()), **{name: {"essential": True, "value": value} for name, value in essential.items()}, exp={"essential": True}
    )
    registry.validate(decoded.claims)
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        {name: {"essential": True, "value": value} for name, value in essential.items()},
        {"access_token": tokens["access_token"], "client_id": "web", **expected},
    )
    claims.validate(now=int(desk.clock.now()))
    assert "at_hash" in claims
    return claims


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_login_userinfo_and_refresh(desk, read, alg, method):
    desk.provider.clients["web"] = Client("web", read.secret, [read.callback], token_endpoint_auth_method=method, id_token_signed_response_alg=alg)
    metadata = desk.browser.get("/.well-known/openid-configuration").json()
    with OAuth2Client(**options(desk, read, token_endpoint_auth_method=method), transport=desk.browser._transport) as client:
        url, state = client.create_authorization_url(metadata["authorization_endpoint"], nonce="the-nonce", max_age=600, code_verifier=read.verifier)
        answered = desk.choose(desk.browser.get(url))
        tokens = client.fetch_token(
            metadata["token_endpoint"], authorization_response=answered.headers["location"], state=state, code_verifier=read.verifier
        )
        claims = validated(desk, read, tokens, alg, nonce="the-nonce")
        assert claims["auth_time"] == int(desk.clock.now())
        info = UserInfo(client.get(metadata["userinfo_endpoint"]).json())
        assert (info.sub, info.email, info["groups"]) == ("ada", "ada@example.com", ["admins", "engineering"])
        renewed = client.refresh_token(metadata["token_endpoint"])
        assert renewed["refresh_token"] != tokens["refresh_token"]
        assert validated(desk, read, renewed, alg)["sid"] == claims["sid"]
        assert client.get(metadata["userinfo_endpoint"]).json()["name"] == "Ada Lovelace"


def test_the_asynchronous_client(desk, read):
    async def login():
        transport = httpx.ASGITransport(desk.provider.app)
        browser = httpx.AsyncClient(transport=transport, base_url=read.issuer)
        async with browser, AsyncOAuth2Client(**options(desk, read), transport=httpx.ASGITransport(desk.provider.app)) as client:
            url, state = client.create_authorization_url(f"{read.issuer}/authorize", nonce="n", code_verifier=read.verifier)
            page = await browser.get(url)
            answered = await browser.post("/sign-in", data={"ticket": read.ticket(page), "user": "ada"})
            return await client.fetch_token(
                f"{read.issuer}/token", authorization_response=answered.headers["location"], state=state, code_verifier=read.verifier
            )

    tokens = anyio.run(login)
    assert validated(desk, read, tokens, "RS256", nonce="n")["sub"] == "ada"
    assert tokens["scope"] == SCOPE


def test_refusals_reach_the_client(desk, read):
    from authlib.integrations.base_client.errors import OAuthError

    with OAuth2Client(**options(desk, read), transport=desk.browser._transport) as client:
        with pytest.raises(OAuthError) as caught:
            client.fetch_token(f"{read.issuer}/token", code="x" * 43, code_verifier=read.verifier)
        assert caught.value.error == "invalid_grant"
    with OAuth2Client(**options(desk, read, client_secret="wrong"), transport=desk.browser._transport) as client:
        with pytest.raises(OAuthError) as caught:
            client.fetch_token(f"{read.issuer}/token", code=desk.code(), code_verifier=read.verifier)
        assert caught.value.error == "invalid_client"
