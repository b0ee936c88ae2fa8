"""A mount path that only ``base_url`` knows: the proxy passes the whole path on, and the app serves it itself, as Dash does."""

import pytest

from tests.apps.kit import BASE_URL, Place

BOARD = f"{BASE_URL}/deep"


@pytest.mark.row("DS-07", "PA-09")
def test_sign_in_and_out(framework):
    place = Place(framework, base_url=BOARD, public=["/open/*"])
    place.provider.redirect_uris = [f"{BOARD}/oidc/callback"]
    place.provider.post_logout_redirect_uris = [f"{BOARD}/oidc/signed-out"]
    browser = place.browser({BASE_URL: place.app})
    page = browser.navigate("/deep/x?y=1")
    assert (page.status, page.url) == (200, f"{BOARD}/x?y=1")
    assert len(browser.history) == 3
    assert browser.fetch("/deep/oidc/session").status == 200
    assert browser.stranger().fetch("/deep/y").status == 401
    assert browser.stranger().fetch("/deep/open/y").status == 200
    page = browser.post_form("/deep/oidc/logout")
    assert (page.status, page.url.partition("?")[0]) == (200, f"{BOARD}/oidc/signed-out")
    assert browser.fetch("/deep/x").status == 401
