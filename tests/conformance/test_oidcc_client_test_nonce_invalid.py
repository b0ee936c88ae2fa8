"""oidcc-client-test-nonce-invalid: the ID token's nonce has a 1 appended."""

import pytest


@pytest.mark.row("NO-02")
def test_refused(party):
    def bend(provider):
        provider.id_token_claims["nonce"] = lambda nonce: nonce + "1"

    party.refuses(bend, code="nonce_mismatch", status=400)
