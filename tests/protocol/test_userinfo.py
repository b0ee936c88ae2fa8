"""UserInfo: catalogue 1.8 (UI); OIDC Core 5.3."""

import json

import pytest

from oidc_middleware.errors import OIDCError, Unavailable
from oidc_middleware.protocol.messages import HttpResponse
from oidc_middleware.protocol.userinfo import PROTOCOL_CLAIMS, process_userinfo, userinfo_request
from tests.protocol.forge import ABSENT, CLIENT_ID, ISSUER, changed, ec, expected, json_response, key_set, public, rsa, signed

SUBJECT = "248289761001"
CLAIMS = {"sub": SUBJECT, "name": "Ada", "email": "ada@example.com", "email_verified": False, "groups": ["a"]}


def judge(response: HttpResponse, keys=None, **changes):
    return process_userinfo(response, subject=SUBJECT, expected=expected(**changes), key_set=keys or key_set(rsa()))


def assert_refused(code: str, response: HttpResponse, keys=None, **changes) -> OIDCError:
    with pytest.raises(OIDCError) as caught:
        judge(response, keys, **changes)
    assert caught.value.code == code, caught.value.detail
    assert judge(json_response(CLAIMS))["name"] == "Ada"
    return caught.value


def jwt(header=None, key=None, alg="RS256", payload=None, media_type="application/jwt", **changes) -> HttpResponse:
    key = key or rsa()
    body = payload if payload is not None else json.dumps(changed(CLAIMS | {"iss": ISSUER, "aud": CLIENT_ID}, changes))
    token = signed(body, header or {"alg": alg, "kid": key.kid}, key, alg)
    return HttpResponse(200, {"content-type": media_type}, token.encode())


@pytest.mark.row("UI-07")
def test_the_access_token_travels_in_the_header_only():
    request = userinfo_request("https://op.example/userinfo?x=1", "SECRET-TOKEN")
    assert (request.purpose, request.method, request.url, request.body) == ("userinfo", "GET", "https://op.example/userinfo?x=1", b"")
    assert request.headers["authorization"] == "Bearer SECRET-TOKEN"
    assert request.headers["accept-encoding"] == "identity"
    assert "SECRET" not in repr(request)


def test_json_claims_are_read_only():
    claims = judge(json_response(CLAIMS))
    assert claims == CLAIMS
    with pytest.raises(TypeError):
        claims["sub"] = "mallory"


@pytest.mark.row("UI-01")
@pytest.mark.parametrize(
    "sub", [ABSENT, None, "", f"{SUBJECT}invalid", SUBJECT[:-1], f" {SUBJECT}", int(SUBJECT), [SUBJECT], {}, True, "248289761001\u200b"]
)
def test_an_answer_about_someone_else_is_discarded(sub):
    assert_refused("userinfo_sub_mismatch", json_response(changed(CLAIMS, {"sub": sub})))
    assert_refused("userinfo_sub_mismatch", jwt(sub=sub))


@pytest.mark.row("UI-01")
def test_the_subject_is_case_sensitive():
    with pytest.raises(OIDCError) as caught:
        process_userinfo(json_response({"sub": "ADA"}), subject="ada", expected=expected(), key_set=key_set(rsa()))
    assert caught.value.code == "userinfo_sub_mismatch"


@pytest.mark.row("UI-05")
def test_protocol_claims_come_from_the_id_token_alone():
    hostile = dict.fromkeys(PROTOCOL_CLAIMS, "evil")
    assert judge(json_response(CLAIMS | hostile)) == CLAIMS
    assert judge(jwt(**(hostile | {"iss": ISSUER, "aud": CLIENT_ID}))) == CLAIMS
    assert {"iss", "aud", "exp", "iat", "nbf", "nonce", "azp", "at_hash", "c_hash", "sid", "auth_time", "acr", "amr"} <= PROTOCOL_CLAIMS


@pytest.mark.row("UI-06")
def test_claims_that_others_hold_are_neither_fetched_nor_kept(monkeypatch):
    def no_network(*_args, **_kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr("socket.socket", no_network)
    sources = {"src1": {"endpoint": "http://169.254.169.254/latest", "access_token": "ksj3n283dke"}, "src2": {"JWT": "a.b.c"}}
    claims = judge(json_response(CLAIMS | {"_claim_names": {"credit_score": "src1"}, "_claim_sources": sources}))
    assert claims == CLAIMS | {"_claim_names": {"credit_score": "src1"}}


@pytest.mark.row("UI-02")
@pytest.mark.parametrize("media_type", ["application/jwt", "application/jwt;charset=UTF-8", "Application/JWT; charset=utf-8"])
def test_a_signed_answer_is_verified_and_needs_no_exp(media_type):
    assert judge(jwt(media_type=media_type)) == CLAIMS
    assert judge(jwt(iss=ABSENT, aud=ABSENT)) == CLAIMS
    assert judge(jwt(aud=[CLIENT_ID, "other"])) == CLAIMS
    assert judge(jwt(key=ec(), alg="ES256"), key_set(ec()), algs=("ES256",)) == CLAIMS


@pytest.mark.row("UI-02")
@pytest.mark.parametrize(
    "response",
    [
        jwt(iss="https://evil.example"), jwt(iss=None), jwt(iss=[ISSUER]), jwt(aud="other"), jwt(aud=["other"]), jwt(aud=[]), jwt(aud=None),
        jwt(aud={CLIENT_ID: 1}),
        jwt(header={"alg": "RS256", "kid": "rsa-1"}, key=rsa(2)), jwt(header={"alg": "none"}), jwt(key=ec(), alg="ES256"),
        jwt(header={"alg": "RS256", "kid": "rsa-1", "typ": "at+jwt"}),
        jwt(payload="[]"), jwt(payload='{"sub":"a","sub":"248289761001"}'), HttpResponse(200, {"content-type": "application/jwt"},
        json.dumps(CLAIMS).encode()),
        HttpResponse(200, {"content-type": "application/jwt"}, b""), HttpResponse(200, {"content-type": "application/jwt"}, b"\xff.\xff.\xff"),
        HttpResponse(200, {"content-type": "application/jwt"}, b"a.b.c.d.e"),
    ],
    ids=range(18),
)  # fmt: skip
def test_a_signed_answer_that_does_not_verify_is_discarded(response):
    assert_refused("userinfo_invalid", response)
    assert judge(jwt()) == CLAIMS


@pytest.mark.row("UI-02", "JW-06")
def test_an_unknown_key_is_told_so_that_the_keys_can_be_fetched_anew():
    assert_refused("id_token_key_unknown", jwt(key=rsa(2)))
    assert judge(jwt(key=rsa(2)), key_set(rsa(1), rsa(2))) == CLAIMS
    assert_refused("id_token_key_unknown", jwt(), key_set(public(rsa(), use="enc"), rsa(2)))


@pytest.mark.row("UI-02")
def test_a_signed_answer_does_not_pass_as_json_nor_the_other_way_round():
    token = jwt().body
    assert_refused("userinfo_invalid", HttpResponse(200, {"content-type": "application/json"}, token))
    assert_refused("userinfo_invalid", HttpResponse(200, {"content-type": "text/plain"}, token))


@pytest.mark.row("UI-03", "DI-04")
@pytest.mark.parametrize(
    "response",
    [json_response([CLAIMS]), json_response(b"<html>"), json_response(CLAIMS, content_type="text/html"), json_response(b""), json_response(CLAIMS,
     status=204), HttpResponse(200),
     json_response(b'{"sub":"248289761001","sub":"248289761001"}'), json_response(b'{"sub":"248289761001","x":NaN}'), json_response(CLAIMS,
     status=201),
     json_response(CLAIMS, status=304), json_response(b'{"sub":"248289761001","x":"\\ud800"}')],
)  # fmt: skip
def test_what_is_no_claims_set_is_refused(response):
    assert_refused("userinfo_invalid", response)


@pytest.mark.row("UI-04", "DI-03")
def test_refusals_and_outages():
    for status in (400, 401, 403, 404):
        assert_refused("userinfo_refused", json_response({"error": "invalid_token"}, status=status))
    assert_refused("response_redirected", json_response(CLAIMS, status=302))
    assert isinstance(assert_refused("provider_unavailable", json_response(CLAIMS, status=500)), Unavailable)
    assert isinstance(assert_refused("provider_throttled", json_response(CLAIMS, status=429)), Unavailable)
    assert_refused("userinfo_refused", HttpResponse(401, {"content-type": "application/jwt"}, jwt().body))
