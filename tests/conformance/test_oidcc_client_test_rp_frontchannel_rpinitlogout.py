"""oidcc-client-test-rp-frontchannel-rpinitlogout: a sign-out started here comes back as a frame in the provider's page, and then as a redirect."""

from urllib.parse import urlencode

import pytest

from oidc_middleware.testing import Sent
from tests.conformance.backchannel import lives, signs_in
from tests.conformance.party import BASE_URL


def frame(party, **parameters):
    """The provider's sign-out page frames the address that was registered, with ``iss`` and ``sid`` added (Front-Channel Logout 3)."""
    headers = {
        "host": "app.example.com",
        "accept": "text/html",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "iframe",
        "sec-fetch-site": "cross-site",
    }
    url = f"{BASE_URL}/oidc/frontchannel-logout?{urlencode(parameters)}"
    return party.browser()._sites[0][1](Sent("GET", url, headers=tuple(headers.items())))


def signs_out(party):
    """The module, with two browsers more: one that shares the session at the provider, and one of somebody else."""
    browser, elsewhere = signs_in(party, "ada", "session-1"), signs_in(party, "ada", "session-1")
    bystander = signs_in(party, "bob", "session-2")
    party.clock.advance(1)
    left = browser.post_form("/oidc/logout", follow=False)
    back = party.provider.end_session(left.location)
    page = frame(party, iss=party.provider.issuer, sid="session-1")
    assert (page.status, page.all("cache-control")) == (200, ["no-store"])
    assert f"frame-ancestors {party.provider.issuer}" in page.header("content-security-policy")
    done = browser.navigate(back, initiator=party.provider.issuer)
    assert (done.status, done.url.partition("?")[0]) == (200, BASE_URL + "/oidc/signed-out")
    assert [lives(who) for who in (browser, bystander)] == [False, True]
    assert party.provider.complaints == []
    party.accepts(browser)
    return elsewhere


@pytest.mark.row("LO-02", "LO-06", "LO-07")
def test_rp_frontchannel_rpinitlogout(party):
    party.restart(registration={"end_session": True})
    elsewhere = signs_out(party)
    assert lives(elsewhere) is not party.app._rp.revocable, "in a cookie alone, only its own browser can end it"


@pytest.mark.row("LO-02", "LO-06", "LO-07")
def test_rp_frontchannel_rpinitlogout_wherever_sessions_are(logout_party):
    assert not lives(signs_out(logout_party))
