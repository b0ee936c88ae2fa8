"""oidcc-client-test-invalid-iss: the ID token names the issuer with a 1 appended."""

import pytest


@pytest.mark.row("ID-15")
def test_refused(party):
    def bend(provider):
        provider.id_token_claims["iss"] = lambda issuer: issuer + "1"

    party.refuses(bend, code="id_token_issuer", status=502)
