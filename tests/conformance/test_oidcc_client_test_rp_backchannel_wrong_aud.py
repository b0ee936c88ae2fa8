"""oidcc-client-test-rp-backchannel-wrong-aud: a token for somebody else."""

import pytest

from tests.conformance.backchannel import refuses_logout_token


@pytest.mark.row("LT-06")
def test_refused(logout_party):
    refuses_logout_token(logout_party, lambda: logout_party.provider.logout_token(aud=lambda aud: aud + "INVALID"))
