"""oidcc-client-test-rp-backchannel-with-nonce: a nonce, which only ID tokens have."""

import pytest

from tests.conformance.backchannel import refuses_logout_token


@pytest.mark.row("LT-11")
def test_refused(logout_party):
    refuses_logout_token(logout_party, lambda: logout_party.provider.logout_token(nonce="nonce"))
