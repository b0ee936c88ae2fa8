"""WebSockets (catalogue 1.13; the rows about open sockets come with server-side sessions)."""

import pytest

from oidc_middleware.testing import run_async
from tests.catalogue.helpers import Stage
from tests.catalogue.probe import probe, signed_in


@pytest.fixture
def stage(caplog):
    return Stage("asgi", caplog)


def assert_refused(messages, calls, status=403):
    assert [message["type"] for message in messages] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert messages[0]["status"] == status
    names = {name for name, _ in messages[0]["headers"]}
    assert b"set-cookie" not in names
    assert {b"cache-control", b"referrer-policy", b"x-content-type-options"} <= names
    assert calls == []


@pytest.mark.row("WS-01")
def test_ws_01_without_a_session_the_handshake_is_refused(stage):
    calls = probe(stage)
    assert_refused(stage.browser().websocket("/ws"), calls)
    browser = signed_in(stage)
    assert browser.websocket("/ws")[0]["type"] == "websocket.accept"
    assert calls[-1].user.identity == stage.provider.user["sub"]
    assert "authenticated" in calls[-1].raw["auth"].scopes


@pytest.mark.row("WS-02", "WS-10")
@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "https://app.example.com:444", "http://app.example.com", "https://sub.app.example.com", "https://app.example.com.evil",
     "https://APP.example.com", "https://app.example.com/", ""],
)  # fmt: skip
def test_ws_02_a_foreign_origin_does_not_ride_on_the_session(stage, origin):
    calls = probe(stage)
    browser = signed_in(stage)
    calls.clear()
    assert_refused(browser.websocket("/ws", headers={"origin": origin}), calls)
    assert browser.websocket("/ws")[0]["type"] == "websocket.accept", "the session is untouched"


@pytest.mark.row("WS-02")
def test_ws_02_an_origin_may_be_allowed(stage):
    probe(stage, websocket_origins=["https://portal.example.com"])
    browser = signed_in(stage)
    assert browser.websocket("/ws", headers={"origin": "https://portal.example.com"})[0]["type"] == "websocket.accept"
    assert browser.websocket("/ws", headers={"origin": "https://other.example.com"})[0]["type"] == "websocket.http.response.start"


@pytest.mark.row("WS-07")
@pytest.mark.parametrize("path", ["/oidc/callback?code=x&state=y", "/oidc/logout", "/oidc", "/oidc/unknown"])
def test_ws_07_our_endpoints_are_no_websockets(stage, path):
    calls = probe(stage, public=["/ws"])
    for browser in (stage.browser(), signed_in(stage)):
        calls.clear()
        assert_refused(browser.websocket(path), calls, 404)
    assert browser.websocket("/ws")[0]["type"] == "websocket.accept"


@pytest.mark.row("WS-08")
def test_ws_08_a_server_without_denial_responses_is_told_to_close(stage):
    calls = probe(stage)
    sent = []
    scope = {"type": "websocket", "path": "/ws", "raw_path": b"/ws", "query_string": b"", "headers": [(b"host", b"app.example.com")], "scheme": "wss"}

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    run_async(stage.app(scope, receive, send))
    assert sent == [{"type": "websocket.close", "code": 4401, "reason": ""}]
    sent.clear()
    run_async(stage.app({**scope, "path": "/oidc/login"}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]

    async def gone():
        return {"type": "websocket.disconnect"}

    sent.clear()
    run_async(stage.app(scope, gone, send))
    assert (sent, calls) == ([], [])


@pytest.mark.row("AZ-04", "WS-01")
def test_ws_01_the_rules_hold_for_websockets(stage):
    calls = probe(stage, allow=lambda user: False)
    browser = stage.browser()
    browser.login("/x")
    assert_refused(browser.websocket("/ws"), calls)
