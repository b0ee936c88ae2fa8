"""The scripted provider: valid by default, strict about what it is asked, and bendable in every piece."""

import base64
import hashlib
import json
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from oidc_middleware.testing import REMOVE, FakeClock, ProtocolViolation, ScriptedProvider, run_async

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
    return ScriptedProvider(clock=FakeClock())


def location(provider, **changes):
    parameters = {name: value for name, value in {**REQUEST, **changes}.items() if value is not None}
    return f"{provider.issuer}/authorize?{urlencode(parameters)}"


def code_of(url):
    return dict(parse_qsl(urlsplit(url).query))["code"]


def exchange(provider, code, *, auth=None, **changes):
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER, **changes}
    form = {name: value for name, value in form.items() if value is not None}
    with provider.sync_client() as client:
        return client.post(f"{provider.issuer}/token", data=form, auth=(auth or (provider.client_id, provider.client_secret)))


def tokens(provider, **changes):
    answer = exchange(provider, code_of(provider.authorize(location(provider, **changes))))
    assert answer.status_code == 200
    return answer.json()


def userinfo(provider, access_token):
    with provider.sync_client() as client:
        return client.get(f"{provider.issuer}/userinfo", headers={"authorization": f"Bearer {access_token}"})


def test_a_whole_login(provider):
    issued = tokens(provider)
    assert issued["token_type"] == "Bearer"
    assert "expires_in" not in issued  # as in the suite
    with provider.sync_client() as client:
        metadata = client.get(f"{provider.issuer}/.well-known/openid-configuration").json()
        keys = client.get(metadata["jwks_uri"]).json()
    token = jwt.decode(issued["id_token"], KeySet.import_key_set({"keys": [key for key in keys["keys"] if key["kty"] == "RSA"]}))
    assert token.claims["iss"] == provider.issuer
    assert token.claims["nonce"] == REQUEST["nonce"]
    assert token.claims["exp"] == provider.clock.now() + 300
    assert "email" not in token.claims
    claims = userinfo(provider, issued["access_token"]).json()
    assert (claims["sub"], claims["email"], claims["email_verified"]) == (token.claims["sub"], "user@example.com", False)
    assert "address" not in claims
    assert provider.complaints == []
    assert [request.endpoint for request in provider.requests] == ["token", "discovery", "jwks", "userinfo"]


def test_the_key_set_is_the_suites(provider):
    keys = provider.jwks()["keys"]
    assert [(key["kty"], key.get("crv"), key["use"]) for key in keys] == [
        ("RSA", None, "sig"),
        ("RSA", None, "sig"),
        ("EC", "P-256", "sig"),
        ("EC", "P-256", "sig"),
        ("EC", "secp256k1", "sig"),
        ("OKP", "Ed25519", "sig"),
        ("RSA", None, "enc"),
        ("EC", "P-256", "enc"),
    ]
    assert not any(private in key for key in keys for private in ("d", "p", "q"))
    assert len({key["kid"] for key in keys}) == 8
    assert all(("alg" in key) == (key["use"] == "enc") for key in keys)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"response_type": "token"}, "response_type"),
        ({"client_id": "other"}, "client_id"),
        ({"redirect_uri": CALLBACK + "/"}, "redirect_uri"),
        ({"scope": "profile"}, "openid"),
        ({"state": None}, "state"),
        ({"nonce": "n" * 44}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"code_challenge_method": "plain"}, "S256"),
        ({"code_challenge": None}, "PKCE"),
        ({"request": "x"}, "request"),
        ({"max_age": "0", "prompt": "none"}, "max_age"),
        ({"max_age": "soon"}, "max_age"),
        ({"prompt": "none login"}, "prompt"),
        ({"claims": "[]"}, "claims"),
    ],
)
def test_wrong_authorization_requests_are_refused(provider, changes, problem):
    with pytest.raises(ProtocolViolation, match=problem):
        provider.authorize(location(provider, **changes))
    assert provider.authorizations == []
    assert provider.grants == {}


def test_repeated_parameters_and_other_endpoints_are_refused(provider):
    with pytest.raises(ProtocolViolation, match="sent twice"):
        provider.authorize(location(provider) + "&state=" + "t" * 43)
    with pytest.raises(ProtocolViolation, match="not the authorization endpoint"):
        provider.authorize(location(provider).replace("/authorize", "/authorise"))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"redirect_uri": CALLBACK + "?"}, "invalid_grant"),
        ({"code": "other"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_secret": "twice"}, "invalid_client"),
        ({"auth": ("app", "wrong")}, "invalid_client"),
        ({"auth": ("other", "wrong")}, "invalid_client"),
    ],
)
def test_wrong_token_requests_are_refused(provider, changes, error):
    code = code_of(provider.authorize(location(provider)))
    answer = exchange(provider, **{"code": code, **changes})
    assert answer.json() == {"error": error}
    assert len(provider.complaints) == 1
    assert provider.tokens == {}


def test_a_code_works_once_and_its_replay_revokes(provider):
    code = code_of(provider.authorize(location(provider)))
    access_token = exchange(provider, code).json()["access_token"]
    assert userinfo(provider, access_token).status_code == 200
    assert exchange(provider, code).json() == {"error": "invalid_grant"}
    assert userinfo(provider, access_token).status_code == 401


def test_a_code_expires(provider):
    code = code_of(provider.authorize(location(provider)))
    provider.clock.advance(61)
    assert exchange(provider, code).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize("method", ["client_secret_post", "none"])
def test_other_client_authentication(method):
    provider = ScriptedProvider(client_auth=method)
    code = code_of(provider.authorize(location(provider)))
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER, "client_id": "app"}
    form |= {"client_secret": provider.client_secret} if method == "client_secret_post" else {}
    with provider.sync_client() as client:
        assert client.post(f"{provider.issuer}/token", data=form).status_code == 200
    assert exchange(provider, code).status_code == 401  # Basic is not what this client is registered with


def test_edits_bend_every_piece(provider):
    provider.metadata_edits = {"issuer": lambda issuer: issuer + "INVALID", "jwks_uri": REMOVE}
    provider.jwks_edit = lambda document: {"keys": document["keys"][:1]}
    provider.id_token_claims = {"iss": lambda issuer: issuer + "1", "sub": REMOVE}
    provider.id_token_header = {"typ": "at+jwt"}
    provider.token_edits = {"token_type": "bEARER"}
    provider.userinfo_edits = {"sub": lambda sub: sub + "invalid"}
    provider.authorization_response_edits = {"extra": ["1", "2"]}
    assert (provider.metadata()["issuer"], "jwks_uri" in provider.metadata()) == ("https://op.exampleINVALID", False)
    assert len(provider.jwks()["keys"]) == 1
    assert provider.authorize(location(provider), iss="x", code=REMOVE).endswith("?state=" + "s" * 43 + "&extra=1&extra=2&iss=x")
    issued = tokens(provider)
    header, payload, _ = (base64.urlsafe_b64decode(part + "==") for part in issued["id_token"].split("."))
    assert json.loads(header)["typ"] == "at+jwt"
    assert json.loads(payload)["iss"].endswith("1")
    assert "sub" not in json.loads(payload)
    assert issued["token_type"] == "bEARER"
    assert userinfo(provider, issued["access_token"]).json()["sub"].endswith("invalid")


def test_signatures_can_be_wrong(provider):
    keys = KeySet.import_key_set({"keys": [key for key in provider.jwks()["keys"] if key["kty"] == "RSA"]})
    provider.id_token_edit = lambda token: token[:-8] + ("A" * 8 if not token.endswith("A" * 8) else "B" * 8)
    with pytest.raises(JoseError):
        jwt.decode(tokens(provider)["id_token"], keys)
    provider.id_token_edit, provider.id_token_alg = None, "none"
    assert tokens(provider)["id_token"].endswith(".")


def test_form_post(provider):
    answer = provider.respond(location(provider, response_mode="form_post"))
    assert answer.url == CALLBACK
    assert dict(parse_qsl(answer.form))["state"] == REQUEST["state"]
    assert provider.authorize(location(provider, response_mode="form_post")).startswith("code=")


def test_scripted_answers(provider):
    provider.script("jwks", status=503, headers={"retry-after": "7"}, times=1)
    provider.script("jwks", raises=httpx.ConnectError("refused"), times=1)
    provider.script("jwks", body=b"<html>", headers={"content-type": "text/html"}, takes=9.5, times=1)
    started = provider.clock.now()
    with provider.sync_client() as client:
        url = f"{provider.issuer}/jwks"
        first = client.get(url)
        assert (first.status_code, first.headers["retry-after"]) == (503, "7")
        with pytest.raises(httpx.ConnectError):
            client.get(url)
        assert client.get(url).text == "<html>"
        assert provider.clock.now() == started + 9.5
        assert len(client.get(url).json()["keys"]) == 8
    assert len(provider.received("jwks")) == 4


def test_a_replaced_answer_uses_up_no_code(provider):
    code = code_of(provider.authorize(location(provider)))
    provider.script("token", json={"error": "server_error"}, status=500, times=1)
    assert exchange(provider, code).status_code == 500
    assert exchange(provider, code).status_code == 200


def test_unknown_paths_are_complaints_and_async_works_alike(provider):
    async def get():
        async with provider.client() as client:
            return await client.get(f"{provider.issuer}/other"), await client.get(f"{provider.issuer}/jwks")

    missing, keys = run_async(get())
    assert missing.status_code == 404
    assert len(keys.json()["keys"]) == 8
    assert provider.complaints == ["GET https://op.example/other is no endpoint of this provider"]


def test_rotation_replaces_every_signing_key(provider):
    before = {(key["kid"], key.get("n")) for key in provider.jwks()["keys"] if key["use"] == "sig"}
    provider.rotate_keys()
    after = {(key["kid"], key.get("n")) for key in provider.jwks()["keys"] if key["use"] == "sig"}
    assert len(before & after) == 0
    assert not {modulus for _, modulus in before} & {modulus for _, modulus in after} - {None}


def test_secrets_are_known_and_hidden(provider):
    issued = tokens(provider)
    assert {issued["access_token"], issued["id_token"], provider.client_secret, VERIFIER, REQUEST["state"]} <= provider.secrets
    assert not any(secret in repr([provider.requests, *provider.grants.values()]) for secret in provider.secrets)


def test_sign_out_is_judged(provider):
    id_token = tokens(provider)["id_token"]
    good = {"post_logout_redirect_uri": "https://app.example.com/oidc/signed-out", "id_token_hint": id_token, "state": "xyz"}
    assert provider.end_session(f"{provider.issuer}/end_session?{urlencode(good)}") == "https://app.example.com/oidc/signed-out?state=xyz"
    for name, value in (("id_token_hint", "other"), ("post_logout_redirect_uri", "https://evil.example/")):
        with pytest.raises(ProtocolViolation, match=name):
            provider.end_session(f"{provider.issuer}/end_session?{urlencode({**good, name: value})}")
