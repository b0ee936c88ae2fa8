"""fapi2-security-profile-final-client-test-invalid-expired-exp: the ID token expired an hour ago."""

import pytest


@pytest.mark.row("ID-18")
def test_refused(party):
    def bend(provider):
        provider.id_token_claims["exp"] = lambda expires: expires - 3600

    party.refuses(bend, code="id_token_expired", status=502)
