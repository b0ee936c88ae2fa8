"""Catalogue 2.1, F-OP-16: one connection for the calls of one sign-in, and what a provider that is not well-behaved can do with it."""

import asyncio
import concurrent.futures
import gc
import json
import logging

import pytest

from oidc_middleware.transports.client import MAX_CONCURRENT
from tests.catalogue.helpers import landed, login_url
from tests.catalogue.helpers_wire import WireStage, reset
from tests.conformance.party import DEEP_LINK
from tests.transports.harness import reply


@pytest.fixture(params=["asgi", "wsgi"])
def stage(request, caplog):
    caplog.set_level(logging.DEBUG)
    stage = WireStage(request.param, caplog)
    yield stage
    stage.close()
    gc.collect()
    stage.assert_nothing_leaked()


@pytest.mark.row("F-OP-16", "F-OP-11")
def test_f_op_16_a_sign_in_is_one_connection(stage):
    """The documents have one each; a sign-in has one for code and UserInfo, and the next one has another."""
    stage.accepts()
    assert (stage.wire.calls, stage.wire.server.connections) == (["discovery", "jwks", "token", "userinfo"], 3)
    for _ in range(3):
        stage.accepts()
    assert stage.wire.calls[4:] == ["token", "userinfo"] * 3
    assert stage.wire.server.connections == 6


@pytest.mark.row("F-OP-16", "F-OP-02")
@pytest.mark.parametrize("end", [reset, lambda peer: None], ids=["reset", "closed"])
def test_f_op_16_a_provider_that_hangs_up_on_userinfo_is_asked_once_more(stage, end):
    """Nobody notices but the provider, and no code is sent twice."""
    stage.accepts()
    calls = len(stage.wire.calls)

    def hangs_up(peer, _answer):
        stage.wire.bent.clear()
        end(peer)

    stage.wire.bent["userinfo"] = hangs_up
    stage.accepts()
    assert stage.wire.calls[calls:] == ["token", "userinfo", "userinfo"]
    assert stage.wire.server.connections == 5


@pytest.mark.row("F-OP-16", "UI-01")
@pytest.mark.parametrize("whole", [True, False])
def test_f_op_16_claims_that_come_with_the_tokens_are_not_believed(stage, whole):
    """Response smuggling: an answer that says who the user is, sent before anybody asked. The right ``sub`` is in it."""
    stage.accepts()
    forged = {"sub": stage.provider.user["sub"], "email": "forged@evil.example", "email_verified": True, "name": "Forged"}
    smuggled = reply(json.dumps(forged).encode(), "Content-Type: application/json\r\n")

    def smuggles(peer, answer):
        stage.wire.bent.clear()
        peer.send(answer + (smuggled if whole else smuggled[:-9]))
        peer.wait_for_close()

    stage.wire.bent["token"] = smuggles
    stage.wire.on_accept = lambda peer: setattr(peer, "wait_for_close", peer.read_request)
    browser = stage.browser()
    assert landed(browser.login(DEEP_LINK)) == DEEP_LINK
    assert "forged" not in json.dumps(browser.fetch("/api").json()).lower()
    assert stage.who(browser) == stage.provider.user["sub"]
    assert stage.wire.calls[-2:] == ["token", "userinfo"]
    assert stage.wire.server.connections == 5


@pytest.mark.row("F-OP-16", "F-PR-08")
def test_f_op_16_a_callback_that_is_cancelled_leaves_no_connection(caplog):
    """While UserInfo is asked over the connection of the tokens. Nobody cancels a thread, so this is about ASGI."""
    stage = WireStage("asgi", caplog)
    stage.accepts()
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login(login_url(DEEP_LINK)))
    asked, closed = [], []
    stage.wire.bent["userinfo"] = lambda peer, _answer: (asked.append(1), closed.append(peer.sock.recv(1)))
    plain = stage.app._world.act

    async def act(effect, read_body):
        if getattr(getattr(effect, "request", None), "purpose", "") == "userinfo":
            task = asyncio.current_task()
            asyncio.get_running_loop().call_later(0.2, task.cancel)
        return await plain(effect, read_body)

    stage.app._world.act = act
    with pytest.raises(concurrent.futures.CancelledError):
        browser.deliver(answer)
    stage.app._world.act = plain
    stage.close()  # waits for the provider's threads, which wait for the connection to end
    gc.collect()
    assert (asked, closed) == ([1], [b""])
    own = stage.app._world.transport._process.get_own().slots
    assert own._finishing._value == MAX_CONCURRENT
