"""fapi1-advanced-final-client-test-iat-is-week-in-past: an ID token issued a week ago.

The module lets a client accept it; here a login's ID token may be 600 seconds old (catalogue ID-19)."""

import pytest


@pytest.mark.row("ID-19")
def test_refused(party):
    def bend(provider):
        provider.id_token_claims["iat"] = lambda issued: issued - 7 * 86_400

    party.refuses(bend, code="id_token_iat", status=502)
