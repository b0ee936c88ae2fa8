"""The scripted provider's sessions and logout tokens."""

import base64
import json

import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from oidc_middleware.testing import REMOVE, FakeClock, ScriptedProvider
from oidc_middleware.testing.tokens import LOGOUT_EVENT


@pytest.fixture
def provider():
    return ScriptedProvider(clock=FakeClock())


def rsa_keys(provider):
    return KeySet.import_key_set({"keys": [key for key in provider.jwks()["keys"] if key["kty"] == "RSA" and key["use"] == "sig"]})


def parts(token):
    header, payload, signature = token.split(".")
    return (*(json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, payload)), signature)


def test_a_logout_token_is_valid_by_default(provider):
    provider.sid = "session-1"
    token = provider.logout_token()
    now = int(provider.clock.now())
    decoded = jwt.decode(token, rsa_keys(provider))
    assert set(decoded.header) == {"alg", "kid"}  # no typ, as in the suite
    jti = decoded.claims.pop("jti")
    assert decoded.claims == {
        "iss": provider.issuer, "sub": provider.user["sub"], "sid": "session-1", "aud": "app", "iat": now, "exp": now + 120,
        "events": {LOGOUT_EVENT: {}}, "unknown_claim": "must be ignored",
    }  # fmt: skip
    assert parts(provider.logout_token())[1]["jti"] != jti
    assert token in provider.secrets
    assert jti not in provider.secrets
    assert token not in provider.issued_id_tokens


def test_logout_tokens_can_be_bent(provider):
    header, claims, signature = parts(provider.logout_token(header={"typ": "logout+jwt"}, sub=REMOVE, iss=lambda iss: iss + "INVALID", nonce=None))
    assert header["typ"] == "logout+jwt"
    assert "sub" not in claims
    assert "sid" not in claims
    assert claims["iss"] == provider.issuer + "INVALID"
    assert claims["nonce"] is None
    assert signature
    assert parts(provider.logout_token(alg="none"))[::2] == ({"alg": "none"}, "")
    assert parts(provider.logout_token(alg="ES256"))[0]["alg"] == "ES256"
    forged = provider.logout_token(key=b"public", alg="HS256", header={"kid": "x"})
    assert parts(forged)[0] == {"alg": "HS256", "kid": "x"}
    with pytest.raises(JoseError):
        jwt.decode(forged, rsa_keys(provider))


def test_the_session_is_in_the_id_token_when_switched_on(provider):
    before = provider.id_token({"nonce": "n"}, "t")
    assert "sid" not in parts(before)[1]
    assert "backchannel_logout_supported" not in provider.metadata()
    provider.sid = "session-1"
    assert parts(provider.id_token({"nonce": "n"}, "t"))[1]["sid"] == "session-1"
    assert provider.metadata()["backchannel_logout_supported"] is True
    assert provider.metadata()["backchannel_logout_session_supported"] is True
