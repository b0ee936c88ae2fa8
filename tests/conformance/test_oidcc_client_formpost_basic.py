"""oidcc-client-formpost-basic-certification-test-plan: modules of the Basic plan once more, with the answer posted as a form."""

import pytest

from oidc_middleware.testing import REMOVE
from tests.conformance.party import flip_signature

BENT = {
    "invalid-iss": ({"id_token_claims": {"iss": lambda issuer: issuer + "1"}}, "id_token_issuer", 502, 0),
    "missing-sub": ({"id_token_claims": {"sub": REMOVE}}, "id_token_subject", 502, 0),
    "invalid-aud": ({"id_token_claims": {"aud": lambda audience: audience + "1"}}, "id_token_audience", 502, 0),
    "missing-iat": ({"id_token_claims": {"iat": REMOVE}}, "id_token_iat", 502, 0),
    "idtoken-sig-none": ({"id_token_alg": "none"}, "id_token_algorithm", 502, 0),
    "invalid-sig-rs256": ({"id_token_edit": flip_signature}, "id_token_signature", 502, 0),
    "userinfo-invalid-sub": ({"userinfo_edits": {"sub": lambda subject: subject + "invalid"}}, "userinfo_sub_mismatch", 502, 1),
    "nonce-invalid": ({"id_token_claims": {"nonce": lambda nonce: nonce + "1"}}, "nonce_mismatch", 400, 0),
}


@pytest.fixture
def form_post(party):
    party.restart(response_mode="form_post")
    return party


def test_the_whole_flow(form_post):
    form_post.accepts()
    assert form_post.provider.authorizations[0]["response_mode"] == "form_post"


@pytest.mark.row("ID-01", "ID-15", "ID-16", "ID-19", "ID-21", "NO-02", "UI-01")
@pytest.mark.parametrize("module", list(BENT))
def test_refused(form_post, module):
    attributes, code, status, userinfo = BENT[module]

    def bend(provider):
        for name, value in attributes.items():
            setattr(provider, name, value)

    form_post.refuses(bend, code=code, status=status, userinfo=userinfo)
