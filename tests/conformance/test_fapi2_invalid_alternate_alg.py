"""fapi2-security-profile-final-client-test-invalid-alternate-alg: validly signed by a published key, but with PS256 instead of RS256."""

import pytest


@pytest.mark.row("ID-03", "ID-04")
def test_refused(party):
    def bend(provider):
        provider.id_token_alg = "PS256"

    party.refuses(bend, code="id_token_algorithm", status=502)
