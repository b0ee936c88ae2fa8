"""A provider in this process, and a browser for it."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import anyio
import httpx
import pytest

from oidc_middleware.protocol.pkce import code_challenge
from oidc_middleware.provider import Client, Provider, SigningKeys
from oidc_middleware.testing import FakeClock

ISSUER = "http://127.0.0.1:9400"
CALLBACK = "http://127.0.0.1:8000/oidc/callback"
SIGNED_OUT = "http://127.0.0.1:8000/oidc/signed-out"
SECRET = "canary-secret-0123456789-abcdefghijklmn"
VERIFIER = "verifier-" * 6


class InProcess(httpx.BaseTransport):
    """Calls an ASGI application without a socket."""

    def __init__(self, app):
        self._inner = httpx.ASGITransport(app)

    def handle_request(self, request):
        async def call():
            response = await self._inner.handle_async_request(request)
            return response, await response.aread()

        response, body = anyio.run(call)
        return httpx.Response(response.status_code, headers=response.headers, content=body)


class Desk:
    """A provider with three clients, and one browser that visits it."""

    def __init__(self, keys, **options):
        self.clock = FakeClock()
        self.provider = Provider(
            ISSUER,
            [
                Client("web", SECRET, [CALLBACK, "http://127.0.0.1:8000/other"], [SIGNED_OUT]),
                {"client_id": "spa", "redirect_uris": [CALLBACK]},
                Client("dev", SECRET, any_loopback_redirect_uri=True),
            ],
            clock=self.clock,
            keys=keys,
            **options,
        )
        self.browser = self.new_browser()

    def new_browser(self):
        return httpx.Client(base_url=ISSUER, transport=InProcess(self.provider.app))

    def parameters(self, **changes):
        asked = {
            "client_id": "web",
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid profile email",
            "state": "the-state",
            "nonce": "the-nonce",
            "code_challenge": code_challenge(VERIFIER),
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in {**asked, **changes}.items() if value is not None}

    def authorize(self, **changes):
        return self.browser.get("/authorize", params=self.parameters(**changes))

    def choose(self, page, user="ada", **form):
        """Answer the sign-in page."""
        return self.browser.post("/sign-in", data={"ticket": ticket(page), **({} if "action" in form else {"user": user}), **form})

    def sign_in(self, user="ada", **changes):
        """The whole way to the client's answer, whatever the provider asks."""
        response = self.authorize(**changes)
        return self.choose(response, user) if response.status_code == 200 else response

    def code(self, user="ada", **changes):
        return answer_of(self.sign_in(user, **changes))["code"]

    def redeem(self, code, *, auth=("web", SECRET), **changes):
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER, **changes}
        return self.browser.post("/token", data={name: value for name, value in form.items() if value is not None}, auth=auth)

    def refresh(self, token, *, auth=("web", SECRET), **changes):
        return self.browser.post("/token", data={"grant_type": "refresh_token", "refresh_token": token, **changes}, auth=auth)

    def tokens(self, user="ada", **changes):
        response = self.redeem(self.code(user, **changes))
        assert response.status_code == 200, response.text
        return response.json()

    def claims(self, tokens):
        return self.provider.keys.verify(tokens["id_token"])

    def userinfo(self, tokens):
        return self.browser.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})


def ticket(page):
    found = re.search(r'name="ticket" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def answer_of(response):
    """The authorization response, taken from where it is redirected to."""
    assert response.status_code == 303, response.text
    target, _, query = response.headers["location"].partition("?")
    assert target == CALLBACK
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), "a parameter twice"
    assert urlsplit(response.headers["location"]).fragment == ""
    return dict(pairs)


@pytest.fixture(scope="session")
def keys():
    return SigningKeys()


@pytest.fixture
def make_desk(keys):
    def make(**options):
        return Desk(options.pop("keys", keys), **options)

    return make


@pytest.fixture
def desk(make_desk):
    return make_desk()


@pytest.fixture
def read():
    """What the tests read answers with: the authorization response, and a page's ticket."""

    class Read:
        answer = staticmethod(answer_of)
        ticket = staticmethod(ticket)
        issuer, callback, signed_out, secret, verifier = ISSUER, CALLBACK, SIGNED_OUT, SECRET, VERIFIER

    return Read
