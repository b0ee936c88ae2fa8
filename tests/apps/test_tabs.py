"""Many tabs, and many sign-ins that nobody finishes."""

import pytest

from tests.apps.kit import BASE_URL
from tests.conformance.party import assert_strict


@pytest.mark.row("SF-04")
def test_five_tabs_sign_in_at_once_and_each_lands_on_its_own_page(place):
    browser = place.browser()
    started = {f"/deep/{tab}": browser.start_login(f"/deep/{tab}") for tab in range(5)}
    for path, location in reversed(started.items()):
        page = browser.finish_login(location)
        assert (page.status, page.url) == (200, BASE_URL + path)
    assert len(place.provider.received("token")) == 5
    assert place.provider.complaints == []


@pytest.mark.row("DS-01", "DS-02")
def test_sixty_abandoned_navigations(place):
    browser = place.browser()
    for number in range(60):
        location = browser.start_login(f"/deep/{number}?" + "x" * 200)
        names = browser.cookies.names(place.clock.now())
        assert len(names) <= 6
        assert sum(len(cookie.name) + len(cookie.value) for cookie in browser.cookies) <= 2_600
        place.clock.advance(1)
    page = browser.finish_login(location)
    assert (page.status, page.url.partition("?")[0]) == (200, BASE_URL + "/deep/59")


@pytest.mark.row("DS-01")
def test_long_addresses_are_held_to_the_budget_as_well(place):
    browser = place.browser()
    for number in range(10):
        browser.start_login(f"/deep/{number}?" + "x" * 1900)
        assert sum(len(cookie.name) + len(cookie.value) for cookie in browser.cookies) <= 6_000


@pytest.mark.row("SF-03", "SF-01")
def test_somebody_else_signs_in_over_an_existing_session(place):
    browser = place.signed_in()
    before = {cookie.value for cookie in browser.cookies}
    place.provider.user = {**place.provider.user, "sub": "somebody-else", "name": "Else", "groups": []}
    browser.login("/oidc/login?return_to=/who")
    who = browser.fetch("/who").json()
    assert (who["sub"], who["name"], who["groups"]) == ("somebody-else", "Else", [])
    assert not before & {cookie.value for cookie in browser.cookies}


@pytest.mark.row("CI-07")
def test_a_sign_in_under_way_survives_a_sign_out(place):
    browser = place.signed_in()
    location = browser.start_login("/oidc/login?return_to=/deep/x")
    browser.post_form("/oidc/logout", follow=False)
    assert browser.fetch("/who").status == 401
    assert browser.finish_login(location).url == BASE_URL + "/deep/x"


@pytest.mark.row("DS-07")
def test_a_browser_that_keeps_no_cookie_is_told_so(place, caplog):
    """Round trips of one minute are counted in a cookie of their own; the session's is what gets lost here."""
    browser = place.browser()
    page = None
    for _ in range(8):
        page = browser.navigate("/deep/x", follow=False)
        if not page.is_redirect:
            break
        browser.finish_login(page.location, follow=False)
        for cookie in [cookie for cookie in browser.cookies if cookie.name.endswith("_s")]:
            browser.cookies.receive(BASE_URL, [f"{cookie.name}=; Path=/; Secure; Max-Age=0"], place.clock.now())
    assert page.status == 400
    assert caplog.records[-1].code == "login_loop"
    assert "cookie" in page.text
    assert_strict(page)
    assert len(place.provider.received("token")) == 3
    assert place.diary.calls == []
