"""fapi2-security-profile-final-client-test-invalid-missing-iss: the ID token has no iss."""

import pytest

from oidc_middleware.testing import REMOVE


@pytest.mark.row("ID-15")
def test_refused(party):
    def bend(provider):
        provider.id_token_claims["iss"] = REMOVE

    party.refuses(bend, code="id_token_issuer", status=502)
