"""Catalogue F-OP-02: a process that heard that the provider is away sends nobody there, and finds it back as soon as somebody wants to sign in."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from oidc_middleware.flows.patience import TRIAL_SECONDS
from tests.catalogue.helpers import BASE_URL, landed, login_url
from tests.catalogue.helpers_provider import assert_503, down, found_again
from tests.conformance.party import DEEP_LINK
from tests.conformance.tokens import LIFE, keeps_tokens, signed_in, token_of

BLIP = {"raises": httpx.ReadTimeout("slow"), "times": 1}


@pytest.fixture
def away(stage):
    """``(stage, somebody who is signed in, how often the metadata were asked for)``: the last call to the provider, for a code, came to nothing."""
    stage.restart(registration={"end_session": True})
    stage.provider.code_lifetime = 600
    _, browser = stage.accepts()
    begun = stage.browser()
    answer = stage.provider.respond(begun.start_login(login_url(DEEP_LINK)))
    down(stage.provider)
    assert begun.deliver(answer).status == 503
    return stage, browser, stage.count("discovery")


@pytest.mark.row("F-OP-02", "F-OP-01")
def test_f_op_02_nobody_is_sent_to_a_provider_that_is_away(away):
    stage, browser, asked = away
    stranger, token_calls = stage.browser(), stage.count("token")
    for _ in range(300):  # half a minute of visitors
        assert_503(stranger.navigate(DEEP_LINK), code="provider_unreachable")
        stage.clock.advance(0.1)
    assert_503(stranger.navigate("/oidc/login?return_to=/deep"), code="provider_unreachable")
    page = stranger.post_form("/oidc/initiate", {"iss": stage.provider.issuer, "target_link_uri": BASE_URL + "/deep"})
    assert_503(page, code="provider_unreachable")
    assert stranger.fetch("/api").status == 401
    assert len(stranger.cookies) == 0
    assert 12 <= stage.count("discovery") - asked <= 16, "one call every two seconds, for all who come"
    assert stage.count("token") == token_calls
    assert stage.who(browser) == stage.provider.user["sub"], "who is signed in notices nothing"
    assert browser.post_form("/oidc/logout", follow=False).location.startswith(stage.provider.issuer), "what is known of the provider is good"
    stage.assert_nothing_leaked()


@pytest.mark.row("F-OP-02", "F-OP-01", "F-PR-19")
def test_f_op_02_a_provider_that_is_back_is_found_within_five_seconds(away):
    stage, _, _ = away
    browser = stage.browser()
    assert_503(browser.navigate(DEEP_LINK))
    asked = stage.count("discovery")
    location = found_again(stage, browser, DEEP_LINK)
    for _ in range(10):
        stage.accepts()
        stage.clock.advance(1)
    assert landed(browser.finish_login(location)) == DEEP_LINK
    assert stage.count("discovery") == asked + 1, "found once, for all"


@pytest.mark.row("F-OP-02", "F-PR-19")
def test_f_op_02_a_crowd_that_comes_back_at_once_costs_one_call(away):
    stage, _, asked = away
    stage.provider.unscript()
    browsers, gate = [stage.browser() for _ in range(12)], threading.Event()
    stage.provider.script("discovery", gate=gate)
    with ThreadPoolExecutor(len(browsers)) as pool:
        pages = [pool.submit(browser.navigate, DEEP_LINK, follow=False) for browser in browsers]
        while stage.count("discovery") == asked:
            assert not any(page.done() for page in pages)
        gate.set()
        assert [page.result(60).status for page in pages] == [302] * len(browsers)
    assert stage.count("discovery") == asked + 1


@pytest.mark.row("F-OP-02", "F-OP-05")
def test_f_op_02_while_one_looks_others_hear_the_last_word(away):
    """The provider lets connections hang: one visitor finds out, from the first on."""
    stage, _, asked = away
    gate = threading.Event()
    stage.provider.unscript()
    stage.provider.script("discovery", gate=gate)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(stage.browser().navigate, DEEP_LINK, follow=False)
        while stage.count("discovery") == asked:
            assert not first.done()
        stage.clock.advance(0.5)
        for _ in range(20):
            assert_503(stage.browser().navigate(DEEP_LINK), code="provider_unreachable")
        assert not first.done()
        gate.set()
        assert first.result(60).status == 302
    assert stage.count("discovery") == asked + 1


@pytest.mark.row("F-OP-02", "F-OP-05")
def test_f_op_02_one_call_that_came_to_nothing_stops_nobody(stage):
    """Nobody waits for time to pass: the next one looks, and goes. A thousand such calls cost one look every two seconds."""
    stage.accepts()
    asked = stage.count("discovery")
    for number in range(40):
        browser = stage.browser()
        location = browser.start_login(login_url(DEEP_LINK))
        stage.provider.script("token", **BLIP)
        assert browser.finish_login(location).status == 503
        stage.clock.advance(0.1)
        assert stage.browser().navigate(DEEP_LINK, follow=False).status == 302, number
    assert 2 <= stage.count("discovery") - asked <= 3
    stage.accepts()


@pytest.mark.row("F-OP-02", "F-OP-03")
@pytest.mark.parametrize("fault", [{"status": 500, "body": b""}, {"status": 404, "body": b"no"}, {"status": 200, "body": b"<html>"}])
def test_f_op_02_a_provider_whose_documents_are_broken_is_there(stage, fault):
    stage.accepts()
    stage.provider.script("discovery", **fault)
    begun = stage.browser()
    location = begun.start_login(login_url(DEEP_LINK))
    stage.provider.script("token", **BLIP)
    assert begun.finish_login(location).status == 503
    for _ in range(5):
        stage.accepts()
        stage.clock.advance(3)


@pytest.mark.row("F-OP-02", "F-OP-03")
def test_f_op_03_documents_that_are_away_and_one_call_that_failed_lock_nobody_out(stage):
    """Who is under way comes back, and its call shows that the provider works. With nobody under way one is sent there within a minute."""
    stage.provider.code_lifetime = 600
    stage.accepts()
    begun, other = stage.browser(), stage.browser()
    answers = [stage.provider.respond(browser.start_login(login_url(DEEP_LINK))) for browser in (begun, other)]
    down(stage.provider, "discovery")
    stage.provider.script("token", **BLIP)
    assert begun.deliver(answers[0]).status == 503
    assert_503(stage.browser().navigate(DEEP_LINK), code="provider_unreachable")
    assert landed(other.deliver(answers[1])) == DEEP_LINK
    stage.accepts()

    stage.provider.script("token", **BLIP)
    begun = stage.browser()
    assert begun.finish_login(begun.start_login(DEEP_LINK)).status == 503
    stage.clock.advance(TRIAL_SECONDS - 1)
    assert_503(stage.browser().navigate(DEEP_LINK), code="provider_unreachable")
    stage.clock.advance(1)
    tries = stage.browser()
    location = tries.start_login(DEEP_LINK)
    assert_503(stage.browser().navigate(DEEP_LINK), code="provider_unreachable")
    assert landed(tries.finish_login(location)) == DEEP_LINK
    stage.accepts()


@pytest.mark.row("F-OP-02", "RF-06", "LO-12")
@pytest.mark.parametrize("endpoint", ["refresh", "userinfo", "revocation"])
def test_f_op_02_any_call_tells(stage, endpoint):
    keeps_tokens(stage, registration={"revocation": True})
    browser, token = signed_in(stage)
    begun = stage.browser()
    location = begun.start_login(DEEP_LINK)
    stranger = stage.browser()
    assert stranger.navigate(DEEP_LINK, follow=False).status == 302
    asked = stage.count("discovery")
    if endpoint == "userinfo":
        down(stage.provider, "discovery", "userinfo")
        begun.finish_login(location, follow=False)
    elif endpoint == "revocation":
        down(stage.provider, "discovery", "revocation")
        assert browser.post_form("/oidc/logout", follow=False).status == 303
    else:
        down(stage.provider)
        stage.clock.advance(LIFE - 50)
        assert token_of(browser)["token"] == token
    assert stage.count("discovery") == asked
    assert_503(stranger.navigate(DEEP_LINK), code="provider_unreachable")
    assert stage.count("discovery") == asked + 1
    stage.provider.unscript()
    stage.clock.advance(2)
    assert stranger.login(DEEP_LINK).status == 200
    stage.assert_nothing_leaked()
