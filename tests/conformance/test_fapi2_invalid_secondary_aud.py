"""fapi2-security-profile-final-client-test-invalid-secondary-aud: a second, unknown audience beside ours."""

import pytest


@pytest.mark.row("ID-16")
def test_refused(party):
    def bend(provider):
        provider.id_token_claims["aud"] = lambda audience: [audience, "https://other.example"]

    party.refuses(bend, code="id_token_audience", status=502)
