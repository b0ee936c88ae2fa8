"""fapi2-security-profile-final-client-test-token-type-case-insensitivity: bEARER is Bearer (RFC 6749 5.1)."""

import pytest

from oidc_middleware.testing import REMOVE


@pytest.mark.row("ID-32")
@pytest.mark.parametrize("token_type", ["bEARER", "bearer", "BEARER"])
def test_accepted(party, token_type):
    party.provider.token_edits["token_type"] = token_type
    party.accepts()


@pytest.mark.row("ID-32")
@pytest.mark.parametrize("token_type", ["mac", "DPoP", REMOVE, None, 1])
def test_other_types_are_refused(party, token_type):
    party.refuses(lambda provider: provider.token_edits.update(token_type=token_type), code="token_response_invalid")
