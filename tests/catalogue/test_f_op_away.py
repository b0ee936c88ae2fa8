"""Catalogue 2.1, F-OP: the provider is away, slow, or asks for patience. Who is signed in notices nothing, and nobody else gets in."""

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import pairwise

import httpx
import pytest

from oidc_middleware.flows.remembered import WAITING_THREADS
from oidc_middleware.transports import client as transport
from oidc_middleware.transports import single_flight
from tests.catalogue.helpers import assert_strict, codes_on, landed, login_url
from tests.catalogue.helpers_provider import Crowd, assert_503, down, found_again, lines, new_lines
from tests.catalogue.scale import scaled
from tests.conformance.party import DEEP_LINK
from tests.conformance.tokens import EXPIRED, LIFE, keeps_tokens, refreshes, signed_in, token_of

CROWD, REFRESHING = 1_000, scaled(100, 1_000)
HOUR = 3600


# -- away at the start ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-OP-01")
def test_f_op_01_the_app_starts_and_finds_the_provider_when_it_is_there(stage):
    stage.restart(public=["/open/*"])
    down(stage.provider)
    browser = stage.browser()
    assert browser.navigate("/open/page").status == 200
    assert stage.provider.requests == [], "nothing is asked before somebody has to sign in"
    for _ in range(50):
        page = browser.navigate(DEEP_LINK)
        assert_503(page, code="provider_unreachable")
        assert_strict(page)
    assert browser.fetch("/api").status == 401
    assert browser.navigate("/open/page").status == 200
    assert stage.count("discovery") == 1, "the first failure is everybody's answer: no later one waits for a connection"
    assert stage.seen == [("/open/page", ""), ("/open/page", "")]
    assert len(browser.cookies) == 0
    stage.assert_nothing_leaked()


@pytest.mark.row("F-OP-01")
def test_f_op_01_an_outage_costs_a_call_every_two_seconds_and_ends_within_five(stage):
    down(stage.provider)
    browser, asked = stage.browser(), 0
    for _ in range(300):  # half a minute of visitors
        assert_503(browser.navigate(DEEP_LINK), code="provider_unreachable")
        stage.clock.advance(0.1)
    asked = stage.count("discovery")
    assert 5 <= asked <= 16
    location = found_again(stage, browser, DEEP_LINK)
    assert stage.count("discovery") == asked + 1
    assert landed(browser.finish_login(location)) == DEEP_LINK


@pytest.mark.row("F-OP-01", "F-OP-05")
def test_f_op_01_while_one_asks_again_nobody_else_waits(stage):
    """A provider that lets connections hang: one visitor finds out, the others hear what the last attempt ended with."""
    down(stage.provider, "discovery")
    browser = stage.browser()
    assert_503(browser.navigate(DEEP_LINK), code="provider_unreachable")
    stage.provider.unscript()
    gate = threading.Event()
    stage.provider.script("discovery", gate=gate)
    stage.clock.advance(2.1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(browser.navigate, DEEP_LINK, follow=False)
        while stage.count("discovery") < 2:
            assert not first.done()
        stage.clock.advance(0.5)  # who comes in the very moment waits with the first (catalogue F-PR-19)
        for _ in range(20):
            assert_503(stage.browser().navigate(DEEP_LINK), code="provider_unreachable")
        assert not first.done()
        assert stage.count("discovery") == 2
        gate.set()
        assert first.result(60).status == 302
        assert stage.count("discovery") == 2
    assert landed(stage.browser().login(DEEP_LINK)) == DEEP_LINK


@pytest.mark.row("F-OP-05", "DS-06")
def test_f_op_05_a_provider_silent_from_the_start_leaves_threads_for_others(stage, monkeypatch):
    """Under ASGI whoever waits holds up nobody, so all of them wait. A thread that waits serves nobody else: some do, the others hear so at once."""
    monkeypatch.setattr(single_flight, "STILL_SECONDS", 0.2)
    gate, strangers = threading.Event(), 2 * WAITING_THREADS
    stage.provider.script("discovery", gate=gate)
    with ThreadPoolExecutor(strangers) as pool:
        waiting = [pool.submit(stage.browser().navigate, DEEP_LINK, follow=False) for _ in range(strangers)]
        done = as_completed(waiting)
        refused = [next(done) for _ in range(0 if stage.shell == "asgi" else strangers - 1 - WAITING_THREADS)]
        assert len([answer for answer in waiting if answer.done()]) == len(refused)
        for answer in refused:
            assert_503(answer.result(), code="provider_busy")
        gate.set()
        assert [answer.result(60).status for answer in waiting if answer not in refused] == [302] * (strangers - len(refused))
    assert stage.count("discovery") == 1
    assert landed(stage.browser().login(DEEP_LINK)) == DEEP_LINK
    stage.assert_nothing_leaked()


@pytest.mark.row("F-OP-05", "F-OP-03")
@pytest.mark.parametrize("document", ["discovery", "jwks"])
def test_f_op_05_who_has_a_copy_does_not_wait_for_a_new_one(stage, document):
    stage.accepts()
    stage.clock.advance(HOUR + 1)
    gate = threading.Event()
    stage.provider.script(document, gate=gate)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(stage.browser().login, DEEP_LINK)
        while stage.count(document) < 2:
            assert not first.done()
        for _ in range(3):
            assert landed(stage.browser().login(DEEP_LINK)) == DEEP_LINK
        assert not first.done()
        gate.set()
        assert landed(first.result(60)) == DEEP_LINK
    assert stage.count(document) == 2


# -- away later -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-OP-02")
@pytest.mark.parametrize("kept", [{}, {"store": "memory://"}], ids=["cookies", "store"])
def test_f_op_02_everybody_stays_signed_in_for_as_long_as_the_session_lives(stage, kept):
    stage.kept = kept
    stage.restart(session_lifetime=3 * HOUR, idle_timeout=2 * HOUR)
    _, browser = stage.accepts()
    crowd = Crowd(stage, browser, CROWD)
    down(stage.provider)
    before, seen = len(stage.provider.requests), len(stage.seen)
    assert crowd.all_signed_in()
    stage.clock.advance(2 * HOUR - 60)
    assert crowd.all_signed_in(), "the provider's documents are old by now, and nobody needs them"
    assert len(stage.provider.requests) == before
    stage.clock.advance(HOUR - 60)
    assert crowd.all_signed_in()
    assert len(stage.seen) == seen + 3 * CROWD
    stage.clock.advance(121)
    assert {page.status for page in crowd.ask("/api")} == {401}, "their time is up, provider or not"
    assert not lines(stage, level="ERROR")
    stage.assert_nothing_leaked()


@pytest.mark.row("F-OP-02")
def test_f_op_02_new_logins_are_told_to_come_again(stage):
    """Under way: the code cannot be redeemed. In a new process: nobody is sent to a provider that is away. After a day: nor by an old one."""
    stage.accepts()
    begun, late = stage.browser(), stage.browser()
    answer = stage.provider.respond(begun.start_login(login_url(DEEP_LINK)))
    down(stage.provider)
    page, _ = stage.assert_refused(lambda: begun.deliver(answer), begun, code="provider_unreachable", status=503)
    assert page.header("retry-after")
    assert_503(stage.browser(stage.worker()).navigate(DEEP_LINK), code="provider_unreachable")
    stage.clock.advance(24 * HOUR)
    assert_503(late.navigate(DEEP_LINK), code="provider_unreachable")
    stage.provider.unscript()
    stage.clock.advance(30)
    stage.accepts(late)


@pytest.mark.row("F-OP-02", "RF-06")
def test_f_op_02_tokens_that_cannot_be_refreshed_end_no_session_and_make_a_line_a_minute(stage):
    keeps_tokens(stage, idle_timeout=2 * HOUR)
    browser, _ = signed_in(stage)
    crowd = Crowd(stage, browser, REFRESHING)
    down(stage.provider)
    stage.clock.advance(LIFE - 50)
    warned = []
    for _ in range(7):  # three and a half minutes
        with new_lines(stage, event="tokens.not_refreshed") as written:
            pages = crowd.ask("/token")
        assert {page.status for page in pages} == {200}
        warned += [(stage.clock.now(), record) for record in written]
        stage.clock.advance(31)
    assert 3 <= len(warned) <= 4
    assert all(later[0] - earlier[0] >= 60 for earlier, later in pairwise(warned))
    assert {record.levelname for _, record in warned} == {"WARNING"}
    assert "suppressed=" in warned[1][1].getMessage()
    assert crowd.all_signed_in()
    assert token_of(browser)["kind"] == "Unavailable"
    stage.provider.unscript()
    assert browser.fetch("/api").status == 200
    stage.clock.advance(31)
    assert "token" in token_of(browser), "it goes on where it stopped"
    stage.assert_nothing_leaked()


@pytest.mark.row("F-OP-04", "JW-02")
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 500, "body": b""}, "provider_unavailable"),
        ({"raises": httpx.ReadTimeout("slow")}, "provider_timeout"),
        ({"raises": httpx.ConnectError("refused")}, "provider_unreachable"),
    ],
)
def test_f_op_04_without_keys_no_code_is_spent(stage, fault, code):
    """The code is not sent to learn that nobody could check the answer: the same answer is good later, and so is the link to start again."""
    down(stage.provider, "jwks", **fault)
    patient, impatient = stage.browser(), stage.browser()
    answers = [stage.provider.respond(browser.start_login(DEEP_LINK)) for browser in (patient, impatient)]
    page = patient.deliver(answers[0])
    assert_503(page, code=code)
    assert_strict(page)
    other, retry = stage.assert_refused(lambda: impatient.deliver(answers[1]), impatient, code=code, status=503)
    assert (stage.count("token"), stage.count("jwks")) == (0, 1)
    stage.provider.unscript()
    stage.clock.advance(5)
    assert landed(patient.deliver(answers[0])) == DEEP_LINK
    assert landed(impatient.navigate(retry, initiator=other.url)) == DEEP_LINK
    assert stage.provider.complaints == []
    stage.assert_nothing_leaked(page)


# -- slow -----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-OP-05")
def test_f_op_05_the_limits_are_ten_and_three_seconds(stage):
    http = stage.app._world.transport
    http = getattr(http, "_http", http)
    assert (http._deadline, http._connect) == (transport.DEADLINE, transport.CONNECT) == (10.0, 3.0)


@pytest.mark.row("F-OP-05", "DS-06")
@pytest.mark.parametrize("endpoint", ["discovery", "jwks", "token", "userinfo"])
@pytest.mark.parametrize("kept", [{}, {"store": "memory://"}], ids=["cookies", "store"])
def test_f_op_05_a_hanging_endpoint_holds_up_nobody_who_is_signed_in(stage, kept, endpoint):
    """No lock, no thread and no connection is shared with a request that needs none of the provider."""
    stage.kept = kept
    stage.restart()
    _, browser = stage.accepts()
    stage.clock.advance(HOUR - 60)
    assert browser.fetch("/api").status == 200
    stage.clock.advance(120)  # the documents are due
    gate = threading.Event()
    stage.provider.script(endpoint, gate=gate)
    asked = stage.count(endpoint)
    with ThreadPoolExecutor(4) as pool:
        logins = [pool.submit(stage.browser().login, DEEP_LINK) for _ in range(4)]
        while stage.count(endpoint) == asked:
            assert not all(login.done() for login in logins)
        for _ in range(50):
            assert browser.fetch("/api").status == 200
        gate.set()
        assert [landed(login.result(60)) for login in logins] == [DEEP_LINK] * 4


# -- asks for patience ----------------------------------------------------------------------------------------------------------------------

WAITS = [({}, 5), ({"retry-after": "17"}, 17), ({"retry-after": "1000000000"}, 300),
         ({"date": "Mon, 01 Jan 2029 00:00:00 GMT", "retry-after": "Mon, 01 Jan 2029 00:01:30 GMT"}, 90)]  # fmt: skip


@pytest.mark.row("F-OP-07")
@pytest.mark.parametrize(("headers", "seconds"), WAITS)
@pytest.mark.parametrize("endpoint", ["discovery", "jwks", "token", "userinfo"])
def test_f_op_07_one_call_until_the_time_the_provider_named(stage, endpoint, headers, seconds):
    _, browser = stage.accepts()
    stage.provider.code_lifetime = 600
    begun, stranger = stage.browser(), stage.browser()
    answer = stage.provider.respond(begun.start_login(login_url(DEEP_LINK)))
    waiting = [stage.browser() for _ in range(3)]
    answers = [stage.provider.respond(one.start_login(login_url(DEEP_LINK))) for one in waiting]
    if endpoint in ("discovery", "jwks"):
        getattr(stage.rp.provider, {"discovery": "metadata", "jwks": "keys"}[endpoint]).value = None
    stage.provider.script(endpoint, status=429, body=b"slow down", headers={"content-type": "text/plain", **headers})
    asked = stage.count(endpoint)
    for number in range(4):
        page = begun.deliver(answer) if number == 0 else waiting[number - 1].deliver(answers[number - 1])
        assert (page.status, page.header("retry-after"), codes_on(page)) == (503, str(seconds), ["provider_throttled"])
        page = stranger.navigate(DEEP_LINK, follow=False)
        if endpoint == "jwks":
            assert page.status == 302, "going there needs no keys"
        else:
            assert_503(page, code="provider_throttled", retry_after=seconds)
        assert browser.fetch("/api").status == 200
        stage.clock.advance((seconds - 1) / 4)
    assert stage.count(endpoint) == asked + 1
    stage.provider.unscript()
    stage.clock.advance(2)
    assert landed(waiting[2].deliver(answers[2])) == DEEP_LINK, "nothing was sent for those who came too early: the same answer is good"
    stage.accepts(stranger)
    assert stage.who(browser) == stage.provider.user["sub"]
    stage.assert_nothing_leaked()


@pytest.mark.row("F-OP-07", "RF-06")
def test_f_op_07_refreshing_tokens_keeps_to_it_as_well(stage):
    keeps_tokens(stage)
    users = [signed_in(stage) for _ in range(4)]
    stage.provider.script("token", status=429, body=b"", headers={"retry-after": "120"})
    stage.clock.advance(LIFE - 50)
    for browser, first in users:
        assert token_of(browser)["token"] == first, "it is still good"
    assert refreshes(stage) == 1
    stage.clock.advance(51)
    assert {token_of(browser)["error"] for browser, _ in users} <= {"provider_throttled", EXPIRED["error"]}
    assert refreshes(stage) == 1
    assert_503(stage.browser().navigate(DEEP_LINK), code="provider_throttled", retry_after=120)
    assert [browser.fetch("/api").status for browser, _ in users] == [200] * 4
    stage.provider.unscript()
    stage.clock.advance(70)
    assert all("token" in token_of(browser) for browser, _ in users)


@pytest.mark.row("F-OP-07", "DI-08")
def test_f_op_07_a_server_error_that_names_a_time_is_left_alone_too(stage):
    stage.provider.script("token", status=503, body=b"", headers={"retry-after": "120"})
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login(DEEP_LINK))
    page = browser.deliver(answer)
    assert (page.status, codes_on(page), page.header("retry-after")) == (503, ["provider_unavailable"], "120")
    for _ in range(3):
        assert_503(browser.navigate(DEEP_LINK), code="provider_unavailable", retry_after=120)
    assert stage.count("token") == 1
    stage.provider.unscript()
    stage.clock.advance(121)
    stage.accepts(browser)
