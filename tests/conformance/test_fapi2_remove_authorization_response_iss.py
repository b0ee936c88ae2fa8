"""fapi2-security-profile-final-client-test-remove-authorization-response-iss: iss is announced in the metadata, and missing from the answer."""

import pytest

from oidc_middleware.testing import REMOVE


@pytest.mark.row("MX-02")
def test_refused(party):
    party.provider.sends_iss = True
    party.refuses(lambda provider: None, code="iss_missing", status=400, token=0, response={"iss": REMOVE})
