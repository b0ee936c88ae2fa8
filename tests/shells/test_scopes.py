"""What each shell makes of a server's request, in the places where servers differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oidc_middleware import asgi, wsgi
from oidc_middleware.flows.messages import Respond
from oidc_middleware.flows.raw_headers import HeaderTable, cookie_and_spoofs
from oidc_middleware.testing import run_async

OPTIONS = {
    "issuer": "https://op.example.com", "client_id": "app", "secret_key": "kD3vQ8wZr5nT1yXb7LmP9sHc2JfG6uEa", "allowed_hosts": ["app.example.com"],
    "public": ["/index"],
}  # fmt: skip
NAVIGATION = {"host": "app.example.com", "accept": "text/html"}


def asked(path, *, headers=(), **scope):
    """What the ASGI shell reads of a scope with the least that the specification demands, and *scope* on top."""
    raw = [(name.encode(), value.encode()) for name, value in {**NAVIGATION, **dict(headers)}.items()]
    full = {"type": "http", "method": "GET", "path": path, "headers": raw, **scope}
    cookie, _ = cookie_and_spoofs(full["headers"])
    return asgi._request(full, cookie, 7.0)


def environ(path="/", **more):
    """The least that PEP 3333 demands."""
    return {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "PATH_INFO": path, "HTTP_HOST": "app.example.com", **more}


@pytest.mark.row("PA-09")
@pytest.mark.parametrize(
    ("root_path", "path", "mount", "seen"),
    [
        ("", "/x", "", "/x"),
        (None, "/x", "", "/x"),
        ("/app", "/app/x", "/app", "/x"),
        ("/app", "/app", "/app", "/"),
        ("/app", "/app/", "/app", "/"),
        ("/app", "/apple", "/app", "/apple"),
        ("/app", "/x", "/app", "/x"),
        ("/app/", "/app/x", "/app", "/app/x"),
        ("/app", "/app/app/x", "/app", "/app/x"),
    ],
)
def test_the_path_is_the_one_the_application_routes_on(root_path, path, mount, seen):
    request = asked(path, root_path=root_path)
    assert (request.mount, request.path) == (mount, seen)


def test_what_a_server_leaves_out_has_its_default():
    request = asked("/x")
    assert (request.kind, request.method, request.scheme, request.mount, request.path) == ("http", "GET", "http", "", "/x")
    assert (request.target, request.query, request.cookie, request.peer, request.now) == ("", "", "", "", 7.0)
    socket = asked("/x", type="websocket", scheme="wss", client=("192.0.2.1", 7), raw_path=b"/%78", query_string=b"a=%C3%A9")
    assert (socket.kind, socket.scheme, socket.peer, socket.target, socket.query) == ("websocket", "wss", "192.0.2.1", "/%78", "a=%C3%A9")


@pytest.mark.row("CK-12")
def test_headers_are_found_by_name_each_with_all_its_values():
    headers = [(b"Accept", b"a"), (b"accept", b"\xe9"), (b"x-accept", b"c"), (b"cookie", b"a=1"), (b"cookie", b"b=\xe9")]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    cookie, spoofed = cookie_and_spoofs(scope["headers"])
    request = asgi._request(scope, cookie, 0.0)
    assert (request.headers("accept"), request.headers("origin"), request.cookie, spoofed) == (["a", "\xe9"], [], "a=1; b=\xe9", False)
    assert (request.header("accept"), request.header("x-accept"), request.header("origin")) == ("", "c", "")


names = st.sampled_from([b"accept", b"Accept", b"ACCEPT", b"origin", b"x-accept", b"Origin", b"\xc9"])


@pytest.mark.row("CK-12")
@given(st.lists(st.tuples(names, st.binary(max_size=3)), max_size=6))
def test_whatever_way_a_server_writes_names_all_values_are_found_in_their_order(headers):
    for pairs in (headers, tuple(map(list, headers))):
        values = HeaderTable(pairs).values
        for _ in range(2):
            for name in ("accept", "origin", "x-accept", "absent"):
                assert values(name) == [value.decode("latin-1") for key, value in headers if key.lower() == name.encode()]


@pytest.mark.row("PA-09")
def test_a_wsgi_request_with_the_least_there_is():
    request = wsgi._request(environ(""), 7.0)
    assert (request.kind, request.method, request.scheme, request.mount, request.path) == ("http", "GET", "https", "", "/")
    assert (request.target, request.query, request.cookie, request.peer, request.now) == ("", "", "", "", 7.0)
    full = environ(
        "/caf\xc3\xa9", SCRIPT_NAME="/app/", QUERY_STRING="a=1", HTTP_COOKIE="a=1", REMOTE_ADDR="192.0.2.1", RAW_URI="/raw", REQUEST_URI="/uri"
    )
    request = wsgi._request(full, 7.0)
    assert (request.mount, request.path, request.target, request.query) == ("/app", "/caf\xe9", "/uri", "a=1")
    assert (request.cookie, request.peer) == ("a=1", "192.0.2.1")
    assert wsgi._request(environ(RAW_URI="/raw"), 0.0).target == "/raw", "gunicorn's name for it"
    assert wsgi._request(environ("/\xff"), 0.0).path == "/\udcff", "bytes that are no UTF-8 stay what they are"


def test_wsgi_headers_are_found_by_name():
    headers = wsgi._request(environ(HTTP_X_SOME_THING="1", HTTP_EMPTY="", CONTENT_TYPE="text/plain"), 0.0).headers
    assert [headers(name) for name in ("x-some-thing", "empty", "absent", "content-type")] == [["1"], [""], [], ["text/plain"]]
    for nothing in ({}, {"CONTENT_TYPE": ""}, {"HTTP_CONTENT_TYPE": "text/html"}):
        assert wsgi._request(environ(**nothing), 0.0).headers("content-type") == []


@pytest.mark.row("PA-09")
def test_the_root_of_a_mount_is_the_root_of_the_application():
    """With and without the slash: some servers leave it out."""
    seen = []

    async def asgi_app(scope, receive, send):
        seen.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    def wsgi_app(environ, start_response):
        seen.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return [b""]

    statuses = []

    async def send(message):
        statuses.append(message.get("status"))

    scope = {"type": "http", "method": "GET", "root_path": "/app", "scheme": "https", "path": "/app",
             "headers": [(b"host", b"app.example.com"), (b"accept", b"application/json")]}  # fmt: skip
    run_async(asgi.OIDCMiddleware(asgi_app, **OPTIONS)(scope, None, send))
    run_async(asgi.OIDCMiddleware(asgi_app, **OPTIONS)({**scope, "path": "/app/index"}, None, send))
    assert (statuses[0], seen) == (401, ["/app/index"]), "protected, not refused as unusable"

    def start_response(status, headers, exc_info=None):
        statuses.append(int(status[:3]))

    middleware = wsgi.OIDCMiddleware(wsgi_app, **OPTIONS)
    middleware(environ("", SCRIPT_NAME="/app", HTTP_ACCEPT="application/json"), start_response)
    middleware(environ("/index", SCRIPT_NAME="/app"), start_response)
    assert (statuses[-2], seen[-1]) == (401, "/index")


@pytest.mark.row("WS-01", "WS-08")
@pytest.mark.parametrize(("status", "told", "code"), [(401, 403, 4401), (403, 403, 1008), (404, 404, 1008), (503, 503, 1008)])
def test_a_websocket_is_refused_without_a_cookie_and_in_the_words_of_the_server(status, told, code):
    decision = Respond(status, (("Cache-Control", "no-store"), ("Set-Cookie", "a=1")), b"why")

    def denied(**scope):
        sent = []

        async def send(message):
            sent.append(message)

        async def receive():
            return {"type": "websocket.connect"}

        run_async(asgi._deny(decision, scope, receive, send))
        return sent

    start, body = denied(extensions={"websocket.http.response": {}})
    assert start == {"type": "websocket.http.response.start", "status": told, "headers": [(b"cache-control", b"no-store")]}
    assert body == {"type": "websocket.http.response.body", "body": b"why"}
    for without in ({}, {"extensions": None}, {"extensions": {"tls": {}}}):
        assert denied(**without) == [{"type": "websocket.close", "code": code, "reason": ""}]


def test_an_answer_to_head_is_the_same_without_its_body():
    decision = Respond(401, (("Content-Type", "text/plain"), ("Content-Length", "3"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")), b"why")
    for method, body in (("GET", b"why"), ("HEAD", b"")):
        sent, started = [], []

        async def send(message, sent=sent):
            sent.append(message)

        run_async(asgi._respond(decision, {"method": method}, send))
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"3"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        assert sent == [{"type": "http.response.start", "status": 401, "headers": headers}, {"type": "http.response.body", "body": body}]
        assert wsgi._respond(decision, {"REQUEST_METHOD": method}, lambda *start, started=started: started.append(start)) == [body]
        assert started == [("401 Unauthorized", list(decision.headers))]


def sent_through(set_cookies, *messages):
    """What goes out of the answers *messages* of an application."""
    out = []

    async def send(message):
        out.append(message)

    async def answers():
        for message in messages:
            outgoing = asgi._outgoing(send, set_cookies)
            await outgoing(message)
            await outgoing({"type": "http.response.body", "body": b""})

    run_async(answers())
    assert [message["type"] for message in out[1::2]] == ["http.response.body"] * len(messages)
    return [list(message["headers"]) for message in out[::2]]


@pytest.mark.row("CA-01", "CA-02")
@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_an_answer_that_is_sent_again_has_the_caching_rule_once(kind):
    start = {"type": "http.response.start", "status": 200, "headers": kind([(b"x", b"1")])}
    ruled = [(b"x", b"1"), (b"cache-control", b"private, no-store")]
    again = {} if kind is iter else {"again": start}
    assert sent_through((), start, *again.values()) == [ruled] * (1 + len(again))
    public = {"type": "http.response.start", "status": 200, "headers": [(b"Cache-Control", b"public, max-age=9")]}
    assert sent_through((), public) == [[(b"cache-control", b"private, max-age=9")]]
    assert public["headers"] == [(b"Cache-Control", b"public, max-age=9")]
    assert sent_through((), {"type": "http.response.start", "status": 200}) == [[(b"cache-control", b"private, no-store")]]


@pytest.mark.row("CA-01", "CA-03")
def test_cookies_of_one_user_never_stay_in_an_answer_that_another_gets_as_well():
    shared = {"type": "http.response.start", "status": 200, "headers": [(b"x", b"1")]}
    (first,) = sent_through(("s=ada; Path=/",), shared)
    assert (b"set-cookie", b"s=ada; Path=/") in first
    assert shared["headers"] == [(b"x", b"1")]
    for headers in sent_through((), shared, shared):
        assert headers == [(b"x", b"1"), (b"cache-control", b"private, no-store")]
