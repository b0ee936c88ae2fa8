"""oidcc-client-test-missing-aud: the ID token has no aud."""

import pytest

from oidc_middleware.testing import REMOVE


@pytest.mark.row("ID-16")
def test_refused(party):
    def bend(provider):
        provider.id_token_claims["aud"] = REMOVE

    party.refuses(bend, code="id_token_audience", status=502)
