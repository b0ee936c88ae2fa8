"""Signing out: on purpose it works, here and at the provider; from another site it does nothing."""

import re

import pytest

from tests.apps.kit import BASE_URL, Place, forms_on, links_on
from tests.conformance.party import assert_strict

EVIL = "https://evil.example/page"


@pytest.mark.row("LO-02", "LO-11")
def test_post_from_the_app_itself(place):
    browser = place.signed_in()
    page = browser.post_form("/oidc/logout")
    assert (page.status, page.url.partition("?")[0]) == (200, BASE_URL + "/oidc/signed-out")
    assert "signed out" in page.text
    assert_strict(page)
    (asked,) = place.provider.signed_out
    assert asked["post_logout_redirect_uri"] == BASE_URL + "/oidc/signed-out"
    assert asked["id_token_hint"] == place.provider.issued_id_tokens[-1]
    assert asked["client_id"] == place.provider.client_id
    assert not any(re.search(r"oidc_.{8}_s", name) for name in browser.cookies.names(place.clock.now()))
    assert browser.fetch("/who").status == 401
    assert browser.login("/deep/x").status == 200


@pytest.mark.row("LO-02")
def test_the_local_session_ends_before_the_provider_is_told(place):
    browser = place.signed_in()
    page = browser.post_form("/oidc/logout", follow=False)
    assert page.is_redirect
    assert browser.fetch("/who").status == 401
    place.provider.end_session(page.location)


@pytest.mark.row("LO-02", "LO-12")
def test_a_provider_that_is_away_keeps_nobody_signed_in(framework):
    import httpx

    place = Place(framework)
    browser = place.signed_in()
    place.clock.advance(3000)
    assert browser.fetch("/who").status == 200
    place.provider.script("discovery", raises=httpx.ConnectError("refused"))
    place.clock.advance(3000)
    browser.post_form("/oidc/logout", follow=False)
    assert browser.fetch("/who").status == 401


@pytest.mark.row("LO-01")
@pytest.mark.parametrize("initiator", [EVIL, "https://www.example.com/", "null"])
def test_another_site_can_do_nothing(place, initiator):
    browser = place.signed_in()
    source, headers = (EVIL, {"origin": "null"}) if initiator == "null" else (initiator, {})
    posted = browser.post_form("/oidc/logout", initiator=source, headers=headers)
    assert posted.status in (200, 403)
    assert all("Max-Age=0" not in cookie for cookie in posted.all("set-cookie"))
    opened = browser.navigate("/oidc/logout", initiator=source)
    embedded = browser.fetch("/oidc/logout", initiator=source, headers={"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"})
    for page in (posted, opened, embedded):
        assert_strict(page)
        assert page.all("set-cookie") == []
    assert browser.fetch("/who").status == 200
    assert place.provider.signed_out == []


@pytest.mark.row("LO-01")
def test_a_link_from_elsewhere_shows_a_button_that_works(place):
    browser = place.signed_in()
    page = browser.navigate("/oidc/logout?return_to=/public/bye", initiator=EVIL)
    assert (page.status, "Demo T. User" in page.text) == (200, True)
    ((action, fields),) = forms_on(page)
    assert browser.fetch("/who").status == 200
    assert fields["return_to"] == "/public/bye"
    browser.post_form(action, fields, initiator=page.url, follow=False)
    assert browser.fetch("/who").status == 401


@pytest.mark.row("LO-01")
def test_a_browser_without_fetch_metadata_uses_the_token_on_the_page(place):
    browser = place.signed_in()
    old = {"sec-fetch-site": "", "sec-fetch-mode": "", "sec-fetch-dest": "", "sec-fetch-user": ""}
    page = browser.navigate("/oidc/logout", headers=old)
    ((action, fields),) = forms_on(page)
    plain = {**old, "origin": ""}
    assert forms_on(browser.post_form(action, {**fields, "csrf_token": "made-up"}, headers=plain)) != []
    assert browser.fetch("/who").status == 200
    other = place.signed_in()
    ((_, foreign),) = forms_on(other.navigate("/oidc/logout", headers=old))
    place.clock.advance(1)
    assert browser.post_form(action, fields, headers=plain, follow=False).is_redirect
    assert browser.fetch("/who").status == 401
    assert other.fetch("/who").status == 200
    assert foreign["csrf_token"] != fields["csrf_token"]


@pytest.mark.row("RD-19", "LO-05")
@pytest.mark.parametrize(
    ("wish", "landing"),
    [("/public/bye", "/public/bye"), ("https://evil.example", "/"), ("//evil.example", "/"), ("/oidc/logout", "/"), ("/\\evil.example", "/")],
)
def test_the_way_after_sign_out_is_ours(place, wish, landing):
    browser = place.signed_in()
    page = browser.post_form("/oidc/logout", {"return_to": wish}, follow=False)
    back = browser.navigate(place.provider.end_session(page.location), initiator=place.provider.issuer, follow=False)
    assert back.location in (BASE_URL + landing, "")
    assert place.provider.signed_out[-1]["post_logout_redirect_uri"] == BASE_URL + "/oidc/signed-out"


@pytest.mark.row("LO-04")
@pytest.mark.parametrize("state", ["", "?state=", "?state=xyz_INVALID", "?state=a&state=b", "?error=login_required", "?state=%ff"])
def test_the_way_back_tolerates_everything(place, state):
    browser = place.signed_in()
    browser.post_form("/oidc/logout", follow=False)
    page = browser.navigate(f"/oidc/signed-out{state}", initiator=place.provider.issuer)
    assert (page.status, "signed out" in page.text) == (200, True)
    assert links_on(page) == ["/oidc/login"]
    assert_strict(page)


@pytest.mark.row("LO-09")
def test_signing_out_twice_or_without_a_session(place):
    browser = place.signed_in()
    browser.post_form("/oidc/logout")
    assert browser.post_form("/oidc/logout").status == 200
    assert place.browser().post_form("/oidc/logout").status == 200
    assert len(place.provider.signed_out) == 1
