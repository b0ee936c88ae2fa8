"""oidcc-client-test-rp-backchannel-wrong-event: a token about another event."""

import pytest

from tests.conformance.backchannel import refuses_logout_token


@pytest.mark.row("LT-10")
def test_refused(logout_party):
    refuses_logout_token(logout_party, lambda: logout_party.provider.logout_token(events={"http://schemas.openid.net/event/INVALID": {}}))
