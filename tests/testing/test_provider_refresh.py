"""The scripted provider's refresh tokens and its revocation endpoint."""

import base64
import hashlib
import json
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from oidc_middleware.testing import REMOVE, FakeClock, ScriptedProvider

VERIFIER = "v" * 43
CALLBACK = "https://app.example.com/oidc/callback"
REQUEST = {
    "response_type": "code",
    "client_id": "app",
    "redirect_uri": CALLBACK,
    "scope": "openid profile email",
    "state": "s" * 43,
    "nonce": "n" * 43,
    "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode(),
    "code_challenge_method": "S256",
}


@pytest.fixture
def provider():
    provider = ScriptedProvider(clock=FakeClock(), revocation=True)
    provider.refresh_tokens = True
    return provider


def post(provider, path, auth=None, **form):
    with provider.sync_client() as client:
        return client.post(f"{provider.issuer}/{path}", data=form, auth=auth or (provider.client_id, provider.client_secret))


def login(provider, **changes):
    location = provider.authorize(f"{provider.issuer}/authorize?{urlencode({**REQUEST, **changes})}")
    code = dict(parse_qsl(urlsplit(location).query))["code"]
    answer = post(provider, "token", grant_type="authorization_code", code=code, redirect_uri=CALLBACK, code_verifier=VERIFIER)
    assert answer.status_code == 200
    return answer.json()


def refresh(provider, token, **form):
    return post(provider, "token", grant_type="refresh_token", refresh_token=token, **form)


def claims(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def userinfo(provider, token):
    with provider.sync_client() as client:
        return client.get(f"{provider.issuer}/userinfo", headers={"authorization": f"Bearer {token}"}).status_code


def test_refresh_tokens_come_when_asked_for(provider):
    assert login(provider)["refresh_token"] in provider.secrets
    provider.refresh_tokens = False
    assert "refresh_token" not in login(provider)
    assert login(provider, scope="openid offline_access")["refresh_token"] in provider.secrets


def test_a_refresh_gives_new_tokens(provider):
    provider.sid, provider.expires_in = "session-1", 300
    first = login(provider, max_age="3600")
    assert first["expires_in"] == 300
    provider.clock.advance(1000)
    answer = refresh(provider, first["refresh_token"])
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    second = answer.json()
    assert all(first[name] != second[name] for name in ("access_token", "refresh_token", "id_token"))
    assert (second["scope"], second["expires_in"], second["token_type"]) == (first["scope"], 300, "Bearer")
    before, after = claims(first["id_token"]), claims(second["id_token"])
    assert "nonce" not in after
    assert all(before[name] == after[name] for name in ("iss", "sub", "aud", "sid", "auth_time"))
    assert after["iat"] == before["iat"] + 1000
    assert userinfo(provider, second["access_token"]) == 200
    assert "auth_time" not in claims(refresh(provider, login(provider)["refresh_token"]).json()["id_token"])
    assert provider.complaints == []


def test_a_reused_refresh_token_ends_the_grant(provider):
    first = login(provider)
    other = login(provider)
    second = refresh(provider, first["refresh_token"]).json()
    provider.clock.advance(1)
    assert refresh(provider, first["refresh_token"]).json() == {"error": "invalid_grant"}
    assert refresh(provider, second["refresh_token"]).json() == {"error": "invalid_grant"}
    assert userinfo(provider, second["access_token"]) == 401
    assert userinfo(provider, other["access_token"]) == 200
    assert refresh(provider, other["refresh_token"]).status_code == 200
    assert provider.complaints[0] == "token request: refresh token used twice"


def test_a_grace_time_forgives_a_lost_answer(provider):
    provider.refresh_grace = 30
    token = login(provider)["refresh_token"]
    assert refresh(provider, token).status_code == 200
    provider.clock.advance(30)
    assert refresh(provider, token).status_code == 200
    provider.clock.advance(1)
    assert refresh(provider, token).json() == {"error": "invalid_grant"}


def test_without_rotation_the_token_stays(provider):
    provider.refresh_rotation = False
    token = login(provider)["refresh_token"]
    provider.clock.advance(10)
    for _ in range(3):
        assert "refresh_token" not in refresh(provider, token).json()
        provider.clock.advance(1)


def test_wrong_refresh_requests_are_refused(provider):
    token = login(provider)["refresh_token"]
    assert refresh(provider, "other").json() == {"error": "invalid_grant"}
    assert refresh(provider, token, scope="openid admin").json() == {"error": "invalid_scope"}
    assert refresh(provider, token, auth=("app", "wrong")).json() == {"error": "invalid_client"}
    with provider.sync_client() as client:
        url = f"{provider.issuer}/token"
        assert client.post(url, json={"grant_type": "refresh_token"}).json() == {"error": "invalid_request"}
        assert client.post(url, data={"refresh_token": token}, headers={"authorization": "Basic é".encode()}).json() == {"error": "invalid_client"}
    assert len(provider.complaints) == 5
    assert refresh(provider, token, scope="openid").json()["scope"] == "openid"


def test_refresh_answers_can_be_bent(provider):
    token = login(provider)["refresh_token"]
    provider.refreshed_id_token_claims = {"iss": lambda iss: iss + "INVALID", "sub": "other", "nonce": "n"}
    provider.refresh_edits = {"refresh_token": REMOVE, "scope": "openid", "expires_in": -1}
    answer = refresh(provider, token).json()
    bent = claims(answer["id_token"])
    assert (bent["iss"], bent["sub"], bent["nonce"]) == ("https://op.exampleINVALID", "other", "n")
    assert (answer["scope"], answer["expires_in"], "refresh_token" in answer) == ("openid", -1, False)
    straight = login(provider)
    assert (claims(straight["id_token"])["iss"], straight["scope"]) == (provider.issuer, REQUEST["scope"])


def test_tokens_can_be_revoked(provider):
    assert provider.metadata()["revocation_endpoint"] == "https://op.example/revoke"
    one, two = login(provider), login(provider)
    answer = post(provider, "revoke", token=one["refresh_token"], token_type_hint="refresh_token")
    assert (answer.status_code, answer.content) == (200, b"")
    assert refresh(provider, one["refresh_token"]).json() == {"error": "invalid_grant"}
    assert userinfo(provider, one["access_token"]) == 401
    assert post(provider, "revoke", token=two["access_token"]).status_code == 200
    assert userinfo(provider, two["access_token"]) == 401
    assert refresh(provider, two["refresh_token"]).status_code == 200
    assert post(provider, "revoke", token="unknown").status_code == 200
    assert provider.revoked == [(one["refresh_token"], "refresh_token"), (two["access_token"], ""), ("unknown", "")]
    assert len(provider.received("revocation")) == 3


def test_wrong_revocation_requests_are_refused(provider):
    token = login(provider)["refresh_token"]
    assert post(provider, "revoke", token="").json() == {"error": "invalid_request"}
    assert post(provider, "revoke", auth=("app", "wrong"), token=token).status_code == 401
    assert len(provider.complaints) == 2
    assert provider.revoked == []
    assert refresh(provider, token).status_code == 200


def test_revocation_has_to_be_switched_on():
    provider = ScriptedProvider()
    assert "revocation_endpoint" not in provider.metadata()
    assert post(provider, "revoke", token="x").status_code == 404
    assert provider.revoked == []
