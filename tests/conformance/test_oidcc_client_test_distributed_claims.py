"""oidcc-client-test-distributed-claims: claims wait at another endpoint. Not fetched: the endpoint may be anybody's (SSRF)."""

import pytest


@pytest.mark.row("UI-06")
def test_not_fetched(party):
    sources = {"src1": {"endpoint": "https://169.254.169.254/latest", "access_token": "distributed"}}
    party.provider.userinfo_edits = {"_claim_names": {"credit_score": "src1"}, "_claim_sources": sources}
    claims, _ = party.accepts()
    assert "credit_score" not in claims
    assert {request.endpoint for request in party.provider.requests} == {"discovery", "jwks", "token", "userinfo"}
