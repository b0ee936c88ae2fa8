"""Scripts and programs get 401 with a place to sign in, never a redirect and never a cookie."""

import pytest

from tests.apps.kit import BASE_URL
from tests.conformance.party import assert_strict


def assert_401(page):
    assert page.status == 401
    assert page.header("content-type") == "application/problem+json"
    problem = page.json()
    assert (problem["status"], problem["code"]) == (401, "login_required")
    assert problem["login_url"] == BASE_URL + "/oidc/login"
    assert page.all("set-cookie") == []
    assert page.header("location") == ""
    assert_strict(page)


@pytest.mark.row("PA-10", "SM-02", "SM-04")
@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
def test_fetch_gets_401(place):
    browser = place.browser()
    assert_401(browser.fetch("/who"))
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"):
        assert_401(browser.fetch("/echo", method=method, body=b"x" * 100_000))
    assert_401(browser.fetch("/who", headers={"accept": "text/html"}))
    assert len(browser.cookies) == 0
    assert place.diary.calls == []
    assert place.provider.requests == []


@pytest.mark.row("PA-10")
def test_head_has_no_body(place):
    page = place.browser().fetch("/who", method="HEAD")
    assert (page.status, page.body) == (401, b"")


@pytest.mark.row("PA-10")
def test_a_posted_form_is_not_sent_to_the_provider(place):
    browser = place.browser()
    page = browser.post_form("/echo", {"a": "1"})
    assert page.status == 401
    assert len(browser.cookies) == 0
    assert place.diary.calls == []


@pytest.mark.row("ST-20")
@pytest.mark.parametrize("purpose", ["sec-purpose: prefetch", "sec-purpose: prefetch;prerender", "purpose: prefetch", "x-moz: prefetch"])
def test_prefetching_starts_nothing(place, purpose):
    browser = place.browser()
    page = browser.navigate("/who", headers=dict([purpose.split(": ")]), follow=False)
    assert (page.status, page.is_redirect) == (401, False)
    assert len(browser.cookies) == 0


@pytest.mark.row("PA-10")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"accept": "text/html,*/*"}, 302),
        ({"accept": "*/*"}, 401),
        ({"accept": "application/json"}, 401),
        ({}, 401),
        ({"accept": "text/html", "x-requested-with": "XMLHttpRequest"}, 401),
    ],
)
def test_clients_without_fetch_metadata_are_judged_by_accept(place, headers, status):
    from oidc_middleware.testing import Sent
    from oidc_middleware.testing.servers import server_for

    request = Sent("GET", f"{BASE_URL}/who", tuple({"host": "app.example.com", **headers}.items()))
    assert server_for(place.app)(request).status == status


@pytest.mark.row("PA-17")
def test_dash_speaks_the_same_language(wsgi_place):
    if wsgi_place.framework != "dash":
        browser = wsgi_place.browser()
        assert_401(browser.fetch("/no-such-page"))  # 404 needs a login, too
        return
    browser = wsgi_place.browser()
    for path in ("/board/_dash-layout", "/board/_dash-dependencies", "/board/assets/x.css", "/board/_reload-hash"):
        assert_401(browser.fetch(path))
    assert_401(browser.fetch("/board/_dash-update-component", method="POST", body=b"{}"))
    page = browser.login("/board/")
    assert page.status == 200
    assert "react-entry-point" in page.text
    assert browser.fetch("/board/_dash-layout").json()["type"] == "Div"
    change = b'{"output":"out.children","outputs":{"id":"out","property":"children"},"inputs":[{"id":"in","property":"value","value":"hi"}]}'
    update = browser.fetch("/board/_dash-update-component", method="POST", body=change, headers={"content-type": "application/json"})
    assert update.json()["response"] == {"out": {"children": "hi"}}


@pytest.mark.row("HD-11")
def test_an_authorization_header_is_no_session(place):
    assert_401(place.browser().fetch("/who", headers={"authorization": "Bearer " + "x" * 100}))


def test_the_session_endpoint_tells_front_ends(place):
    browser = place.browser()
    assert browser.fetch("/oidc/session").status == 401
    browser.login("/who")
    session = browser.fetch("/oidc/session")
    assert session.status == 200
    assert_strict(session)
    told = session.json()
    assert (told["sub"], told["email"]) == ("user-subject-1234531", "user@example.com")
    assert 0 < told["expires_in"] <= 8 * 3600
    assert not any(secret in session.text for secret in place.provider.secrets)
