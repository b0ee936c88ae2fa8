"""A session's whole life at npm's ``oidc-provider``: tokens that rotate, and an end that the provider tells over the back channel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from examples.demo.browsing import Browser, Form
from tests.interop import providers
from tests.interop.farm.farm import SECRET_KEY, Line, Workers, ports_for, running
from tests.interop.farm.shared_clock import SharedClock

pytestmark = [pytest.mark.interop, pytest.mark.slow]

#: Server, where sessions live, and what logout tokens name: one session at the provider, or the person.
COMBINATIONS = [("uvicorn", "store", "sid"), ("gunicorn", "store", "sub"), ("uvicorn", "cookie", "sub"), ("gunicorn", "cookie", "sid")]
WORKERS = 2


@dataclass
class Site:
    """An application of two workers, and its provider."""

    workers: Workers
    provider: providers.Node
    base_url: str

    def sign_in(self, browser: Browser, person: str = "ada") -> None:
        browser.visit(f"{self.base_url}/me")
        assert browser.url.startswith(self.provider.issuer), (browser.trail, browser.page.text[:1000], self.workers.log)
        self.provider.sign_in(browser, person)
        assert (browser.url, browser.page.status_code) == (f"{self.base_url}/me", 200), (browser.trail, self.workers.log)

    async def signed_in(self, lines: list[Line], browser: Browser) -> list[bool]:
        """What each worker says to the cookies of *browser*, wherever they are sent from."""
        answers = [await line.ask("/me", cookies_of(browser)) for line in lines]
        assert all(answer == {"status": 401} or answer["signed_in"] for answer in answers)
        return [answer != {"status": 401} for answer in answers]

    def happened(self, event: str) -> int:
        """How often the provider has told of *event* so far."""
        return self.provider.program.log.splitlines().count(f"{event} ")

    def userinfo(self, token: str) -> httpx.Response:
        return httpx.get(f"{self.provider.issuer}/me", headers={"authorization": f"Bearer {token}"}, trust_env=False, timeout=20)


def cookies_of(browser: Browser) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser._client.cookies.jar if cookie.name.startswith("oidc") and cookie.value)


@pytest.fixture(scope="module")
def places() -> dict[tuple[str, str, str], list[int]]:
    """The ports of each application, known before the provider starts: it has them registered."""
    return {combination: ports_for(combination[0], WORKERS) for combination in COMBINATIONS}


@pytest.fixture(scope="module")
def provider(places) -> Iterator[providers.Node]:
    clients = []
    for (server, mode, names), (port, *_) in places.items():
        url = f"http://127.0.0.1:{port}"
        logout = {"backchannel_logout_uri": f"{url}/oidc/backchannel-logout", "backchannel_logout_session_required": names == "sid"}
        clients.append(providers.client([url], client_id=f"{server}-{mode}", grant_types=["authorization_code", "refresh_token"], **logout))
    with providers.npm([], clients) as node:
        yield node


@pytest.fixture(params=COMBINATIONS, ids="-".join)
def site(request, places, provider, redis_url, tmp_path) -> Iterator[Site]:
    server, mode, _ = request.param
    ports, store = places[request.param], f"{redis_url}?prefix={tmp_path.name}:"
    base_url = f"http://127.0.0.1:{ports[0]}"
    kept = {"store": store, "keep_tokens": "true"} if mode == "store" else {"revocation": store}
    settings = {
        "issuer": provider.issuer,
        "client_id": f"{server}-{mode}",
        "client_secret": providers.CLIENT_SECRET,
        "secret_key": SECRET_KEY,
        "base_url": base_url,
        "public": "/health",
        "scopes": "openid profile offline_access",
        "authorize_params": '{"prompt": "consent"}',  # without it, this provider gives no refresh token (OIDC Core 11)
        **kept,
    }
    clock = SharedClock.create(tmp_path / "clock", None)
    with running(server, ports, WORKERS, clock, settings) as programs:
        yield Site(Workers(programs, WORKERS, clock), provider, base_url)
        for program, _ in programs:
            assert "Traceback" not in program.log, program.log


@pytest.fixture
def browsers() -> Iterator[list[Browser]]:
    """Three people's browsers, or three of one person."""
    made = [Browser() for _ in range(3)]
    yield made
    for browser in made:
        browser.close()


@pytest.mark.row("LT-01", "LT-16", "LO-02")
def test_an_end_at_the_provider_is_the_end_in_every_browser_and_worker(site, browsers, request):
    names = request.node.callspec.params["site"][2]
    browser, second, stranger = browsers
    site.sign_in(browser)
    site.sign_in(second)
    site.sign_in(stranger, "grace")

    async def story():
        async with site.workers.lines(1) as lines:
            for each in browsers:
                assert await site.signed_in(lines, each) == [True] * WORKERS
            before = cookies_of(browser)
            told = site.happened("backchannel.success")
            site.provider.end_session(browser)
            assert site.happened("backchannel.success") == told + 1, site.provider.program.log
            assert cookies_of(browser) == before, "the browser came nowhere near the app"
            site.workers.clock.advance(5)  # as long a worker may believe what it heard about a session in a cookie
            assert await site.signed_in(lines, browser) == [False] * WORKERS
            assert await site.signed_in(lines, second) == [names == "sid"] * WORKERS, "another session of the same person"
            assert await site.signed_in(lines, stranger) == [True] * WORKERS
            time.sleep(1.1)  # noqa: ASYNC251  # a logout counts for what was issued until its second, and nothing else runs here
            site.sign_in(browser)
            assert await site.signed_in(lines, browser) == [True] * WORKERS
            assert "backchannel.error" not in site.provider.program.log, site.provider.program.log

    asyncio.run(story())


@pytest.mark.row("RF-02", "RF-09", "LO-12")
@pytest.mark.parametrize("site", COMBINATIONS[:2], ids="-".join, indirect=True)
def test_tokens_rotate_until_they_are_given_back(site, browsers):
    browser = browsers[0]
    site.sign_in(browser)
    consumed, destroyed, revoked = (site.happened(event) for event in ("refresh_token.consumed", "refresh_token.destroyed", "grant.revoked"))

    async def tokens(lines):
        answers = await asyncio.gather(*(line.ask("/token", cookies_of(browser)) for line in lines))
        found = {answer.get("token") for answer in answers}
        assert len(found) == 1, (answers, site.workers.log)
        return found.pop()

    async def story():
        async with site.workers.lines(10) as lines:
            known = {await tokens(lines)}
            for number in range(1, 4):
                site.workers.clock.advance(31)
                token = await tokens(lines)
                assert token not in known
                known.add(token)
                assert site.userinfo(token).json()["sub"] == "ada"
                assert site.happened("refresh_token.consumed") == consumed + number
            assert site.happened("grant.revoked") == revoked, "no refresh token was used twice"

    asyncio.run(story())
    browser.submit(Form(f"{site.base_url}/oidc/logout", "post"))
    assert browser.url.startswith(site.provider.issuer), (browser.trail, site.workers.log)
    assert (site.happened("refresh_token.consumed"), site.happened("refresh_token.destroyed")) == (consumed + 3, destroyed + 1)
    site.provider.sign_out(browser)
    assert (browser.url.partition("?")[0], browser.page.status_code) == (f"{site.base_url}/oidc/signed-out", 200), browser.trail
    assert "tokens.not_revoked" not in site.workers.log, site.workers.log
    assert "backchannel.error" not in site.provider.program.log, "the provider told us what we knew, and got its 200"
