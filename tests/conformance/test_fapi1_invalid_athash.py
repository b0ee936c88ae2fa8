"""fapi1-advanced-final-client-test-invalid-athash and oidcc-client-test-invalid-athash: at_hash belongs to another access token."""

import pytest


@pytest.mark.row("ID-28")
def test_refused(party):
    def bend(provider):
        provider.id_token_claims["at_hash"] = lambda value: value[::-1]

    party.refuses(bend, code="id_token_at_hash", status=502)
