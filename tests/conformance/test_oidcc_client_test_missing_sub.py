"""oidcc-client-test-missing-sub: the ID token has no sub."""

import pytest

from oidc_middleware.testing import REMOVE


@pytest.mark.row("ID-21")
def test_refused(party):
    def bend(provider):
        provider.id_token_claims["sub"] = REMOVE

    party.refuses(bend, code="id_token_subject", status=502)
