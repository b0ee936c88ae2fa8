"""oidcc-client-test-rp-backchannel-wrong-alg: signed with another algorithm than agreed, by a key that is in the key set."""

import pytest

from tests.conformance.backchannel import refuses_logout_token


@pytest.mark.row("LT-03")
def test_refused(logout_party):
    refuses_logout_token(logout_party, lambda: logout_party.provider.logout_token(alg="ES256"))
