"""oidcc-client-test-missing-iat: the ID token has no iat."""

import pytest

from oidc_middleware.testing import REMOVE


@pytest.mark.row("ID-19")
def test_refused(party):
    def bend(provider):
        provider.id_token_claims["iat"] = REMOVE

    party.refuses(bend, code="id_token_iat", status=502)
