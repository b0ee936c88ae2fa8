"""oidcc-client-test-scope-userinfo-claims: claims come from UserInfo, according to the scopes asked for."""

import pytest


@pytest.mark.parametrize(
    ("scopes", "there", "missing"),
    [
        (["openid", "email"], {"email", "email_verified"}, {"name", "address", "phone_number"}),
        (["openid", "profile"], {"name", "preferred_username", "birthdate"}, {"email", "address", "phone_number"}),
        (["openid", "address", "phone"], {"address", "phone_number"}, {"name", "email"}),
    ],
)
def test_claims_follow_scopes(party, scopes, there, missing):
    party.restart(scopes=scopes)
    claims, _ = party.accepts()
    assert there <= set(claims)
    assert not missing & set(claims)
    assert party.count("userinfo") == 1


def test_openid_alone_needs_no_userinfo(party):
    party.restart(scopes=["openid"])
    claims, _ = party.accepts()
    assert "email" not in claims
    assert party.count("userinfo") == 0


def test_claims_in_the_id_token_need_no_userinfo(party):
    party.provider.claims_in_id_token = True
    claims, _ = party.accepts()
    assert claims["email"] == "user@example.com"
    assert party.count("userinfo") == 0


@pytest.mark.row("UI-05")
def test_userinfo_overrides_no_claim_of_the_id_token(party):
    party.restart(userinfo="always")
    party.provider.userinfo_edits = {"iss": "https://evil.example", "sid": "stolen", "acr": "high", "nonce": "n", "auth_time": 1, "exp": 99}
    claims, _ = party.accepts()
    assert claims.get("iss", party.provider.issuer) == party.provider.issuer
    assert not {"sid", "acr", "nonce", "auth_time", "exp"} & set(claims)
