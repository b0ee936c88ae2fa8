"""WebSockets are refused before they are accepted, unless there is a session and the page that opens them is ours."""

import json

import pytest

from oidc_middleware.testing import run_async
from oidc_middleware.testing.servers import AsgiServer

DENIED = ["websocket.http.response.start", "websocket.http.response.body"]


def types(messages):
    return [message["type"] for message in messages]


def test_with_a_session_it_is_the_apps(asgi_place):
    browser = asgi_place.signed_in()
    messages = browser.websocket("/ws", ["hello", "again"])
    assert types(messages)[:3] == ["websocket.accept", "websocket.send", "websocket.send"]
    assert messages[1]["text"] == "user-subject-1234531 says hello"


@pytest.mark.row("WS-01", "WS-06")
def test_without_a_session_it_is_denied(asgi_place):
    browser = asgi_place.browser()
    for headers in ({}, {"authorization": "Bearer x"}, {"sec-websocket-protocol": "bearer, x"}):
        messages = browser.websocket("/ws", ["hello"], headers=headers)
        assert types(messages) == DENIED
        assert messages[0]["status"] in (401, 403)
        names = [name for name, _ in messages[0]["headers"]]
        assert b"set-cookie" not in names
        assert b"cache-control" in names
    assert asgi_place.diary.calls == []


@pytest.mark.row("WS-02", "WS-10")
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://app.example.com:8443"},
        {"origin": "http://app.example.com"},
        {"origin": "https://sub.app.example.com"},
        {"origin": "https://app.example.com.evil.example"},
        {"origin": ""},
        {"origin": "https://evil.example", "host": "evil.example"},
    ],
)
def test_foreign_pages_are_denied_although_the_cookie_is_good(asgi_place, headers):
    browser = asgi_place.signed_in()
    calls = list(asgi_place.diary.calls)
    messages = browser.websocket("/ws", ["hello"], headers=headers)
    assert types(messages) == DENIED
    assert messages[0]["status"] == 403
    assert json.loads(messages[1]["body"])["code"] == "origin_denied"
    assert asgi_place.diary.calls == calls


@pytest.mark.row("WS-02")
def test_a_further_origin_can_be_admitted(asgi_place):
    asgi_place.app = asgi_place.build(websocket_origins=["https://other.example"])
    browser = asgi_place.signed_in()
    assert types(browser.websocket("/ws", headers={"origin": "https://other.example"}))[0] == "websocket.accept"
    assert types(browser.websocket("/ws", headers={"origin": "https://evil.example"})) == DENIED


@pytest.mark.row("WS-07")
def test_our_own_endpoints_are_no_websockets(asgi_place):
    browser = asgi_place.signed_in()
    for name in ("callback", "login", "logout", "session", ""):
        assert types(browser.websocket(f"/oidc/{name}")) == DENIED
    assert browser.fetch("/who").status == 200


@pytest.mark.in_process
@pytest.mark.row("WS-08")
def test_servers_without_denial_responses_get_a_close(asgi_place):
    browser = asgi_place.browser()
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    prepared = browser.navigate("/oidc/signed-out").sent
    scope = {**AsgiServer(asgi_place.app).scope(prepared, "websocket"), "path": "/ws", "raw_path": b"/ws", "extensions": {}}
    run_async(asgi_place.app(scope, receive, send))
    assert types(sent) == ["websocket.close"]
    assert sent[0]["code"] in (1008, 4401)


@pytest.mark.row("AZ-05", "PA-12")
def test_rules_hold_for_websockets(asgi_place):
    asgi_place.app = asgi_place.build(allow=["boss@example.com"])
    browser = asgi_place.browser()
    browser.login("/who")
    assert types(browser.websocket("/ws")) == DENIED
    assert asgi_place.diary.calls == []
