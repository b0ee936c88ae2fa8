"""The browser: the same behaviour in front of an ASGI and a WSGI app."""

import json

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute

from oidc_middleware.testing import Browser, FakeClock, TooManyRedirects, WsgiServer

MOVES = {"/to-echo": 302, "/see-other": 303, "/again": 307}


def wsgi_echo(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/loop":
        start_response("302 Found", [("Location", "/loop"), ("Content-Type", "text/plain")])
        return [b""]
    if path in MOVES:
        moved = [("Location", environ["SCRIPT_NAME"] + "/echo"), ("Set-Cookie", "seen=yes; Path=/; Max-Age=60"), ("Content-Type", "text/plain")]
        start_response(f"{MOVES[path]} Moved", moved)
        return [b""]
    headers = {name[5:].lower().replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
    seen = {"method": environ["REQUEST_METHOD"], "path": path, "mount": environ["SCRIPT_NAME"], "query": environ["QUERY_STRING"]}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({**seen, "headers": headers, "body": body}).encode()]


async def asgi_echo(scope, receive, send):
    path = scope["path"].removeprefix(scope["root_path"])
    if path == "/loop":
        response = RedirectResponse("/loop", 302)
    elif path in MOVES:
        response = RedirectResponse(scope["root_path"] + "/echo", MOVES[path], headers={"set-cookie": "seen=yes; Path=/; Max-Age=60"})
    else:
        body = (await receive())["body"].decode()
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        seen = {"method": scope["method"], "path": path, "mount": scope["root_path"], "query": scope["query_string"].decode()}
        response = JSONResponse({**seen, "headers": headers, "body": body})
    await response(scope, receive, send)


@pytest.fixture(params=[asgi_echo, wsgi_echo], ids=["asgi", "wsgi"])
def app(request):
    return request.param


@pytest.fixture
def browser(app):
    return Browser(app, clock=FakeClock())


def test_a_typed_address(browser):
    seen = browser.navigate("/a%20b/c?x=1&y=%2F").json()
    assert (seen["method"], seen["path"], seen["query"]) == ("GET", "/a b/c", "x=1&y=%2F")
    assert seen["headers"]["host"] == "app.example.com"
    assert {name: seen["headers"].get(f"sec-fetch-{name}") for name in ("site", "mode", "dest", "user")} == {
        "site": "none",
        "mode": "navigate",
        "dest": "document",
        "user": "?1",
    }
    assert seen["headers"]["accept"].startswith("text/html")


@pytest.mark.parametrize(
    ("initiator", "relation"),
    [
        ("https://app.example.com/page", "same-origin"),
        ("https://www.example.com/", "same-site"),
        ("http://app.example.com/", "cross-site"),
        ("https://evil.example/", "cross-site"),
    ],
)
def test_links_tell_where_they_stand(browser, initiator, relation):
    assert browser.navigate("/", initiator=initiator).json()["headers"]["sec-fetch-site"] == relation
    seen = browser.post_form("/", {"a": "b c"}, initiator=initiator).json()
    assert (seen["headers"]["sec-fetch-site"], seen["headers"]["origin"]) == (relation, initiator.rpartition("/")[0])
    assert (seen["method"], seen["body"]) == ("POST", "a=b+c")


def test_no_fetch_metadata_on_insecure_origins(app):
    assert not any(name.startswith("sec-") for name in Browser(app, base_url="http://app.example.com").navigate("/").json()["headers"])
    assert "sec-fetch-site" in Browser(app, base_url="http://localhost:8000").navigate("/").json()["headers"]


def test_fetch(browser):
    seen = browser.fetch("/data", headers={"X-A": "1"}).json()["headers"]
    assert (seen["sec-fetch-mode"], seen["sec-fetch-dest"], seen["sec-fetch-site"], seen["x-a"]) == ("cors", "empty", "same-origin", "1")
    assert "origin" not in seen
    assert browser.fetch("/data", initiator="https://evil.example").json()["headers"]["origin"] == "https://evil.example"
    assert browser.fetch("/data", method="DELETE").json()["headers"]["origin"] == "https://app.example.com"
    assert browser.fetch("/to-echo").status == 302


def test_redirects_set_cookies_and_change_methods(browser):
    seen = browser.post_form("/to-echo", {"a": "1"}).json()
    assert (seen["method"], seen["body"], seen["headers"]["cookie"]) == ("GET", "", "seen=yes")
    assert browser.post_form("/see-other", {"a": "1"}).json()["method"] == "GET"
    again = browser.post_form("/again", {"a": "1"}).json()
    assert (again["method"], again["body"]) == ("POST", "a=1")
    assert [page.status for page in browser.history] == [302, 200, 303, 200, 307, 200]
    browser.clock.advance(60)
    assert "cookie" not in browser.navigate("/").json()["headers"]


def test_loops_end(browser):
    with pytest.raises(TooManyRedirects):
        browser.navigate("/loop")
    assert len(browser.history) == 20


def test_cross_site_posts_carry_no_lax_cookies(browser):
    browser.navigate("/to-echo")
    assert "cookie" not in browser.post_form("/", initiator="https://evil.example").json()["headers"]
    assert browser.navigate("/", initiator="https://evil.example").json()["headers"]["cookie"] == "seen=yes"


def test_twins_and_strangers(browser):
    browser.navigate("/to-echo")
    assert browser.twin().navigate("/").json()["headers"]["cookie"] == "seen=yes"
    assert "cookie" not in browser.stranger().navigate("/").json()["headers"]


def test_mounts(app):
    browser = Browser({"https://example.com/one": app, "https://example.com/two": app})
    seen = browser.navigate("/to-echo").json()
    assert (seen["mount"], seen["path"]) == ("/one", "/echo")
    assert browser.navigate("https://example.com/two/x").json()["mount"] == "/two"
    with pytest.raises(AssertionError, match="nothing of this test lives"):
        browser.navigate("https://example.com/twofold")


def test_exceptions_of_the_app_come_through():
    async def broken(scope, receive, send):
        raise ZeroDivisionError

    def also_broken(environ, start_response):
        raise ZeroDivisionError

    for app in (broken, also_broken):
        with pytest.raises(ZeroDivisionError):
            Browser(app).navigate("/")


def test_apps_that_break_the_interface_are_found_out():
    async def silent(scope, receive, send):
        return None

    async def twice(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.start", "status": 200})

    def wrong_type(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return ["text"]

    for app in (silent, twice, wrong_type):
        with pytest.raises(AssertionError):
            Browser(app).navigate("/")
    assert Browser(WsgiServer(lambda environ, start: (start("200 OK", []), [b"x"])[1], validate=False)).navigate("/").status == 200


def test_a_real_framework_streams_and_speaks_websocket():
    async def chunks():
        yield b"one"
        yield b"two"

    async def socket(websocket):
        await websocket.accept()
        await websocket.send_text((await websocket.receive_text()).upper())
        await websocket.close()

    inner = [Route("/stream", lambda request: StreamingResponse(chunks())), WebSocketRoute("/ws", socket), Route("/", lambda request: Response("x"))]
    app = Starlette(routes=[Mount("/sub", routes=inner)])
    browser = Browser(app)
    assert browser.navigate("/sub/stream").chunks == [b"one", b"two"]
    messages = browser.websocket("/sub/ws", ["hello"])
    assert [message["type"] for message in messages] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert messages[1]["text"] == "HELLO"
