"""oidcc-client-test-discovery-issuer-mismatch: the metadata names the issuer with INVALID appended. Nobody is sent there."""

import pytest

from tests.conformance.party import DEEP_LINK, assert_strict, codes_on


@pytest.mark.row("DI-01", "MX-07")
@pytest.mark.parametrize("change", [lambda issuer: issuer + "INVALID", lambda issuer: issuer + "/", str.upper, lambda issuer: [issuer]])
def test_stops_before_the_authorization_request(party, change):
    party.provider.metadata_edits["issuer"] = change
    browser = party.browser()
    page = browser.navigate(DEEP_LINK)
    assert (page.status, page.is_redirect) == (502, False)
    assert codes_on(page)[0].startswith("metadata_")
    assert_strict(page)
    assert len(browser.cookies) == 0
    assert party.seen == []
    assert {request.endpoint for request in party.provider.requests} == {"discovery"}
    assert party.provider.authorizations == []


@pytest.mark.row("DI-01", "DI-13")
def test_sessions_live_on_and_logins_work_again_once_it_is_right(party):
    _, browser = party.accepts()
    party.provider.metadata_edits["issuer"] = lambda issuer: issuer + "INVALID"
    party.clock.advance(3000)
    assert browser.fetch("/api").status == 200
    party.clock.advance(1000)  # the metadata is older than an hour: refreshed, found wrong, and the good copy kept
    party.accepts()
    del party.provider.metadata_edits["issuer"]
    party.clock.advance(60)
    party.accepts()
