"""oidcc-client-test-rp-backchannel-alg-none: an unsigned logout token."""

import pytest

from tests.conformance.backchannel import refuses_logout_token


@pytest.mark.row("LT-03")
def test_refused(logout_party):
    refuses_logout_token(logout_party, lambda: logout_party.provider.logout_token(alg="none"))
