"""What frameworks and servers rely on (catalogue 1.18: AS)."""

from types import SimpleNamespace

import pytest
from starlette.authentication import has_required_scope

from oidc_middleware import protect
from oidc_middleware.testing import Browser, Sent, run_async
from oidc_middleware.testing.servers import server_for
from tests.catalogue.helpers import BASE_URL, Stage, codes_on, login_url
from tests.catalogue.probe import NAVIGATION, probe, send, signed_in

OPTIONS = {"issuer": "https://op.example", "client_id": "app", "secret_key": "canary-secret-key-0123456789-abcdefghijklm", "base_url": BASE_URL}


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


@pytest.mark.row("AS-04")
def test_as_04_what_one_request_may_do_is_not_given_to_others(caplog):
    """Starlette's ``request.auth`` holds a list; ours serves every request of a user, and one all strangers."""
    stage = Stage("asgi", caplog)
    calls = probe(stage, public=["/open"])
    browser = signed_in(stage)
    send(stage.browser(), "/open")
    for auth in (calls[0].raw["auth"], calls[-1].raw["auth"]):
        for attack in (
            lambda: auth.scopes.append("admin"), lambda: setattr(auth, "scopes", ["admin"]), lambda: delattr(auth, "scopes")  # noqa: B023  # called at once
        ):  # fmt: skip
            with pytest.raises(AttributeError):
                attack()
    send(stage.browser(), "/open")
    send(browser, "/x")
    assert [call.raw["auth"].scopes for call in calls[-2:]] == [(), ("authenticated", "openid", "profile", "email")]
    assert has_required_scope(SimpleNamespace(auth=calls[-1].raw["auth"]), ["authenticated", "email"])


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
