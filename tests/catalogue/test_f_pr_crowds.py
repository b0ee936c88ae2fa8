"""F-PR-12 and F-PR-19: ten thousand who begin to sign in, and ten thousand who come back at the same moment."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from oidc_middleware.testing import Sent, run_async
from oidc_middleware.transports import single_flight, slots
from tests.catalogue.helpers import BASE_URL, codes_on, landed
from tests.catalogue.probe import NAVIGATION
from tests.catalogue.scale import scaled

PENDING, HERD = scaled(200, 10_000), scaled(40, 10_000)
#: Requests that a server has under way at once: an event loop any number, threads as many as it was given.
AT_ONCE = {"asgi": 500, "wsgi": 40}


@pytest.mark.soak
@pytest.mark.row("F-PR-12", "DS-02")
@pytest.mark.parametrize("mode", [{}, {"store": "memory://"}, {"revocation": "memory://"}], ids=["cookie", "store", "revocation"])
def test_f_pr_12_logins_under_way_cost_the_server_nothing(stage, mode):
    """One in ten comes back, and each of those signs in: nothing was thrown out to make room."""
    stage.restart(**mode)
    stage.caplog.set_level("ERROR")
    browsers = [stage.browser() for _ in range(PENDING)]
    locations = [browser.start_login(f"/page/{number}") for number, browser in enumerate(browsers)]
    world = stage.app._world
    assert len(world.used) == 0
    assert (stage.app._lane._young, stage.app._lane._old) == ({}, {})
    assert stage.site.sessions._opened.cache_info().currsize == 0
    if mode:
        inner = world.store._store if stage.shell == "asgi" else world.store
        assert [len(shelf) for shelf in (inner._sessions, inner._owners, inner._marks, inner._tombstones)] == [0, 0, 0, 0]
    for number in range(0, PENDING, 10):
        assert landed(browsers[number].finish_login(locations[number])) == f"/page/{number}"
    assert stage.count("token") == PENDING / 10
    assert stage.provider.complaints == []
    if mode:
        assert len(inner._sessions) == (PENDING / 10 if "store" in mode else 0)
        assert len(inner._owners) == PENDING / 10, "each that is used up is remembered until it would have expired"


class Herd:
    """Users with a browser each, all of whose requests are sent at once."""

    def __init__(self, stage, users):
        self.stage, self.server = stage, stage.browser()._sites[0][1]
        self.browsers = [stage.browser() for _ in range(users)]
        self.answers = Counter()

    def _sent(self, browser, url):
        cookie = browser.cookies.header(url, self.stage.clock.now(), top_level_safe=True)
        return Sent("GET", url, headers=(*NAVIGATION.items(), *([("cookie", cookie)] if cookie else [])))

    def open(self, urls):
        """Everybody opens one of *urls* at the same time; the pages, in order."""
        requests = [self._sent(browser, url) for browser, url in zip(self.browsers, urls, strict=True)]
        pages = self._together(requests)
        for browser, page in zip(self.browsers, pages, strict=True):
            browser.cookies.receive(page.sent.url, page.all("set-cookie"), self.stage.clock.now())
        self.answers.update(page.status for page in pages)
        return pages

    def _together(self, requests):
        if self.stage.shell == "wsgi":
            with ThreadPoolExecutor(AT_ONCE["wsgi"]) as pool:
                return list(pool.map(self.server, requests))

        async def all_of_them():
            pages = []
            for start in range(0, len(requests), AT_ONCE["asgi"]):
                pages += await asyncio.gather(*(self.server.call(request) for request in requests[start : start + AT_ONCE["asgi"]]))
            return pages

        return _long(all_of_them())


def _long(work):
    """As :func:`run_async`, for what takes minutes in ``make soak``."""
    from oidc_middleware.testing import servers

    run_async(asyncio.sleep(0))  # so that there is a loop
    return asyncio.run_coroutine_threadsafe(work, servers._LOOP._loop).result(timeout=1_200)


def sign_in(stage, herd, path):
    """Everybody goes through the provider and back."""
    authorizations, tokens = len(stage.provider.authorizations), stage.count("token")
    pages = herd.open([f"{BASE_URL}{path}"] * len(herd.browsers))
    assert Counter(page.status for page in pages) == {302: len(pages)}, codes_on(pages[0])
    answers = [stage.provider.respond(page.location) for page in pages]
    pages = herd.open([answer.url for answer in answers])
    assert Counter(page.status for page in pages) == {303: len(pages)}, Counter(code for page in pages for code in codes_on(page))
    assert len(stage.provider.authorizations) - authorizations == len(pages)
    assert stage.count("token") - tokens == len(pages)
    pages = herd.open([f"{BASE_URL}{path}"] * len(herd.browsers))
    assert Counter(page.status for page in pages) == {200: len(pages)}


@pytest.fixture
def unhurried(monkeypatch):
    """How long a call may take, and when a provider counts as hanging, is another matter: the machine may be busy with other things."""
    for module in (slots, single_flight):
        monkeypatch.setattr(module, "STILL_SECONDS", 600)

    def restart(stage, **options):
        stage.restart(**options)
        monkeypatch.setattr(stage.app._world.transport, "_deadline", 1_200)

    return restart


@pytest.mark.soak
@pytest.mark.row("F-PR-19", "JW-08", "DS-06")
@pytest.mark.parametrize("mode", [{}, {"store": "memory://"}], ids=["cookie", "store"])
def test_f_pr_19_everybody_comes_back_at_once(stage, mode, unhurried):
    """The start, after the weekend with all sessions and all documents out of date, and after an outage: each time one call for each document, and
    of each user one authorization request and one code, however many there are."""
    unhurried(stage, **mode)
    stage.caplog.set_level("CRITICAL")
    stage.provider.claims_in_id_token = True
    herd = Herd(stage, HERD)
    sign_in(stage, herd, "/monday")
    assert (stage.count("discovery"), stage.count("jwks")) == (1, 1)
    stage.clock.advance(3 * 86_400)
    sign_in(stage, herd, "/thursday")
    assert (stage.count("discovery"), stage.count("jwks")) == (2, 2)

    stage.clock.advance(3 * 86_400)
    stage.provider.script("discovery", status=503, body=b"")
    pages = herd.open([f"{BASE_URL}/sunday"] * HERD)
    assert {(page.status, *codes_on(page)) for page in pages} == {(503, "provider_unavailable")}
    assert all(int(page.header("retry-after")) > 0 and page.all("set-cookie") == [] for page in pages)
    assert stage.count("discovery") == 3, "one that found out, for all of them"
    stage.provider.unscript()
    stage.clock.advance(3)
    sign_in(stage, herd, "/sunday")
    assert (stage.count("discovery"), stage.count("jwks")) == (4, 3)
    assert stage.provider.complaints == []
    subjects = Counter(subject for path, subject in stage.seen)
    assert subjects == {stage.provider.user["sub"]: 3 * HERD}


@pytest.mark.row("F-PR-19", "DS-06")
def test_f_pr_19_more_at_once_than_calls_are_made_at_a_time(stage, unhurried):
    """The provider takes its time: whoever has no place yet waits for one, instead of beginning all over again."""
    unhurried(stage)
    stage.caplog.set_level("CRITICAL")
    stage.provider.claims_in_id_token = True
    herd = Herd(stage, 70)
    stage.provider.script("token", delay=0.05)
    sign_in(stage, herd, "/monday")
    assert stage.provider.complaints == []
