"""fapi2-security-profile-final-client-test-valid-aud-as-array: our client id as the only element of an array."""

import pytest


@pytest.mark.row("ID-16")
def test_accepted(party):
    party.provider.id_token_claims["aud"] = lambda audience: [audience]
    party.accepts()
