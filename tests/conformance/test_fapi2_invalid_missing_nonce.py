"""fapi2-security-profile-final-client-test-invalid-missing-nonce: the ID token has no nonce although one was sent."""

import pytest

from oidc_middleware.testing import REMOVE


@pytest.mark.row("NO-01")
def test_refused(party):
    def bend(provider):
        provider.id_token_claims["nonce"] = REMOVE

    party.refuses(bend, code="nonce_missing", status=400)
