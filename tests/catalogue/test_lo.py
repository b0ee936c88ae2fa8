"""Signing out here, and at the provider where it can (catalogue 1.15; the rows about server-side sessions come with them)."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from oidc_middleware.testing import Sent
from tests.catalogue.helpers import BASE_URL, assert_strict, codes_on
from tests.catalogue.probe import NAVIGATION, send


@pytest.fixture(params=[False, True], ids=["here", "at the provider too"])
def browser(stage, request):
    stage.restart(registration={"end_session": request.param})
    return stage.visitor(signed_in=True)


def query_of(url):
    return {name: value for name, [value] in parse_qs(urlsplit(url).query).items()}


@pytest.mark.row("LO-01", "LO-02", "LO-11", "RD-19")
def test_a_form_of_the_app_signs_out_here_and_at_the_provider(stage, browser):
    page = browser.post_form("/oidc/logout", follow=False)
    assert page.status == 303
    assert_strict(page)
    assert stage.session_of(browser) == {}
    if stage.provider.end_session_supported:
        asked = query_of(page.location)
        assert asked.keys() == {"client_id", "post_logout_redirect_uri", "id_token_hint", "state"}
        assert asked["post_logout_redirect_uri"] == f"{BASE_URL}/oidc/signed-out"
        assert asked["id_token_hint"] == stage.provider.issued_id_tokens[-1]
    else:
        assert page.location == f"{BASE_URL}/oidc/signed-out"
    assert browser.fetch("/api").status == 401
    done = browser.navigate("/oidc/signed-out")
    assert (done.status, done.is_redirect) == (200, False), "no page that signs in again by itself"
    assert 'href="/oidc/login"' in done.text
    assert stage.provider.complaints == []


@pytest.mark.row("LO-01", "ST-16")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_site_signs_nobody_out(stage, browser, method):
    cookie = browser.cookies.header(BASE_URL + "/x", stage.clock.now())  # as a browser without SameSite would send it
    for site, origin in (("cross-site", "https://evil.example"), ("same-site", "https://sub.example.com"), ("cross-site", "null")):
        headers = [("Sec-Fetch-Site", site), *([("Origin", origin)] if method == "POST" else [])]
        page = send(browser, "/oidc/logout", method=method, headers=headers, cookie=cookie)
        assert page.all("set-cookie") == []
        if method == "POST":
            assert (page.status, codes_on(page)) == (403, ["cross_site_request"])
        else:
            assert page.status == 200, "a page that asks"
            assert "<form" in page.text
        assert_strict(page)
        stage.clock.advance(1)
    image = send(browser, "/oidc/logout", headers=[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image"),
                                                   ("Accept", "image/*")], cookie=cookie)  # fmt: skip
    assert (image.status, image.all("set-cookie")) == (403, [])
    assert stage.who(browser) == stage.provider.user["sub"]


@pytest.mark.row("LO-01")
def test_a_get_that_proves_where_it_comes_from_signs_out_but_not_in_advance(stage, browser):
    early = browser.navigate("/oidc/logout", initiator=BASE_URL, follow=False, headers={"sec-purpose": "prefetch"})
    assert (early.status in (200, 403), early.all("set-cookie")) == (True, [])
    assert stage.who(browser)
    for destination in ("image", "empty", "script"):
        headers = {"sec-fetch-mode": "no-cors", "sec-fetch-dest": destination, "accept": "*/*"}
        part = browser.fetch("/oidc/logout", headers=headers)  # of a page of the app: what somebody wrote into a comment, for one
        assert (part.status, part.all("set-cookie")) == (403, [])
    assert stage.who(browser)
    page = browser.navigate("/oidc/logout", initiator=BASE_URL, follow=False)
    assert page.status == 303
    assert stage.who(browser) is None


@pytest.mark.row("LO-01")
def test_the_page_that_asks_can_be_answered_by_any_browser(stage, browser):
    """An old browser sends neither Origin nor Fetch Metadata: the token of the page proves that the form was ours, and for this session."""
    other = stage.visitor(signed_in=True)
    page = browser.navigate("/oidc/logout", follow=False)
    token = unescape(re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1])
    server = browser._sites[0][1]

    def post(by, text):
        body = f"csrf_token={text}".encode()
        cookie = by.cookies.header(BASE_URL + "/x", stage.clock.now())
        headers = {
            "host": "app.example.com",
            "accept": "text/html",
            "content-type": "application/x-www-form-urlencoded",
            "content-length": str(len(body)),
        }
        return server(Sent("POST", f"{BASE_URL}/oidc/logout", headers=(*headers.items(), ("cookie", cookie)), body=body))

    stage.clock.advance(1)
    again = stage.visitor(signed_in=True)
    for by, text in ((browser, ""), (browser, token[:-2]), (again, token)):
        refused = post(by, text)
        assert (refused.status, refused.all("set-cookie")) == (200, []), "asked again"
    assert stage.who(other)
    done = post(browser, token)
    assert done.status == 303
    assert any("Max-Age=0" in cookie for cookie in done.all("set-cookie"))


@pytest.mark.row("LO-02", "LO-12")
@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 200, "body": b"<html>"}])
def test_a_provider_that_is_away_keeps_nobody_signed_in(stage, fault):
    stage.restart(registration={"end_session": True})
    browser = stage.visitor(signed_in=True)
    stage.rp.provider.metadata.value = None
    stage.provider.script("discovery", **fault)
    page = browser.post_form("/oidc/logout", follow=False)
    assert (page.status, page.location) == (303, f"{BASE_URL}/oidc/signed-out")
    assert stage.who(browser) is None
    assert "logout.provider_unavailable" in stage.caplog.text


@pytest.mark.row("LO-04", "RD-19")
@pytest.mark.parametrize("state", ["", "wrong", "a.b", "\u00e9", "x" * 5000])
def test_the_way_back_from_the_provider_survives_any_state(stage, browser, state):
    browser.post_form("/oidc/logout", follow=False)
    page = browser.navigate("/oidc/signed-out?state=" + state.encode("utf-8").hex() if state == "\u00e9" else f"/oidc/signed-out?state={state}")
    assert page.status == 200
    assert "signed out" in page.text.lower()


@pytest.mark.row("RD-19", "LO-05")
def test_a_return_path_is_kept_across_the_provider_and_leads_nowhere_else(stage, browser):
    stage.restart(registration={"end_session": stage.provider.end_session_supported}, public=["/goodbye"])
    browser = stage.visitor(signed_in=True)
    page = browser.post_form("/oidc/logout", {"return_to": "/goodbye?x=1"})
    assert page.url == f"{BASE_URL}/goodbye?x=1"
    for evil in ("//evil.example", "https://evil.example", "/\\evil.example", "/oidc/login"):
        stage.clock.advance(61)
        other = stage.visitor(signed_in=True)
        page = other.post_form("/oidc/logout", {"return_to": evil}, follow=False)
        assert "evil" not in page.location
        assert stage.who(other) is None


@pytest.mark.row("LO-03")
def test_an_id_token_that_does_not_fit_is_left_out_of_the_hint(stage):
    stage.restart(registration={"end_session": True})
    stage.provider.claims_in_id_token = True
    stage.provider.user["groups"] = [f"group-{number:04}" for number in range(150)]
    browser = stage.visitor(signed_in=True)
    page = browser.post_form("/oidc/logout", follow=False)
    assert "id_token_hint" not in query_of(page.location)
    assert query_of(page.location)["client_id"] == "app"
    assert len(page.location) <= 8_192


@pytest.mark.row("LO-09")
def test_signing_out_twice_or_without_a_session_is_no_error(stage, browser):
    for _ in range(2):
        assert browser.post_form("/oidc/logout").status == 200
        assert stage.who(browser) is None
    broken = stage.browser()
    page = send(broken, "/oidc/logout", method="POST", headers=[("Sec-Fetch-Site", "same-origin")], cookie=f"{stage.session_name}=garbage")
    assert (page.status, page.location) == (303, f"{BASE_URL}/oidc/signed-out")


@pytest.mark.row("LO-10")
def test_pages_seen_before_are_not_kept_for_the_back_button(stage, browser):
    assert browser.navigate("/page").header("cache-control") == "private, no-store"


@pytest.mark.row("CI-07")
def test_a_login_under_way_may_be_completed_after_signing_out(stage, browser):
    location = browser.start_login("/oidc/login?return_to=/late")
    browser.post_form("/oidc/logout", follow=False)
    assert stage.who(browser) is None
    assert browser.finish_login(location).url == f"{BASE_URL}/late", "it is a login of its own, with nothing of the old session"


@pytest.mark.row("ST-12")
def test_endpoints_answer_only_what_they_are_for(stage, browser):
    for path, method, allowed in (
        ("login", "PUT", "GET, HEAD, POST"), ("callback", "PUT", "GET, POST"), ("callback", "HEAD", "GET, POST"),
        ("logout", "DELETE", "GET, HEAD, POST"),
        ("signed-out", "POST", "GET, HEAD"), ("session", "POST", "GET, HEAD"),
    ):  # fmt: skip
        page = send(browser, f"/oidc/{path}", method=method)
        assert (page.status, page.header("allow")) == (405, allowed), path
        assert_strict(page)
    for path in ("", "/", "/nothing", "/login/", "//login", "/check-session", "/Login"):
        page = browser._sites[0][1](Sent("GET", f"{BASE_URL}/oidc{path}", headers=tuple(NAVIGATION.items())))
        assert (page.status, codes_on(page)) == (404, ["not_found"]), path
        stage.clock.advance(1)
    assert send(browser, "/oidc/callback", method="POST").status == 405, "the response mode is query"
    assert stage.who(browser)


def test_the_session_endpoint_tells_a_front_end_who_is_there(stage, browser):
    page = browser.fetch("/oidc/session")
    known = page.json()
    assert (page.status, known["sub"], known["email"]) == (200, stage.provider.user["sub"], "user@example.com")
    assert 0 < known["expires_in"] <= 3600
    assert known["expires_at"] == int(stage.clock.now()) + known["expires_in"]
    assert known["logout_url"] == f"{BASE_URL}/oidc/logout"
    assert_strict(page)
    nobody = stage.browser().fetch("/oidc/session")
    assert (nobody.status, nobody.json()["login_url"]) == (401, f"{BASE_URL}/oidc/login")


@pytest.mark.row("LO-11", "RD-19")
def test_a_refused_return_path_ends_on_the_page_that_says_so(stage, browser):
    """Not on the landing page: that one is protected, and would sign in again without a click."""
    page = browser.post_form("/oidc/logout", {"return_to": "https://evil.example"})
    assert page.url.partition("?")[0] == f"{BASE_URL}/oidc/signed-out"
    assert stage.who(browser) is None
