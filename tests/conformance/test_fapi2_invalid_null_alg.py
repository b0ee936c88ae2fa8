"""fapi2-security-profile-final-client-test-invalid-null-alg: alg none in the header."""

import pytest


@pytest.mark.row("ID-01")
def test_refused(party):
    def bend(provider):
        provider.id_token_alg = "none"

    party.refuses(bend, code="id_token_algorithm", status=502)
