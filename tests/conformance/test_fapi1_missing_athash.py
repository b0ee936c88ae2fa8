"""fapi1-advanced-final-client-test-missing-athash: at_hash is optional in the code flow (OIDC Core 3.1.3.6)."""

import pytest

from oidc_middleware.testing import REMOVE


@pytest.mark.row("ID-28")
def test_accepted(party):
    party.provider.id_token_claims["at_hash"] = REMOVE
    party.accepts()
