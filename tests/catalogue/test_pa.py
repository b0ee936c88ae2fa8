"""Which paths are public (catalogue 1.12): decided on the path the application routes on, and on nothing else."""

import pytest

from oidc_middleware import protect
from oidc_middleware.testing import AsgiServer, Sent
from tests.catalogue.helpers import BASE_URL, assert_strict, codes_on
from tests.catalogue.probe import NAVIGATION, probe, send, signed_in

PUBLIC = ["/public", "/static/*"]


def is_protected(page):
    """Whether the application was kept out of it."""
    if page.status == 302:
        return page.location.startswith("https://op.example/authorize?")
    return page.status in (400, 401)


def assert_protected(stage, path, **request):
    calls = probe(stage, public=PUBLIC)
    page = send(stage.browser(), path, **request)
    assert is_protected(page), (path, page.status)
    assert calls == []
    assert b"content of the application" not in page.body
    assert_strict(page)
    return page


def test_public_paths_are_public_and_everything_else_is_not(stage):
    calls = probe(stage, public=PUBLIC)
    for path in ("/public", "/static/x.css", "/static/a/b.js", "/public?x=1"):
        assert send(stage.browser(), path).body == b"content of the application"
    assert len(calls) == 4
    for path in ("/", "/secret", "/publicx", "/public/x"):
        assert is_protected(send(stage.browser(), path)), path
    assert len(calls) == 4


@pytest.mark.row("PA-01")
@pytest.mark.parametrize("host", ["app.example.com/public?", "app.example.com/public", "app.example.com#/public"])
def test_pa_01_the_host_header_is_no_path(stage, host):
    assert_protected(stage, "/secret", headers=[("Host", host)])


@pytest.mark.row("PA-02")
@pytest.mark.parametrize("path", ["/secret?x=/public", "/secret?/static/x", "/secret%23/public", "/secret%3f/public", "/static%3f/../secret"])
def test_pa_02_the_query_is_no_path(stage, path):
    assert_protected(stage, path)


@pytest.mark.row("PA-03", "PA-04", "PA-05")
@pytest.mark.parametrize(
    "path",
    [
        "//secret", "/static//../secret", "/static/..;/secret", "/./secret", "/static/../secret", "/static/%2e%2e/secret", "/static/%2e%2e%2fsecret",
        "/static%2f..%2fsecret", "/static/%5c..%5csecret", "/static/%252e%252e/secret", "/static/x%00", "/public%0a", "/public%00", "/public%0d%0a",
        "/static/%ff", "/static/%c0%ae%c0%ae/secret", "/public%09", "/public%20", "/public;x", "/static/x;jsessionid=1", "/static/%E2%80%AE",
    ],
)  # fmt: skip
def test_pa_03_a_path_that_can_be_read_in_two_ways_is_not_public(stage, path):
    assert_protected(stage, path)


@pytest.mark.row("PA-06", "PA-07", "PA-08")
@pytest.mark.parametrize("path", ["/PUBLIC", "/Static/x", "/public/", "/static", "/static-secret", "/staticx", "/public.html", "/statik/x"])
def test_pa_06_names_are_exact_and_end_at_a_slash(stage, path):
    assert_protected(stage, path)


@pytest.mark.row("PA-09")
@pytest.mark.parametrize("convention", ["prefixed", "stripped"])
def test_pa_09_a_mounted_app_decides_relative_to_its_mount(stage, convention):
    calls = probe(stage, public=["/public"], base_url="https://app.example.com/app")
    server = stage.browser()._sites[0][1]

    def ask(path, mount="/app"):
        request = Sent("GET", f"{BASE_URL}{path}", headers=tuple(NAVIGATION.items()), mount=mount)
        if convention == "stripped" and stage.shell == "asgi":  # some servers and proxies hand over the path without the mount
            scope = server.scope

            def stripped(request, kind="http"):
                made = scope(request, kind)
                return {**made, "path": made["path"].removeprefix(mount) or "/"}

            server.scope = stripped
            try:
                return server(request)
            finally:
                server.scope = scope
        return server(request)

    assert ask("/app/public").status == 200
    assert ask("/app/secret").status == 302
    if convention == "prefixed":
        assert ask("/app/app/public").status == 302
    if stage.shell == "asgi":  # a WSGI server gives nothing to an app that is outside of its mount
        assert ask("/appx/public").status in (302, 400)
    assert ask("/app/oidc/login").status == 302
    assert len(calls) == 1


@pytest.mark.row("PA-10")
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PROPFIND", "get", "POST", "BREW", "DELETE"])
def test_pa_10_every_method_is_protected(stage, method):
    calls = probe(stage, public=PUBLIC)
    server = stage.browser()._sites[0][1]
    if stage.shell == "wsgi":
        server._called = server.app  # the validator has its own opinion about unusual methods
    page = server(Sent(method, BASE_URL + "/secret", headers=tuple(NAVIGATION.items())))
    assert page.status in (302, 401)
    preflight = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST"), ("Sec-Fetch-Mode", "cors")]
    assert send(stage.browser(), "/secret", method="OPTIONS", headers=preflight).status == 401
    assert calls == []


@pytest.mark.row("PA-12", "WS-07")
def test_pa_12_one_table_for_http_and_websockets(caplog):
    from tests.catalogue.helpers import Stage

    stage = Stage("asgi", caplog)
    calls = probe(stage, public=PUBLIC)
    browser = stage.browser()
    assert browser.websocket("/static/ws")[0]["type"] == "websocket.accept"
    for path in ("/secret", "/staticx", "/oidc/callback", "/oidc/login", "/oidc/session"):
        assert browser.websocket(path)[0]["type"] == "websocket.http.response.start", path
    assert len(calls) == 1


@pytest.mark.row("PA-13")
def test_pa_13_the_decision_is_about_the_endpoint_that_is_reached(stage):
    """Differential: whatever path is sent, a framework's router reaches nothing but the public endpoint without a login."""
    reached = []
    if stage.shell == "asgi":
        from starlette.applications import Starlette
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route

        def endpoint(name):
            return lambda request: reached.append(name) or PlainTextResponse(name)

        app = Starlette(routes=[Route(path, endpoint(path)) for path in ("/public", "/static/x", "/secret", "/")])
    else:
        from flask import Flask

        app = Flask("x")
        for path in ("/public", "/static/x", "/secret", "/"):
            app.add_url_rule(path, path, lambda name=path: reached.append(name) or name)
    stage.restart(public=PUBLIC)
    app = protect(app, **stage.provider.options(), base_url=BASE_URL, secret_key="canary-secret-key-0123456789-abcdefghijklm", public=PUBLIC)
    from oidc_middleware.testing.servers import server_for

    server = server_for(app)
    parts = ["/", "//", "/.", "/..", "%2f", "%5c", "%2e", "public", "secret", "static", "x", "%0a", "%00", ";", "?_method=GET", "#", "%23", "%3f"]
    for first in parts:
        for second in parts:
            for third in parts:
                target = f"/{first}{second}{third}" if not first.startswith("/") else f"{first}{second}{third}"
                server(Sent("GET", BASE_URL + target, headers=tuple(NAVIGATION.items())))
    assert set(reached) <= {"/public", "/static/x"}
    assert reached, "the public endpoints were reached, so the test looks in the right place"


@pytest.mark.row("PA-15", "RD-13")
@pytest.mark.parametrize("path", ["*", "secret", "http://evil.example/public", "http://app.example.com/public", ""])
def test_pa_15_targets_that_are_no_path_open_nothing(stage, path):
    calls = probe(stage, public=PUBLIC)
    server = stage.browser()._sites[0][1]
    request = Sent("GET", BASE_URL + "/", headers=tuple(NAVIGATION.items()))
    if stage.shell == "asgi":
        made = {**server.scope(request), "path": path, "raw_path": path.encode()}
        server.scope = lambda request, kind="http": made
    else:
        made = {**server.environ(request), "PATH_INFO": path, "REQUEST_URI": path, "SCRIPT_NAME": ""}
        server._called, server.environ = server.app, lambda request: made
    page = server(request)
    assert page.status in (302, 400)
    assert calls == []
    if page.status == 302:
        assert is_protected(page)
    else:
        assert codes_on(page) == ["bad_request_target"]


@pytest.mark.row("PA-16")
def test_pa_16_lifespan_passes_untouched_and_unknown_scopes_do_not_pass(caplog):
    from oidc_middleware.testing import run_async
    from tests.catalogue.helpers import Stage

    stage = Stage("asgi", caplog)
    seen = []

    async def app(scope, receive, send):
        seen.append((scope, send, [await receive(), await receive()]))

    stage._asgi_probe = app
    stage.restart()
    for kind in ("lifespan", "channel"):
        scope, send, messages = {"type": kind}, object(), [{"type": f"{kind}.startup"}, {"type": f"{kind}.shutdown"}]
        waiting = messages.copy()

        async def receive(waiting=waiting):
            return waiting.pop(0)

        run_async(stage.app(scope, receive, send))
        assert seen[-1] == (scope, send, messages)
        assert seen[-1][0] is scope
        assert all(came is sent for came, sent in zip(seen[-1][2], messages, strict=True))
    seen.clear()
    with pytest.raises(ValueError, match="webtransport"):
        run_async(stage.app({"type": "webtransport", "path": "/", "headers": []}, object(), object()))
    assert seen == []


@pytest.mark.row("PA-17", "PA-18")
@pytest.mark.parametrize(
    "path", ["/_dash-layout", "/_dash-dependencies", "/_reload-hash", "/_dash-update-component", "/assets/x.js", "/not-there", "/later"]
)
def test_pa_17_dash_is_inside_with_all_its_paths(path):
    dash = pytest.importorskip("dash")
    app = dash.Dash("x")
    app.layout = dash.html.Div("secret")
    protect(app, issuer="https://op.example.com", client_id="app", secret_key="canary-secret-key-0123456789-abcdefghijklm", base_url=BASE_URL)
    app.server.add_url_rule("/later", "later", lambda: "secret")  # added after the protection
    answer = app.server.test_client().get(path, headers={"sec-fetch-mode": "cors", "accept": "application/json"})
    assert (answer.status_code, answer.json["code"]) == (401, "login_required")
    assert b"secret" not in answer.data


@pytest.mark.row("PA-18")
def test_pa_18_a_404_of_the_app_needs_a_login_too(caplog):
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    inner = Starlette()
    app = protect(inner, issuer="https://op.example.com", client_id="app", secret_key="canary-secret-key-0123456789-abcdefghijklm", base_url=BASE_URL)
    inner.router.routes.append(Mount("/later", routes=[Route("/x", lambda request: PlainTextResponse("secret"))]))
    server = AsgiServer(app)
    for path in ("/not-there", "/later/x"):
        page = server(Sent("GET", BASE_URL + path, headers=(("host", "app.example.com"), ("accept", "*/*"))))
        assert (page.status, page.json()["code"]) == (401, "login_required")


@pytest.mark.row("PA-14", "HD-01")
def test_pa_14_a_public_path_knows_who_is_signed_in(stage):
    calls = probe(stage, public=PUBLIC)
    browser = signed_in(stage)
    send(browser, "/public")
    send(stage.browser(), "/public")
    assert [call.user.is_authenticated for call in calls[-2:]] == [True, False]


@pytest.mark.row("PA-11")
def test_pa_11_patterns_are_literal():
    from oidc_middleware import ConfigError

    for pattern in ("/a.*", "^/x", "/x$", "/(a|b)", "/[ab]", "/a*b", "/*/x", "/a/**"):
        with pytest.raises(ConfigError) as caught:
            protect(lambda environ, start_response: [], issuer="https://op.example.com", client_id="app",
                    secret_key="canary-secret-key-0123456789-abcdefghijklm", public=[pattern])  # fmt: skip
        assert [problem.split(":")[0] for problem in caught.value.problems] == ["public"], pattern
