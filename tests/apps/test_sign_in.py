"""A person opens a page: to the provider, back to where they wanted to go, and the application knows who they are."""

import pytest

from tests.apps.kit import BASE_URL, Place, links_on
from tests.conformance.party import assert_strict, codes_on


@pytest.mark.row("RD-06", "CA-04", "HD-05")
def test_the_deep_link_is_kept_and_the_app_sees_who_it_is(place):
    browser = place.browser()
    target = "/deep/a%20b/%C3%A9?x=1&y=a%2Fb&y=2"
    page = browser.navigate(target)
    assert (page.status, page.url) == (200, BASE_URL + target)
    who = page.json()
    assert who["query"] == "x=1&y=a%2Fb&y=2"
    assert (who["sub"], who["email"], who["name"]) == ("user-subject-1234531", "user@example.com", "Demo T. User")
    assert (who["groups"], who["issuer"], who["authenticated"]) == (["staff", "admins"], place.provider.issuer, True)
    assert set(who["scopes"]) == {"authenticated", "openid", "profile", "email"}
    assert [page.status for page in browser.history] == [302, 303, 200]
    assert [path for path, _ in place.diary.calls] == ["/deep/a b/é"]
    assert place.provider.complaints == []


@pytest.mark.row("HD-05")
def test_wsgi_apps_find_remote_user_and_auth_type(wsgi_place):
    who = wsgi_place.signed_in().fetch("/who").json()
    assert (who["sub"], who["identity"], who["auth_type"]) == ("user-subject-1234531", "user-subject-1234531", "oidc")


def test_requires_works_as_starlette_users_know_it(asgi_place):
    browser = asgi_place.signed_in()
    assert browser.fetch("/members").text == "for members"
    assert browser.fetch("/mail").status == 200
    other = Place(asgi_place.framework, scopes=["openid"])
    assert other.signed_in().fetch("/mail").status == 404


@pytest.mark.row("CK-13", "CK-20")
def test_the_cookies_are_what_they_should_be(place):
    browser = place.signed_in()
    assert browser.cookies.rejected == []
    sent = [header for page in browser.history for header in page.all("set-cookie")]
    assert len(sent) >= 3
    for header in sent:
        name, *attributes = header.split("; ")
        assert name.startswith("__Host-")
        assert {"Path=/", "HttpOnly", "Secure", "SameSite=Lax"} <= set(attributes)
        assert not any(attribute.startswith("Domain") for attribute in attributes)
    assert not any("_l_" in name for name in browser.cookies.names(place.clock.now())), "the pending login is still there"
    assert sum(len(cookie.name) + len(cookie.value) for cookie in browser.cookies) < 6_000


@pytest.mark.row("RD-01", "RD-02", "RD-12", "RD-16")
@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example", "/deep/..//evil.example", "/%2F%2Fevil.example", "/%5Cevil.example"])
def test_hostile_paths_lead_nowhere_else(place, path):
    browser = place.browser()
    page = browser.navigate(f"{BASE_URL}{path}", follow=False)
    if page.is_redirect:
        landed = browser.finish_login(page.location, follow=False)
        assert landed.location.startswith(BASE_URL + "/")
        assert not landed.header("location").startswith(("//", "/\\"))
    else:
        assert page.status == 400
    assert place.diary.calls == []


@pytest.mark.row("RD-16")
@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/oidc/logout", "/oidc/callback?code=x", "/a\r\nSet-Cookie: x=y"])
def test_hostile_return_paths_become_the_landing_page(place, target):
    from urllib.parse import quote

    browser = place.browser()
    landed = browser.finish_login(browser.start_login(f"/oidc/login?return_to={quote(target, safe='')}"), follow=False)
    assert landed.location == BASE_URL + "/"


@pytest.mark.row("ST-15")
def test_a_cancelled_sign_in_can_be_taken_up_again(place):
    browser = place.browser()
    location = browser.start_login("/deep/x")
    from oidc_middleware.testing import REMOVE

    page = browser.finish_login(location, code=REMOVE, error="access_denied", error_description="no")
    assert (page.status, codes_on(page)) == (403, ["access_denied"])
    assert_strict(page)
    assert place.diary.calls == []
    again = browser.navigate(links_on(page)[0], initiator=BASE_URL + "/oidc/callback")
    assert (again.status, again.url) == (200, BASE_URL + "/deep/x")


@pytest.mark.row("ST-06", "CI-02")
def test_reloading_the_callback_leads_back_into_the_app(place):
    browser = place.browser()
    answer = place.provider.respond(browser.start_login("/deep/x"))
    jar = browser.cookies.copy()
    browser.deliver(answer)
    again = browser.deliver(answer)
    assert again.status == 200
    assert again.url.startswith(BASE_URL + "/")
    thief = place.browser()
    thief.cookies = jar  # the old cookies, before the login was completed
    replayed = thief.deliver(answer)
    assert replayed.status == 400
    assert thief.fetch("/who").status == 401
    assert len(place.provider.received("token")) == 1


@pytest.mark.row("ST-07")
def test_an_expired_sign_in_says_so_and_keeps_the_deep_link(place):
    browser = place.browser()
    location = browser.start_login("/deep/x?y=1")
    place.clock.advance(10 * 60 + 61)
    page = browser.finish_login(location)
    assert (page.status, codes_on(page)) == (400, ["transaction_expired"])
    assert place.provider.received("token") == []
    again = browser.navigate(links_on(page)[0], initiator=page.url)
    assert (again.status, again.url) == (200, BASE_URL + "/deep/x?y=1")


@pytest.mark.row("CK-07")
def test_sessions_end_by_idleness_and_by_age(place):
    idle = place.signed_in()
    for cookie in idle.cookies:
        cookie.expires = None
    busy = place.signed_in()
    for _ in range(15):
        place.clock.advance(30 * 60)
        assert busy.fetch("/who").status == 200
    assert idle.fetch("/who").status == 401
    stolen = busy.twin()
    for cookie in stolen.cookies:
        cookie.expires = None  # whoever steals a cookie does not keep to its Max-Age
    place.clock.advance(25 * 60)
    assert stolen.fetch("/who").status == 200
    for cookie in stolen.cookies:
        cookie.expires = None
    place.clock.advance(10 * 60)  # eight hours have passed since the login, though it was never idle
    assert busy.fetch("/who").status == 401
    assert stolen.fetch("/who").status == 401
