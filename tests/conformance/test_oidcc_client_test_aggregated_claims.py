"""oidcc-client-test-aggregated-claims: claims of others come along in a JWT. Not resolved: nobody vouched for their signer."""

import json

import pytest

from oidc_middleware.testing.keys import make_key, sign_compact


@pytest.mark.row("UI-06")
def test_not_resolved(party):
    inner = sign_compact({"alg": "ES256"}, json.dumps({"address": {"locality": "Forged"}}).encode(), make_key("P-256"), "ES256")
    party.provider.userinfo_edits = {"_claim_names": {"address": "src1"}, "_claim_sources": {"src1": {"JWT": inner}}}
    claims, _ = party.accepts()
    assert claims["email"] == "user@example.com"
    assert "address" not in claims
    assert "Forged" not in json.dumps(claims)
