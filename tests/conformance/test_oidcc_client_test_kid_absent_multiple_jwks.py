"""oidcc-client-test-kid-absent-multiple-jwks: no kid, three signing keys of each type. To try all or to refuse is allowed; here all are tried."""

import pytest

from oidc_middleware.testing import REMOVE
from oidc_middleware.testing.keys import ProviderKeys, make_key


@pytest.fixture
def keys():
    return ProviderKeys(per_kind=3)


@pytest.mark.row("ID-07")
def test_all_fitting_keys_are_tried(party, keys):
    party.provider.keys = keys
    party.provider.jwks_edit = lambda document: keys.document(with_kid=False)
    party.provider.id_token_header["kid"] = REMOVE
    party.accepts()


@pytest.mark.row("ID-07")
def test_a_key_that_is_not_among_them_is_refused(party, keys):
    party.provider.keys = keys
    party.provider.jwks_edit = lambda document: keys.document(with_kid=False)
    party.provider.id_token_header["kid"] = REMOVE

    def bend(provider):
        provider.id_token_key = make_key("RSA", 99)

    party.refuses(bend, code="id_token_key_unknown")
