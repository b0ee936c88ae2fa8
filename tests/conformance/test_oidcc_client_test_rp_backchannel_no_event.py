"""oidcc-client-test-rp-backchannel-no-event: a token that does not say that it is a logout token."""

import pytest

from oidc_middleware.testing import REMOVE
from tests.conformance.backchannel import refuses_logout_token


@pytest.mark.row("LT-10")
def test_refused(logout_party):
    refuses_logout_token(logout_party, lambda: logout_party.provider.logout_token(events=REMOVE))
