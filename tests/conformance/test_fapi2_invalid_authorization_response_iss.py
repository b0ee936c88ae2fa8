"""fapi2-security-profile-final-client-test-invalid-authorization-response-iss: the answer names another issuer (RFC 9207 2.4)."""

import pytest

from oidc_middleware.testing import REMOVE


@pytest.mark.row("MX-01", "MX-03", "MX-04")
@pytest.mark.parametrize("advertised", [True, False])
@pytest.mark.parametrize("change", [lambda issuer: "https://evil.example", lambda issuer: issuer + "/", lambda issuer: issuer.upper()])
def test_refused(party, advertised, change):
    party.provider.sends_iss = advertised
    party.refuses(lambda provider: None, code="iss_mismatch", status=400, token=0, response={"iss": change(party.provider.issuer)})


@pytest.mark.row("MX-03")
@pytest.mark.parametrize("advertised", [True, False])
def test_the_right_one_is_accepted(party, advertised):
    party.provider.sends_iss = advertised
    party.provider.authorization_response_edits["iss"] = party.provider.issuer
    party.accepts()


@pytest.mark.row("MX-01", "ST-15")
def test_error_answers_are_held_to_it_as_well(party):
    response = {"code": REMOVE, "iss": "https://evil.example", "error": "access_denied"}
    party.refuses(lambda provider: None, code="iss_mismatch", status=400, token=0, response=response)
