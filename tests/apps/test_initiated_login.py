"""Third-party initiated login (OIDC Core 4): the provider, or a portal, sends somebody here to sign in."""

from urllib.parse import urlencode

import pytest

from tests.apps.kit import BASE_URL
from tests.conformance.party import assert_strict, codes_on


def parameters(place, **changes):
    given = {"iss": place.provider.issuer, "target_link_uri": f"{BASE_URL}/deep/x?y=1", "login_hint": "ada@example.com", **changes}
    return {name: value for name, value in given.items() if value is not None}


@pytest.mark.row("SS-01")
def test_get(place):
    browser = place.browser()
    page = browser.navigate(f"/oidc/initiate?{urlencode(parameters(place))}", initiator=place.provider.issuer)
    assert (page.status, page.url) == (200, f"{BASE_URL}/deep/x?y=1")
    assert place.provider.authorizations[0]["login_hint"] == "ada@example.com"


@pytest.mark.row("SS-01")
def test_post(place):
    browser = place.browser()
    page = browser.post_form("/oidc/initiate", parameters(place), initiator=place.provider.issuer)
    assert (page.status, page.url) == (200, f"{BASE_URL}/deep/x?y=1")
    assert place.provider.authorizations[0]["login_hint"] == "ada@example.com"


@pytest.mark.row("SS-01")
@pytest.mark.parametrize("issuer", ["http://169.254.169.254/", "https://op.example/", "HTTPS://OP.EXAMPLE", "https://op.example.evil.example", None])
def test_other_issuers_are_refused_before_anything_happens(place, issuer):
    browser = place.browser()
    page = browser.navigate(f"/oidc/initiate?{urlencode(parameters(place, iss=issuer))}", initiator="https://evil.example")
    assert (page.status, codes_on(page)) == (400, ["iss_mismatch"])
    assert_strict(page)
    assert place.provider.requests == []
    assert len(browser.cookies) == 0


@pytest.mark.row("SS-01", "RD-09", "RD-16", "ST-18")
@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        f"{BASE_URL}.evil.example/",
        f"{BASE_URL}@evil.example/",
        f"{BASE_URL}//evil.example/",
        "http://app.example.com/x",
        f"{BASE_URL}/oidc/logout",
        "javascript:alert(1)",
        None,
    ],
)
def test_foreign_targets_become_the_landing_page(place, target):
    browser = place.browser()
    query = urlencode(parameters(place, target_link_uri=target, state="x" * 43, redirect_uri="https://evil.example", scope="admin"))
    page = browser.navigate(f"/oidc/initiate?{query}", initiator="https://evil.example")
    assert (page.status, page.url) == (200, f"{BASE_URL}/")
    (asked,) = place.provider.authorizations
    assert asked["redirect_uri"] == f"{BASE_URL}/oidc/callback"
    assert asked["scope"] == "openid profile email"
    assert asked["state"] != "x" * 43


@pytest.mark.row("ST-16", "SS-01")
def test_an_existing_session_is_left_alone(place):
    browser = place.signed_in()
    browser.navigate(f"/oidc/initiate?{urlencode(parameters(place))}", initiator="https://evil.example", follow=False)
    assert browser.fetch("/who").status == 200


@pytest.mark.row("SS-01")
def test_an_oversized_hint_is_left_out(place):
    location = place.browser().start_login(f"/oidc/initiate?{urlencode(parameters(place, login_hint='x' * 5000))}")
    assert "login_hint" not in location
