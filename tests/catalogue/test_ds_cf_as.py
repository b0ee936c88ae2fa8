"""Floods, configuration, frameworks (catalogue 1.18: DS, CF, AS; SM-02, SM-04)."""

import time

import pytest

from oidc_middleware import ConfigError, protect
from oidc_middleware.testing import Browser, FakeClock, ScriptedProvider, Sent, run_async
from oidc_middleware.testing.servers import server_for
from tests.catalogue.helpers import BASE_URL, Stage, codes_on, landed, login_url
from tests.catalogue.probe import NAVIGATION, probe, send, signed_in

OPTIONS = {"issuer": "https://op.example", "client_id": "app", "secret_key": "canary-secret-key-0123456789-abcdefghijklm", "base_url": BASE_URL}


def cookie_bytes(stage, browser):
    return len(browser.cookies.header(BASE_URL + "/x", stage.clock.now()))


@pytest.mark.row("DS-01", "F-PR-12")
def test_ds_01_two_hundred_abandoned_navigations_never_lock_a_browser_out(stage):
    browser = stage.browser()
    for number in range(200):
        page = browser.navigate(f"/page/{number}", follow=False)
        assert page.status == 302
        assert len(stage.logins_of(browser)) <= 5
        assert cookie_bytes(stage, browser) <= 2_500
    for _ in range(200):
        assert browser.fetch("/api").all("set-cookie") == []
    assert landed(browser.finish_login(page.location)) == "/page/199"


@pytest.mark.row("DS-01", "RD-17")
def test_ds_01_long_deep_links_keep_the_budget_too(stage):
    browser = stage.browser()
    for number in range(10):
        page = browser.navigate(f"/page/{number}?{'q' * 1900}", follow=False)
        assert cookie_bytes(stage, browser) <= 6_000
    assert landed(browser.finish_login(page.location)).startswith("/")


@pytest.mark.row("DS-02", "DS-03")
def test_ds_02_the_server_keeps_nothing_of_logins_that_are_under_way(stage):
    browsers = [stage.browser() for _ in range(50)]
    locations = [browser.start_login("/x") for browser in browsers]
    assert len(stage.app._world.used) == 0
    for browser, location in list(zip(browsers, locations, strict=True))[::10]:
        assert landed(browser.finish_login(location)) == "/x"


@pytest.mark.row("DS-04", "CK-03")
def test_ds_04_a_bad_cookie_costs_little_and_no_network(stage):
    name = stage.session_name
    stage.browser().navigate("/", follow=False)
    before = len(stage.provider.requests)
    for value in ("x" * 4000, "9~" + "y" * 3900, "10~", "A" * 100 + "." + "B" * 43):
        started = time.process_time()
        for _ in range(50):
            page = send(stage.browser(), "/api", cookie=f"{name}={value}", headers=[("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")])
            assert page.status == 401
        assert time.process_time() - started < 50 * 0.02, "a generous bound: this finds work that grows, not milliseconds"
    assert len(stage.provider.requests) == before


@pytest.mark.row("DS-05")
def test_ds_05_callbacks_that_fit_to_nothing_cost_the_provider_nothing(stage):
    browser = stage.browser()
    location = browser.start_login("/x")
    for number in range(100):
        assert send(browser, f"/oidc/callback?code=c&state=s{number}").status == 400
    assert stage.count("token") == 0
    assert landed(browser.finish_login(location)) == "/x"


@pytest.mark.row("DS-07", "F-ST-15")
def test_ds_07_a_session_that_does_not_stick_ends_in_a_page_and_not_in_a_loop(stage):
    browser = stage.browser()
    for _ in range(3):
        browser.login("/report")
        for name in stage.session_of(browser):
            browser.cookies._cookies = {key: cookie for key, cookie in browser.cookies._cookies.items() if cookie.name != name}
    page = browser.navigate("/report", follow=False)
    assert (page.status, page.is_redirect) == (400, False)
    assert "cookie" in page.text.lower()
    assert stage.count("token") == 3
    again = browser.navigate("/oidc/login?return_to=/report", follow=False)
    assert again.status == 302, "whoever clicks may try again"
    assert landed(browser.finish_login(again.location)) == "/report"
    other = stage.browser()
    assert landed(other.login("/report")) == "/report", "nobody else is affected"


@pytest.mark.row("DS-08", "LG-02")
def test_ds_08_worst_cases_of_header_parsing_are_linear(stage):
    def seconds(size):
        started = time.process_time()
        for text in (";" * size, "a=" * size, f"{stage.session_name}=" * (size // 20), " \t" * size, f"{stage.login_prefix}x=y;" * (size // 30)):
            send(stage.browser(), "/oidc/callback?state=x&code=y", cookie=text)
        return time.process_time() - started

    seconds(1_000)
    assert seconds(400_000) < 5, "quadratic work would take minutes"


@pytest.mark.row("SM-02", "SM-04")
def test_sm_02_a_refused_upload_is_not_read_and_nothing_of_the_app_follows(stage):
    calls = probe(stage)

    class Unread:
        def read(self, *args):
            raise AssertionError("the body was read")

    server = stage.browser()._sites[0][1]
    request = Sent("POST", BASE_URL + "/upload", headers=(("host", "app.example.com"), ("content-length", "1000000000"), ("accept", "*/*")))
    if stage.shell == "wsgi":
        plain = server.environ
        server.environ, server._called = (lambda request: {**plain(request), "wsgi.input": Unread()}), server.app
        page = server(request)
    else:
        messages = []

        async def receive():
            raise AssertionError("the body was read")

        async def sink(message):
            messages.append(message)

        run_async(stage.app(server.scope(request), receive, sink))
        assert [message["type"] for message in messages] == ["http.response.start", "http.response.body"]
        page = None
        assert messages[0]["status"] == 401
    if page is not None:
        assert page.status == 401
    assert calls == []


@pytest.mark.row("CF-01", "CK-17", "F-PR-04", "DI-02")
def test_cf_01_all_mistakes_are_told_at_once_and_by_name(stage):
    mistakes = {
        "issuer": "http://op.example", "client_id": "", "secret_key": "hunter2", "base_url": "http://app.example.com", "public": ["/"],
        "leeway": "300x",
        "prefix": "oidc", "scopes": ["profile"], "response_mode": "fragment", "surprise": 1,
    }  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        stage.restart(**mistakes)
    assert {problem.split(":")[0] for problem in caught.value.problems} == set(mistakes)
    assert "hunter2" not in str(caught.value)


@pytest.mark.row("CF-02", "CK-19", "CK-20", "SF-04")
def test_cf_02_two_applications_on_one_host_do_not_disturb_each_other(stage):
    clock = FakeClock()
    providers = [ScriptedProvider(clock=clock, issuer=f"https://op{n}.example", redirect_uris=[f"{BASE_URL}/app{n}/oidc/callback"]) for n in (1, 2)]
    apps = {}
    for number, provider in enumerate(providers, 1):
        client = {"http_client": provider.client() if stage.shell == "asgi" else provider.sync_client()}
        kind = type(stage.app)
        inner = stage._asgi_probe if stage.shell == "asgi" else stage._wsgi_probe
        apps[f"{BASE_URL}/app{number}"] = kind(inner, clock=clock, **provider.options(), **client, secret_key=OPTIONS["secret_key"],
                                               base_url=f"{BASE_URL}/app{number}")  # fmt: skip
    browser = Browser(apps, provider=providers[0], clock=clock)
    for number, provider in enumerate(providers, 1):
        provider.user["sub"] = f"user-{number}"
        browser.provider = provider
        assert browser.login(f"{BASE_URL}/app{number}/x").json()["sub"] == f"user-{number}"
    for number in (1, 2, 1):
        assert browser.fetch(f"{BASE_URL}/app{number}/x").json()["sub"] == f"user-{number}"
    browser.post_form(f"{BASE_URL}/app1/oidc/logout")
    assert browser.fetch(f"{BASE_URL}/app1/x").status == 401
    assert browser.fetch(f"{BASE_URL}/app2/x").json()["sub"] == "user-2", "the other one lives on"


@pytest.mark.row("CF-02")
def test_cf_02_an_app_wrapped_twice_works_as_once(stage):
    provider = stage.restart()
    client = {"http_client": provider.client() if stage.shell == "asgi" else provider.sync_client()}
    twice = type(stage.app)(stage.app, clock=stage.clock, **provider.options(), **client, secret_key=OPTIONS["secret_key"], base_url=BASE_URL)
    browser = Browser(twice, provider=provider, clock=stage.clock)
    page = browser.login("/deep?x=1")
    assert (page.status, page.json()["sub"]) == (200, provider.user["sub"])
    stage.clock.advance(1800)
    page = browser.navigate("/deep")
    assert page.status == 200
    browser.post_form("/oidc/logout")
    assert browser.fetch("/x").status == 401


@pytest.mark.row("CF-03")
def test_cf_03_conveniences_for_development_end_at_loopback(stage):
    for options in (
        {"base_url": "http://dash.example.com"},
        {"issuer": "http://op.example"},
        {"response_mode": "form_post", "base_url": "http://x.example"},
    ):
        with pytest.raises(ConfigError):
            stage.restart(**options)


@pytest.mark.row("AS-01", "AS-06")
def test_as_01_an_asgi_app_is_left_to_itself(caplog):
    stage = Stage("asgi", caplog)
    chunks = [b"one", b"two", b"three"]
    order = []

    async def streaming(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")], "trailers": True})
        for chunk in chunks:
            order.append(("app", chunk))
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        await send({"type": "http.response.trailers", "headers": [], "more_trailers": False})
        order.append("background")

    stage._asgi_probe = streaming
    stage.restart()
    browser = signed_in(stage)
    server = browser._sites[0][1]
    order.clear()
    received = []

    async def send_(message):
        received.append(message)
        if message.get("body"):
            order.append(("client", message["body"]))

    request = Sent("GET", BASE_URL + "/x", headers=(*NAVIGATION.items(), ("cookie", browser.cookies.header(BASE_URL + "/x", stage.clock.now()))))
    run_async(stage.app(server.scope(request), None, send_))
    assert order == [item for chunk in chunks for item in (("app", chunk), ("client", chunk))] + ["background"], "nothing is held back"
    assert received[-1]["type"] == "http.response.trailers"
    assert received[0]["trailers"] is True


@pytest.mark.row("AS-01")
def test_as_01_an_exception_after_the_start_comes_through_and_cookies_are_set_once(caplog):
    stage = Stage("asgi", caplog)

    async def breaking(scope, receive, send):
        for _ in range(2):
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError("after the start")

    stage._asgi_probe = breaking
    stage.restart(public=["/start"])
    fine = Stage("asgi", caplog)
    fine.provider, fine.clock = stage.provider, stage.clock
    browser = Browser(type(stage.app)(fine._asgi_probe, http_client=stage.provider.client(), clock=stage.clock, **stage.provider.options(),
                                      secret_key=OPTIONS["secret_key"], base_url=BASE_URL), provider=stage.provider, clock=stage.clock)  # fmt: skip
    browser.login("/x")
    stage.clock.advance(1800)
    sent = []

    async def send_(message):
        sent.append(message)

    server = server_for(stage.app)
    request = Sent("GET", BASE_URL + "/x", headers=(*NAVIGATION.items(), ("cookie", browser.cookies.header(BASE_URL + "/x", stage.clock.now()))))
    with pytest.raises(LookupError, match="after the start"):
        run_async(stage.app(server.scope(request), None, send_))
    cookies = [[value for name, value in message["headers"] if name == b"set-cookie"] for message in sent]
    assert [len(values) for values in cookies] == [1, 0]


@pytest.mark.row("AS-02")
def test_as_02_pep_3333_holds_for_generators_write_and_file_wrappers(caplog, tmp_path):
    stage = Stage("wsgi", caplog)
    closed = []
    (tmp_path / "file").write_bytes(b"from a file")

    class Body:
        def __iter__(self):
            yield from (b"one", b"two")

        def close(self):
            closed.append(True)

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/write":
            start_response("200 OK", [("Content-Type", "text/plain")])(b"written")
            return []
        if environ["PATH_INFO"] == "/error":
            try:
                raise LookupError
            except LookupError:
                import sys

                start_response("500 Internal Server Error", [("Content-Type", "text/plain")], sys.exc_info())
            return [b"error"]
        start_response("200 OK", [("Content-Type", "text/plain")])
        if environ["PATH_INFO"] == "/file":
            return environ["wsgi.file_wrapper"]((tmp_path / "file").open("rb"))
        return Body()

    stage._wsgi_probe = app
    stage.restart()
    browser = signed_in(stage)
    closed.clear()
    answers = {path: send(browser, path) for path in ("/body", "/file", "/error")}
    server = browser._sites[0][1]
    server._called = server.app  # the validator forbids write()
    answers["/write"] = send(browser, "/write")
    assert {path: page.body for path, page in answers.items()} == {
        "/body": b"onetwo", "/file": b"from a file", "/error": b"error", "/write": b"written",
    }  # fmt: skip
    assert closed == [True]
    assert all(page.header("cache-control") == "private, no-store" for page in answers.values())


@pytest.mark.row("AS-03")
def test_as_03_the_apps_own_headers_stay(stage):
    headers = [("Set-Cookie", "theirs=1; Path=/"), ("Vary", "Accept"), ("Location", "/elsewhere"), ("X-Own", "a"), ("X-Own", "b")]
    probe(stage, headers=headers)
    browser = signed_in(stage)
    stage.clock.advance(1800)
    page = send(browser, "/page")
    assert page.all("set-cookie")[0] == "theirs=1; Path=/"
    assert len(page.all("set-cookie")) == 2
    assert (page.all("vary"), page.all("location"), page.all("x-own")) == (["Accept", "Cookie"], ["/elsewhere"], ["a", "b"])


@pytest.mark.row("AS-04")
def test_as_04_a_user_cannot_be_forged_for_other_requests(stage):
    calls = probe(stage)
    stage.provider.user["groups"] = ["a", {"deep": [1]}]
    stage.provider.claims_in_id_token = True
    browser = signed_in(stage)
    user = calls[-1].user
    for attack in (
        lambda: setattr(user, "identity", "root"), lambda: delattr(user, "identity"), lambda: user.claims.update(sub="root"),
        lambda: user.claims.__setitem__("sub", "root"), lambda: user.claims["groups"].append("admins"), lambda: setattr(user, "_claims", {}),
    ):  # fmt: skip
        with pytest.raises((AttributeError, TypeError)):
            attack()
    send(browser, "/x")
    assert calls[-1].user.identity == stage.provider.user["sub"]
    assert "admins" not in calls[-1].user.claims["groups"]


@pytest.mark.row("AS-05")
def test_as_05_claims_that_do_not_fit_end_the_login_and_nothing_else(stage):
    browser = stage.visitor(signed_in=True)
    stage.restart_session = None
    stage.provider.user["groups"] = [f"group-{number:05}" for number in range(2000)]
    stage.clock.advance(61)
    location = browser.start_login(login_url("/x"))
    page = browser.finish_login(location)
    assert (page.status, codes_on(page)) == (400, ["session_too_large"])
    assert "session_claims" in stage.caplog.text
    assert stage.who(browser) == stage.provider.user["sub"], "the session from before lives on"


def test_protect_is_the_same_middleware(stage):
    assert protect(stage._asgi_probe if stage.shell == "asgi" else stage._wsgi_probe, **OPTIONS).__class__ is stage.app.__class__
