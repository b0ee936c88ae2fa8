"""fapi2-security-profile-final-client-test-token-endpoint-response-without-expires_in: its absence, and odd values, mean "unknown"."""

import pytest

from oidc_middleware.testing import REMOVE


@pytest.mark.row("ID-32")
@pytest.mark.parametrize("expires_in", [REMOVE, 300, 0, -1, "300", "soon", None])
def test_accepted(party, expires_in):
    party.provider.token_edits["expires_in"] = expires_in
    party.accepts()
