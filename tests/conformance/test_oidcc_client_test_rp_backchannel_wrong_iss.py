"""oidcc-client-test-rp-backchannel-wrong-iss: a token of another issuer."""

import pytest

from tests.conformance.backchannel import refuses_logout_token


@pytest.mark.row("LT-05")
def test_refused(logout_party):
    refuses_logout_token(logout_party, lambda: logout_party.provider.logout_token(iss=lambda iss: iss + "INVALID"))
