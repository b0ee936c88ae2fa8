"""Catalogue 2.1, F-OP, byte by byte: a provider on a real socket that drips, stops in the middle, resets, and closes what it kept open."""

import logging
import time
from dataclasses import replace

import pytest

from oidc_middleware.protocol.messages import HttpRequest
from oidc_middleware.testing.servers import run_async
from oidc_middleware.transports.client import DEADLINE
from tests.catalogue.helpers import codes_on, landed, login_url
from tests.catalogue.helpers_provider import new_lines
from tests.catalogue.helpers_wire import WireStage, raw, reset
from tests.catalogue.scale import SOAK, scaled
from tests.conformance.party import DEEP_LINK
from tests.transports.harness import AMPLE

ENDPOINTS = ["discovery", "jwks", "token", "userinfo"]


@pytest.fixture(params=["asgi", "wsgi"])
def stage(request, caplog):
    caplog.set_level(logging.DEBUG)
    stage = WireStage(request.param, caplog)
    yield stage
    stage.close()
    stage.assert_nothing_leaked()


def attempt(stage):
    """A login from nothing known of the provider: ``(browser, page)``."""
    stage.forget()
    browser = stage.browser()
    return browser, browser.navigate(login_url(DEEP_LINK))


def assert_refused_once(stage, page, browser, written, codes):
    """One page, one line, no session."""
    assert (page.status, *codes_on(page)) in codes
    [line] = written
    assert line.code == codes_on(page)[0]
    assert (page.status == 503) == bool(page.header("retry-after"))
    assert stage.session_of(browser) == {}
    assert all("Max-Age=0" in cookie for cookie in page.all("set-cookie"))


# -- drip -----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-OP-06", "F-OP-05", "DI-06")
@pytest.mark.parametrize("part", ["header", "body", "nothing"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_f_op_06_an_answer_that_drips_meets_the_deadline(stage, endpoint, part):
    """Byte by byte, each well in time, and all of them together not: the deadline is for the call as a whole."""
    _, before = stage.accepts()

    def drips(peer, answer):
        split = {"header": 0, "body": answer.index(b"\r\n\r\n") + 4, "nothing": 0}[part]
        peer.send(answer[:split])
        if part == "nothing":
            peer.wait()
        peer.drip(answer[split:], every=0.05)

    stage.wire.bent[endpoint] = drips
    begin = time.monotonic()
    with new_lines(stage, level="ERROR") as written, stage.hurried(scaled(0.4, DEADLINE)):
        browser, page = attempt(stage)
    assert time.monotonic() - begin <= 10.5 or not SOAK
    assert_refused_once(stage, page, browser, written, {(503, "provider_timeout"), (503, "login_interrupted")})
    assert (codes_on(page) == ["login_interrupted"]) == (endpoint == "token")
    assert stage.who(before) == stage.provider.user["sub"]
    stage.wire.bent.clear()
    stage.clock.advance(5)
    assert landed(stage.browser().login(DEEP_LINK)) == DEEP_LINK


@pytest.mark.row("F-OP-05")
def test_f_op_05_the_deadline_is_for_each_call_and_slow_answers_are_answers(stage):
    """Every endpoint takes its time, all of them together more than one call may take; a day later once more."""
    for endpoint in ENDPOINTS:
        stage.wire.bent[endpoint] = lambda peer, answer: (peer.over.wait(scaled(0.3, 9)), peer.send(answer))
    with stage.hurried(scaled(AMPLE, DEADLINE)):
        for _ in range(2):
            stage.accepts()
            stage.clock.advance(86_400)


# -- half a reply ---------------------------------------------------------------------------------------------------------------------------


def cuts(length, wanted):
    """*wanted* places to cut *length* bytes, both ends and their neighbours among them."""
    return sorted({0, 1, length - 2, length - 1} | {round(number * (length - 1) / wanted) for number in range(wanted)})


@pytest.mark.row("F-OP-08")
@pytest.mark.parametrize("framing", ["length", "chunked", "closed"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_f_op_08_half_a_reply_is_no_reply(stage, endpoint, framing):
    _, before = stage.accepts()
    offset, sizes = 0, []

    def stops(peer, _answer):
        answer = raw(stage.last, framing=framing)
        stage.head = answer.index(b"\r\n\r\n") + 4
        sizes.append(len(answer))
        peer.send(answer[:offset])

    handle = stage.provider._handle

    def remembered(request):
        stage.last = handle(request)
        return stage.last

    stage.provider._handle = remembered
    stage.wire.bent[endpoint] = stops
    attempt(stage)
    length = sizes[0]
    offsets = cuts(length, scaled({"length": 50, "chunked": 12, "closed": 12}[framing], length))
    for offset in offsets:
        stage.clock.advance(1)  # the log admits so many lines a second
        with new_lines(stage, level="ERROR") as written:
            browser, page = attempt(stage)
        assert page.status in (502, 503), offset
        assert_refused_once(stage, page, browser, written, {(page.status, *codes_on(page))})
    # UserInfo goes over the token request's connection. What ends before the header does is asked once more, over a new one.
    repeated = sum(offset < stage.head for offset in [0, *offsets]) if endpoint == "userinfo" else 0
    assert len(sizes) == len(offsets) + 1 + repeated
    assert stage.who(before) == stage.provider.user["sub"]
    stage.wire.bent.clear()
    stage.clock.advance(5)
    assert landed(stage.browser().login(DEEP_LINK)) == DEEP_LINK


@pytest.mark.row("F-OP-08")
@pytest.mark.parametrize("wrong", [-40, -1, 1, 1000])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_f_op_08_a_wrong_content_length(stage, endpoint, wrong):
    def lies(peer, answer):
        head, _, body = answer.partition(b"\r\n\r\n")
        length = f"Content-Length: {len(body)}\r\n".encode()
        assert length in head + b"\r\n"
        peer.send((head + b"\r\n").replace(length, f"Content-Length: {len(body) + wrong}\r\n".encode()) + b"\r\n" + body)

    stage.wire.bent[endpoint] = lies
    with new_lines(stage, level="ERROR") as written:
        browser, page = attempt(stage)
    assert page.status == (502 if wrong < 0 else 503)
    assert_refused_once(stage, page, browser, written, {(page.status, *codes_on(page))})


# -- reset during the exchange ---------------------------------------------------------------------------------------------------------------


def reset_at(stage, moment):
    """The connection of the token request breaks at *moment*."""
    if moment == "before send":
        return reset
    stage.wire.bent["token"] = {
        "after send": lambda peer, _answer: reset(peer),
        "after headers": lambda peer, answer: (peer.send(answer[: answer.index(b"\r\n\r\n") + 4]), reset(peer)),
        "in the body": lambda peer, answer: (peer.send(answer[:-5]), reset(peer)),
    }[moment]
    return None


@pytest.mark.row("F-OP-09", "DI-09", "CI-02")
@pytest.mark.parametrize("moment", ["before send", "after send", "after headers", "in the body"])
def test_f_op_09_a_reset_in_the_exchange_costs_one_click(stage, moment):
    _, before = stage.accepts()
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login(login_url(DEEP_LINK)))
    stage.wire.on_accept = reset_at(stage, moment)
    tokens, connections = stage.wire.calls.count("token"), stage.wire.server.connections
    with new_lines(stage, level="ERROR") as written:
        page = browser.deliver(answer)
    code = codes_on(page)[0]
    # A reset can be quicker than our first byte. Then nothing was sent, and the page says so.
    assert code == "login_interrupted" or (code, moment) == ("provider_unreachable", "before send")
    assert ("The sign-in was interrupted." in page.text) == (code == "login_interrupted")
    assert_refused_once(stage, page, browser, written, {(503, code)})
    retry = stage._retry_link(page)
    assert stage.wire.server.connections == connections + 1, "one attempt"
    assert stage.wire.calls.count("token") - tokens == (moment != "before send")
    stage.wire.bent.clear()
    stage.wire.on_accept = None
    again = browser.deliver(answer)
    assert (again.status, codes_on(again)) == (400, ["no_transaction"]), "the code is not sent a second time"
    assert stage.wire.server.connections == connections + 1
    asked = len(stage.provider.authorizations)
    assert landed(browser.navigate(retry, initiator=page.url)) == DEEP_LINK
    assert len(stage.provider.authorizations) == asked + 1, "one round trip, and nobody types anything"
    assert stage.who(before) == stage.provider.user["sub"]


@pytest.mark.row("F-OP-09", "DI-09")
def test_f_op_09_a_refused_connection_is_no_interrupted_exchange(stage):
    stage.accepts()
    other = WireStage(stage.shell, stage.caplog)
    closed = other.wire.issuer
    other.close()
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login(login_url(DEEP_LINK)))
    stage.rp.provider.metadata.value = replace(stage.rp.provider.metadata.value, token_endpoint=f"{closed}/token")
    page, retry = stage.assert_refused(lambda: browser.deliver(answer), browser, code="provider_unreachable", status=503)
    stage.forget()
    assert stage.wire.calls.count("token") == 1
    assert landed(browser.navigate(retry, initiator=page.url)) == DEEP_LINK


# -- kept connections -------------------------------------------------------------------------------------------------------------------------


def call(stage, *requests):
    """The statuses (or the errors) of *requests*, one after the other, by the middleware's own client."""
    http = stage.app._world.transport

    async def each():
        return [(await http.send(request)).status for request in requests]

    return run_async(each()) if stage.shell == "asgi" else [http.send(request).status for request in requests]


@pytest.mark.row("F-OP-16", "F-OP-11")
@pytest.mark.parametrize("keep_alive", [True, False])
def test_f_op_16_a_provider_that_closes_what_it_kept_open_is_never_noticed(stage, keep_alive):
    """No call goes over a connection that may just be closing: not a code, which could not be sent again, and nothing else."""
    stage.wire.keep_alive = keep_alive
    rounds, count = scaled(12, 500), 10
    requests = [
        HttpRequest("token", "POST", f"{stage.wire.issuer}/token", {"content-type": "application/x-www-form-urlencoded"}, b"grant_type=x"),
        HttpRequest("discovery", "GET", f"{stage.wire.issuer}/.well-known/openid-configuration"),
    ]
    for _ in range(rounds):
        assert set(call(stage, *requests * count)) <= {200, 400, 401}
    assert len(stage.wire.calls) == stage.wire.server.connections == 2 * count * rounds


@pytest.mark.row("F-OP-16", "F-OP-02")
def test_f_op_16_logins_at_a_provider_that_closes_at_once(stage):
    stage.wire.keep_alive = False
    for _ in range(scaled(20, 1_000)):
        stage.accepts()
        stage.clock.advance(1)
    assert stage.provider.complaints == []
