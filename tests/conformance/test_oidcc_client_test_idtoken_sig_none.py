"""oidcc-client-test-idtoken-sig-none: an unsigned ID token from the token endpoint. Allowed by OIDC Core 3.1.3.7 (6), refused here."""

import pytest


@pytest.mark.row("ID-01", "ID-04")
def test_refused(party):
    def bend(provider):
        provider.id_token_alg = "none"

    party.refuses(bend, code="id_token_algorithm", status=502)
