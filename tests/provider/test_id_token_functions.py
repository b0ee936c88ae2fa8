"""``add_id_token`` and ``id_token_hash``."""

import pytest

import oidc_middleware
from oidc_middleware.provider import add_id_token, id_token_hash

CODE = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk"
BASE = {"scopes": ["openid"], "issuer": "https://op.example", "client_id": "web", "subject": "ada", "now": 1000.9, "sign": lambda claims: claims}


def test_the_hash_of_the_specification():
    assert id_token_hash(CODE, "RS256") == id_token_hash(CODE) == "LDktKdoQak3Pk0cnXxCltA"
    assert oidc_middleware.id_token_hash is id_token_hash
    assert len(id_token_hash(CODE, "EdDSA")) == 43
    with pytest.raises(ValueError):
        id_token_hash(CODE, "none")


def test_the_smallest_token():
    token = {"token_type": "Bearer"}
    result = add_id_token(token, **BASE)
    assert result["id_token"] == {"iss": "https://op.example", "sub": "ada", "aud": "web", "azp": "web", "iat": 1000, "exp": 1300}
    assert token == {"token_type": "Bearer"}


def test_plain_oauth_gets_no_id_token():
    assert add_id_token({"access_token": "a"}, **{**BASE, "scopes": ["profile"]}) == {"access_token": "a"}


def test_hashes_bind_what_is_issued_together():
    claims = add_id_token({"access_token": "a"}, code=CODE, alg="RS256", **BASE)["id_token"]
    assert claims["at_hash"] == id_token_hash("a")
    assert claims["c_hash"] == "LDktKdoQak3Pk0cnXxCltA"
    assert add_id_token({"code": CODE}, **BASE)["id_token"]["c_hash"] == "LDktKdoQak3Pk0cnXxCltA"
    assert add_id_token({"access_token": "a"}, alg="EdDSA", **BASE)["id_token"]["at_hash"] == id_token_hash("a", "EdDSA")
    with pytest.raises(ValueError):
        add_id_token({"access_token": "a"}, alg="XY256", **BASE)


def test_auth_time_when_it_was_asked_for():
    assert "auth_time" not in add_id_token({}, auth_time=900.0, **BASE)["id_token"]
    assert add_id_token({}, auth_time=900.5, max_age=0, **BASE)["id_token"]["auth_time"] == 900
    assert add_id_token({}, auth_time=900.5, require_auth_time=True, **BASE)["id_token"]["auth_time"] == 900
    with pytest.raises(ValueError):
        add_id_token({}, max_age=10, **BASE)


def test_user_claims_never_replace_the_tokens_own():
    hostile = {"iss": "https://evil.example", "aud": "other", "sub": "root", "exp": 9e9, "nonce": "x", "acr": "gold", "name": "Ada"}
    claims = add_id_token({}, claims=hostile, nonce="n", acr="silver", sid="s", **BASE)["id_token"]
    own = {"iss": "https://op.example", "sub": "ada", "aud": "web", "azp": "web", "iat": 1000, "exp": 1300}
    assert claims == own | {"nonce": "n", "acr": "silver", "sid": "s", "name": "Ada"}
    assert "nonce" not in add_id_token({}, claims=hostile, **BASE)["id_token"]
