"""fapi2-security-profile-final-client-test-invalid-missing-exp: the ID token has no exp."""

import pytest

from oidc_middleware.testing import REMOVE


@pytest.mark.row("ID-18")
def test_refused(party):
    def bend(provider):
        provider.id_token_claims["exp"] = REMOVE

    party.refuses(bend, code="id_token_expired", status=502)
