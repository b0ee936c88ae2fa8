"""oidcc-client-test-kid-absent-single-jwks: no kid anywhere, one signing key of each type, and two encryption keys with kid."""

import pytest

from oidc_middleware.testing import REMOVE
from oidc_middleware.testing.keys import ProviderKeys


@pytest.mark.row("ID-06")
def test_the_only_rsa_key_is_found(party):
    party.provider.keys = ProviderKeys(per_kind=1)
    party.provider.jwks_edit = lambda document: party.provider.keys.document(with_kid=False)
    party.provider.id_token_header["kid"] = REMOVE
    party.accepts()
    assert party.count("jwks") == 1
