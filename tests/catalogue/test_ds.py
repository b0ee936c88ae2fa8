"""Floods and refused uploads (catalogue 1.18: DS, SM-02, SM-04)."""

import time

import pytest

from oidc_middleware.testing import Sent, run_async
from tests.catalogue.helpers import BASE_URL, codes_on, landed, shown
from tests.catalogue.probe import probe, send


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
        assert time.process_time() - started < 20, "work that grows with the input, not milliseconds, is what this finds"
    assert len(stage.provider.requests) == before


@pytest.mark.row("DS-05")
def test_ds_05_callbacks_that_fit_to_nothing_cost_the_provider_nothing(stage):
    browser = stage.browser()
    location = browser.start_login("/x")
    for number in range(100):
        _, page = shown(send(browser, f"/oidc/callback?code=c&state=s{number}"), browser)
        assert (page.status, codes_on(page)) == (400, ["no_transaction"])
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


@pytest.mark.row("DS-07")
def test_ds_07_a_form_post_from_the_provider_is_counted_as_well(stage):
    """The callback is a cross-site POST then: without a cookie that comes along, each login would be the first."""
    stage.restart(response_mode="form_post")
    browser = stage.browser()
    keep = browser.cookies._store
    browser.cookies._store = lambda cookie, now: None if cookie.name.startswith(stage.session_name) else keep(cookie, now)
    page = browser.navigate("/report")
    assert (page.status, codes_on(page), stage.count("token")) == (400, ["login_loop"], 3)
    browser.cookies._store = keep
    again = browser.navigate("/oidc/login?return_to=/report", follow=False)
    assert landed(browser.finish_login(again.location)) == "/report", "whoever clicks may try again"


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
