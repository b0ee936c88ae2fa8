"""oidcc-client-test-invalid-aud: the ID token is for client_id with a 1 appended."""

import pytest


@pytest.mark.row("ID-16")
def test_refused(party):
    def bend(provider):
        provider.id_token_claims["aud"] = lambda audience: audience + "1"

    party.refuses(bend, code="id_token_audience", status=502)
