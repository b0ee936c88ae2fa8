"""fapi2-security-profile-final-client-test-ensure-authorization-response-with-invalid-missing-state-fails."""

import pytest

from oidc_middleware.testing import REMOVE
from tests.conformance.party import DEEP_LINK


@pytest.mark.row("ST-01")
def test_refused(party):
    browser = party.browser()
    location = browser.start_login(DEEP_LINK)
    answer = party.provider.respond(location, state=REMOVE)
    party.assert_refused(lambda: browser.deliver(answer), browser, code="state_missing", status=400)
    assert party.count("token") == 0
    assert browser.finish_login(location).url == "https://app.example.com" + DEEP_LINK


@pytest.mark.row("ST-10")
@pytest.mark.parametrize("name", ["state", "code", "iss"])
def test_repeated_parameters_are_refused(party, name):
    browser = party.browser()
    location = browser.start_login(DEEP_LINK)
    answer = party.provider.respond(location, **{name: ["one", "two"]})
    party.assert_refused(lambda: browser.deliver(answer), browser, code="duplicate_parameter", status=400)
    assert party.count("token") == 0
    assert browser.finish_login(location).status == 200
