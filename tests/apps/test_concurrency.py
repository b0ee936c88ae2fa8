"""Many at once: one callback in two tabs, a whole office after the weekend."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.apps.kit import BASE_URL
from tests.conformance.party import shown


def at_once(*steps):
    """Run all *steps* in threads of their own (the ASGI apps share one event loop all the same); their results in order."""
    with ThreadPoolExecutor(len(steps)) as pool:
        return [future.result() for future in [pool.submit(step) for step in steps]]


@pytest.mark.row("CI-02", "ST-06", "DS-05")
def test_one_callback_opened_twice_at_once_redeems_its_code_once(place):
    browser = place.browser()
    answer = place.provider.respond(browser.start_login("/deep/x"))
    place.provider.script("token", delay=0.05)
    twins = [browser.twin() for _ in range(8)]
    pages = at_once(*(lambda twin=twin: twin.deliver(answer, follow=False) for twin in twins))
    seen = Counter((shown(page, twin)[1].status, page.location == BASE_URL + "/deep/x") for page, twin in zip(pages, twins, strict=True))
    assert seen == {(303, True): 1, (400, False): 7}
    assert len(place.provider.received("token")) == 1
    assert place.provider.complaints == []
    assert sorted(twin.fetch("/who").status for twin in twins) == [200] + [401] * 7


@pytest.mark.row("JW-08", "F-PR-19", "DS-06")
def test_a_cold_start_asks_the_provider_once(place):
    for endpoint in ("discovery", "jwks"):
        place.provider.script(endpoint, delay=0.05)
    browsers = [place.browser() for _ in range(15)]
    locations = at_once(*(lambda browser=browser: browser.start_login("/who") for browser in browsers))
    assert len(place.provider.received("discovery")) == 1
    pages = at_once(*(lambda pair=pair: pair[0].finish_login(pair[1]) for pair in zip(browsers, locations, strict=True)))
    assert [page.status for page in pages] == [200] * 15
    assert len(place.provider.received("jwks")) == 1
    assert len(place.provider.received("token")) == 15
    assert place.provider.complaints == []


@pytest.mark.row("DS-06", "F-OP-05")
def test_a_slow_provider_holds_up_nobody_who_is_signed_in(place):
    signed_in = place.signed_in()
    waiting = [place.browser() for _ in range(6)]
    answers = [place.provider.respond(browser.start_login("/who")) for browser in waiting]
    gate = threading.Event()
    place.provider.script("token", gate=gate)
    asked = len(place.provider.received("token"))
    with ThreadPoolExecutor(len(waiting)) as pool:
        logins = [pool.submit(browser.deliver, answer) for browser, answer in zip(waiting, answers, strict=True)]
        while len(place.provider.received("token")) < asked + len(waiting):
            assert not any(login.done() for login in logins)
        pages = [signed_in.fetch("/who") for _ in range(50)]
        assert not any(login.done() for login in logins)
        gate.set()
        assert [login.result().status for login in logins] == [200] * 6
    assert [page.status for page in pages] == [200] * 50


@pytest.mark.row("AS-04", "SF-04")
def test_identities_do_not_mix(place):
    browsers = {}
    for number in range(6):
        place.provider.user = {**place.provider.user, "sub": f"user-{number}"}
        browsers[f"user-{number}"] = place.signed_in()
    names = list(browsers) * 20
    pages = at_once(*(lambda name=name: browsers[name].twin().fetch(f"/deep/{name}") for name in names[:60]))
    assert [page.json()["sub"] for page in pages] == names[:60]
    assert {page.url for page in pages} == {f"{BASE_URL}/deep/{name}" for name in browsers}
