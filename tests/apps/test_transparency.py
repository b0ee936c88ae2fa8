"""The middleware is not felt: streaming, background work, files, the app's own headers and its exceptions."""

import pytest

from oidc_middleware.testing import Sent, WsgiServer, run_async
from tests.apps.kit import BASE_URL, CHUNKS, FILE, Boom, Place, wait_until


@pytest.mark.row("AS-01", "AS-02")
def test_streams_arrive_piece_by_piece(place):
    browser = place.signed_in()
    page = browser.fetch("/stream")
    assert page.chunks == CHUNKS
    assert place.diary.events[:3] == CHUNKS
    assert place.asgi or place.diary.events[-1] == "closed"


@pytest.mark.row("AS-01", "AS-06")
@pytest.mark.in_process
def test_nothing_is_collected_before_it_is_sent(asgi_place):
    browser = asgi_place.signed_in()
    request = browser.fetch("/who").sent
    order = []

    async def scenario():
        from oidc_middleware.testing import AsgiServer

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            order.append(message["type"])
            order.extend(asgi_place.diary.events[len(order) :] if message["type"] == "http.response.body" else [])

        scope = {**AsgiServer(asgi_place.app).scope(request), "path": "/stream", "raw_path": b"/stream"}
        await asgi_place.app(scope, receive, send)

    run_async(scenario())
    assert order.count("http.response.start") == 1
    assert order.count("http.response.body") == len(CHUNKS) + 1


@pytest.mark.row("AS-02")
@pytest.mark.in_process
def test_wsgi_generators_are_closed_when_the_client_goes(wsgi_place):
    browser = wsgi_place.signed_in()
    request = browser.fetch("/who").sent
    environ = WsgiServer(wsgi_place.app).environ(request) | {"PATH_INFO": "/stream", "REQUEST_URI": "/stream"}
    result = wsgi_place.app(environ, lambda status, headers, exc_info=None: None)
    assert next(iter(result)) == CHUNKS[0]
    assert wsgi_place.diary.events == CHUNKS[:1]
    result.close()
    assert wsgi_place.diary.events == [CHUNKS[0], "closed"]


def test_background_work_is_done(place):
    browser = place.signed_in()
    assert browser.fetch("/background").text == "done"
    wait_until(lambda: place.diary.events)  # behind a server, the answer is there first
    assert place.diary.events == ["background"]


@pytest.mark.row("AS-02")
def test_files_are_sent_whole(place):
    page = place.signed_in().fetch("/file")
    assert page.body == FILE.read_bytes()


@pytest.mark.row("AS-02")
def test_the_servers_file_wrapper_reaches_it_unwrapped():
    """A server recognises its own wrapper by type (PEP 3333, optional platform-specific file handling)."""
    place = Place("flask")
    made = []

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        made.append(environ["wsgi.file_wrapper"](FILE.open("rb"), 8192))
        return made[-1]

    protected = place.protect(app)
    browser = place.browser(protected)
    request = browser.login("/x").sent
    result = protected(WsgiServer(protected).environ(request), lambda status, headers, exc_info=None: None)
    assert result is made[-1]
    for wrapper in made:
        wrapper.close()


@pytest.mark.row("AS-03", "CA-02")
def test_the_apps_own_headers_stay(place):
    browser = place.signed_in()
    page = browser.fetch("/own-headers")
    assert (page.status, page.all("set-cookie"), page.header("location")) == (201, ["mine=1; Path=/"], "/elsewhere")
    assert page.all("cache-control") == ["private, max-age=60"]
    assert "Accept" in page.header("vary")
    place.clock.advance(30 * 60)
    page = browser.fetch("/own-headers")  # the session is written anew: in a cookie, with this answer
    rewritten = "store" not in place.kept
    assert page.all("set-cookie")[0] == "mine=1; Path=/"
    assert len(page.all("set-cookie")) == (2 if rewritten else 1)
    assert page.all("cache-control") == ["private, no-store" if rewritten else "private, max-age=60"]
    assert "Accept" in ", ".join(page.all("vary"))
    assert ("Cookie" in ", ".join(page.all("vary"))) == rewritten


@pytest.mark.row("CA-01", "CA-02")
def test_protected_answers_stay_out_of_shared_caches(place):
    assert place.signed_in().fetch("/who").all("cache-control") == ["private, no-store"]


@pytest.mark.in_process
@pytest.mark.row("AS-01", "ER-03")
def test_exceptions_of_the_app_are_the_apps(place):
    browser = place.signed_in()
    with pytest.raises(Boom):
        browser.navigate("/boom")
    assert place.diary.calls[-1] == ("/boom", "user-subject-1234531")
    assert browser.fetch("/who").status == 200


@pytest.mark.row("AS-01", "ER-03")
def test_an_exception_of_the_app_is_the_servers_500(served_place):
    browser = served_place.signed_in()
    page = browser.navigate("/boom")
    assert page.status == 500
    assert page.all("set-cookie") == []
    assert "user-subject" not in page.text
    assert served_place.diary.calls[-1] == ("/boom", "user-subject-1234531")
    assert browser.fetch("/who").status == 200


@pytest.mark.row("AS-02")
def test_start_response_may_come_late_and_twice_with_exc_info():
    import sys

    place = Place("flask")

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/late":
            write = start_response("200 OK", [("Content-Type", "text/plain")])
            write(b"written ")
            yield b"and yielded"
            return
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            raise Boom
        except Boom:
            start_response("500 Sorry", [("Content-Type", "text/plain")], sys.exc_info())
        yield b"sorry"

    browser = place.browser(place.protect(app))
    assert browser.login("/late").body == b"written and yielded"
    page = browser.fetch("/other")
    assert (page.status, page.body) == (500, b"sorry")


@pytest.mark.row("AS-01", "PA-16")
def test_scopes_without_a_client_pass_untouched():
    place = Place("starlette")
    seen = []

    async def app(scope, receive, send):
        seen.append(scope)

    protected = place.protect(app)
    for kind in ("lifespan", "channel"):
        scope = {"type": kind, "state": {}}
        run_async(protected(scope, None, None))
        assert seen[-1] is scope


@pytest.mark.row("AS-04")
def test_the_servers_scope_and_the_user_are_not_shared_state():
    place = Place("starlette")
    users = []

    async def app(scope, receive, send):
        users.append(scope["user"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    browser = place.browser(place.protect(app))
    browser.login("/x")
    browser.fetch("/y")
    for name, value in (("identity", "admin"), ("issuer", "x"), ("new", 1)):
        with pytest.raises(AttributeError):
            setattr(users[-1], name, value)
    with pytest.raises(TypeError):
        users[-1].claims["sub"] = "admin"
    with pytest.raises(TypeError):
        users[-1].claims["groups"][0] = "admin"
    assert users[-1].identity == "user-subject-1234531"


@pytest.mark.row("SM-02")
def test_large_uploads_of_strangers_are_not_read():
    place = Place("flask")

    class Unreadable:
        def read(self, *size):
            raise AssertionError("the body was read")

        readline = readlines = __iter__ = read

    environ = WsgiServer(place.app).environ(Sent("POST", f"{BASE_URL}/echo", (("host", "app.example.com"), ("content-length", "1000000000"))))
    answers = []
    list(place.app({**environ, "wsgi.input": Unreadable()}, lambda status, headers, exc_info=None: answers.append(status)))
    assert answers[0].startswith("401")
