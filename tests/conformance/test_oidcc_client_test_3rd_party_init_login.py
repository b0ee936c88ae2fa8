"""oidcc-client-test-3rd-party-init-login: the login starts at our initiate endpoint, named as initiate_login_uri in the registration."""

from urllib.parse import urlencode

import pytest

from tests.conformance.party import BASE_URL, DEEP_LINK


@pytest.mark.row("SS-01")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_whole_flow(party, method):
    browser, issuer = party.browser(), party.provider.issuer
    given = {"iss": issuer, "target_link_uri": BASE_URL + DEEP_LINK}
    if method == "GET":
        page = browser.navigate(f"/oidc/initiate?{urlencode(given)}", initiator=issuer)
    else:
        page = browser.post_form("/oidc/initiate", given, initiator=issuer)
    assert (page.status, page.url) == (200, BASE_URL + DEEP_LINK)
    assert party.count("userinfo") == 1
    assert party.provider.complaints == []
    party.assert_nothing_leaked()
