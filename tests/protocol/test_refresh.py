"""Refreshing: catalogue RF-05, RF-06, RF-08, RF-09, RF-10, RF-14 (what is pure of them); RFC 6749 6, OIDC Core 12."""

from urllib.parse import parse_qs

import pytest

from oidc_middleware.errors import LoginError, OIDCError, ProviderError, Unavailable
from oidc_middleware.protocol.client_auth import Client
from oidc_middleware.protocol.hashes import id_token_hash
from oidc_middleware.protocol.keys import KeySet, process_jwks
from oidc_middleware.protocol.refresh import process_refresh, refresh_request, verify_refreshed_id_token
from oidc_middleware.testing import FakeClock, ScriptedProvider
from oidc_middleware.testing.authorize import Grant, RefreshGrant
from tests.protocol.forge import ABSENT, CLIENT_ID, ISSUER, NONCE, NOW, changed, ec, expected, id_token, json_response, key_set, rsa
from tests.protocol.logout_forge import logout_token

TIME = int(NOW)
SUBJECT = "248289761001"
GOOD = {
    "access_token": "TlBN45jURg",
    "token_type": "Bearer",
    "expires_in": 300,
    "refresh_token": "9yNOxJtZa5",
    "id_token": "a.b.c",
    "scope": "openid email",
}
CLIENT = Client("dash", "secret", "client_secret_basic")


def refreshed(**changes):
    return process_refresh(json_response(changed(GOOD, changes)))


def assert_refused(code, response):
    with pytest.raises(OIDCError) as caught:
        process_refresh(response)
    assert caught.value.code == code
    assert refreshed().access_token == "TlBN45jURg"
    return caught.value


def verify(token, keys=None, /, *, subject=SUBJECT, original_audience=(CLIENT_ID,), original_auth_time=TIME - 5000, now=NOW, **changes):
    return verify_refreshed_id_token(
        token,
        expected(**changes),
        key_set=keys or key_set(rsa()),
        now=now,
        subject=subject,
        original_audience=original_audience,
        original_auth_time=original_auth_time,
    )


def new_token(alg="RS256", **changes):
    """As providers make it: a new ``iat``, the old ``auth_time``, no ``nonce``."""
    return id_token(alg, **{"nonce": ABSENT, "auth_time": TIME - 5000, **changes})


def assert_rejected(code, token, keys=None, /, **changes):
    with pytest.raises(ProviderError) as caught:
        verify(token, keys, **changes)
    assert caught.value.code == code, caught.value.detail
    assert NONCE not in caught.value.detail
    assert verify(new_token()).subject == SUBJECT
    return caught.value


# -- the request -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("RF-10")
def test_the_request():
    request = refresh_request("8xLOxBtZp8+&", token_endpoint="https://op/token", client=CLIENT)
    assert (request.purpose, request.method, request.url) == ("token", "POST", "https://op/token")
    assert parse_qs(request.body.decode()) == {"grant_type": ["refresh_token"], "refresh_token": ["8xLOxBtZp8+&"]}
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["accept"] == "application/json"
    for secret in ("8xLO", "secret", "c2VjcmV0"):
        assert secret not in repr(request)


def test_the_request_of_a_public_client_for_less():
    request = refresh_request("r", token_endpoint="https://op/token", client=Client("dash", None, "none"), scope="openid")
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["refresh_token"], "refresh_token": ["r"], "scope": ["openid"], "client_id": ["dash"],
    }  # fmt: skip
    assert "authorization" not in request.headers


# -- the answer --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("RF-09", "RF-10")
def test_a_full_answer():
    result = refreshed(unknown=[1])
    assert (result.access_token, result.expires_in, result.refresh_token, result.id_token, result.scope) == (
        "TlBN45jURg", 300, "9yNOxJtZa5", "a.b.c", "openid email",
    )  # fmt: skip
    for secret in ("TlBN45jURg", "9yNOxJtZa5", "a.b.c"):
        assert secret not in repr(result)


@pytest.mark.row("RF-09")
@pytest.mark.parametrize("value", [ABSENT, None, ""])
def test_what_is_not_in_the_answer_stays_as_it_is(value):
    result = refreshed(refresh_token=value, id_token=value, scope=value, expires_in=value)
    assert (result.refresh_token, result.id_token, result.scope, result.expires_in) == (None, None, None, None)
    assert result.access_token == "TlBN45jURg"


@pytest.mark.row("RF-09")
def test_a_lower_scope_is_told():
    assert refreshed(scope="openid").scope == "openid"


@pytest.mark.row("RF-09")
@pytest.mark.parametrize("value", [7, True, [], {}])
def test_an_id_token_that_is_no_text_is_no_absent_one(value):
    assert_refused("id_token_missing", json_response(changed(GOOD, {"id_token": value})))


@pytest.mark.row("RF-14")
@pytest.mark.parametrize(("value", "seconds"), [(1, 1), ("1", 1), (0, None), (-1, None), ("-1", None), (0.5, None), (True, None), ("soon", None)])
def test_a_lifetime_that_would_make_a_storm_is_unknown(value, seconds):
    assert refreshed(expires_in=value).expires_in == seconds


@pytest.mark.row("RF-05")
@pytest.mark.parametrize("status", [400, 403])
def test_a_refused_refresh_token_is_the_end_of_the_session(status):
    error = assert_refused("refresh_refused", json_response({"error": "invalid_grant", "error_description": "expired"}, status=status))
    assert isinstance(error, LoginError)
    assert error.status == 401
    assert "expired" in error.detail


@pytest.mark.row("RF-05", "RF-06")
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, {"error": "invalid_client"}, "client_rejected"),
        (401, {"error": "invalid_grant"}, "client_rejected"),
        (400, {"error": "invalid_scope"}, "token_refused"),
        (400, {"error": ["invalid_grant"]}, "token_refused"),
        (400, b"", "token_refused"),
        (404, b"not found", "token_refused"),
        (200, {"error": "invalid_grant"}, "token_response_invalid"),
        (200, b"<html>", "token_response_invalid"),
        (200, {**GOOD, "access_token": "a b"}, "token_response_invalid"),
        (200, {**GOOD, "token_type": "DPoP"}, "token_response_invalid"),
        (204, b"", "token_response_invalid"),
        (302, b"", "response_redirected"),
    ],
)
def test_other_answers_are_the_providers_fault_and_no_end(status, body, code):
    assert isinstance(assert_refused(code, json_response(body, status=status)), ProviderError)


@pytest.mark.row("RF-06")
def test_outages_are_no_end_either():
    for status, code in ((500, "provider_unavailable"), (503, "provider_unavailable"), (429, "provider_throttled")):
        error = assert_refused(code, json_response(GOOD, status=status, retry_after="17"))
        assert isinstance(error, Unavailable)
        assert error.retry_after == 17


@pytest.mark.row("RF-10")
def test_what_the_provider_repeats_of_the_token_stays_out_of_the_log():
    secret = "canary-refresh-token-3f9c1b7e5d2a4860b1c7"
    for error in ("invalid_grant", "invalid_request"):
        with pytest.raises(OIDCError) as caught:
            process_refresh(json_response({"error": error, "error_description": f"{secret} is not active"}, status=400))
        assert secret not in caught.value.detail


# -- the new ID token --------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("RF-08")
def test_a_flawless_new_id_token():
    assert verify(new_token()).auth_time == TIME - 5000
    assert verify(new_token(nonce=NONCE))
    assert verify(new_token(auth_time=ABSENT))
    assert verify(new_token(auth_time=TIME - 4999.5, sid="s-2"), original_auth_time=TIME - 5000).sid == "s-2"


@pytest.mark.row("RF-08")
@pytest.mark.parametrize("issuer", [ABSENT, None, f"{ISSUER}INVALID", f"{ISSUER}/", [ISSUER]])
def test_another_issuer(issuer):
    """Module oidcc-client-test-refresh-token-invalid-issuer."""
    assert_rejected("id_token_issuer", new_token(iss=issuer))


@pytest.mark.row("RF-08")
@pytest.mark.parametrize("subject", [ABSENT, None, "", 7, f"{SUBJECT}INVALID", SUBJECT[:-1], [SUBJECT], f" {SUBJECT}", "mallory"])
def test_another_subject(subject):
    """Module oidcc-client-test-refresh-token-invalid-sub."""
    assert_rejected("id_token_subject", new_token(sub=subject))


@pytest.mark.row("RF-08")
@pytest.mark.parametrize("audience", [ABSENT, "other", [], [CLIENT_ID, "evil"], ["evil"], {}])
def test_another_audience(audience):
    assert_rejected("id_token_audience", new_token(aud=audience))


@pytest.mark.row("RF-08")
def test_the_audience_is_that_of_the_login():
    both = new_token(aud=[CLIENT_ID, "api"], azp=CLIENT_ID)
    assert_rejected("id_token_audience", both, extra_audiences=("api",))
    assert verify(both, extra_audiences=("api",), original_audience=["api", CLIENT_ID])
    assert_rejected("id_token_audience", new_token(), extra_audiences=("api",), original_audience=["api", CLIENT_ID])
    assert verify(both, extra_audiences=("api",), original_audience=None)
    assert verify(new_token(aud=[CLIENT_ID]))
    assert_rejected("id_token_azp", new_token(azp="other"))


@pytest.mark.row("RF-08")
@pytest.mark.parametrize("nonce", [f"{NONCE}1", "", None, 7, [NONCE], {}])
def test_another_nonce(nonce):
    assert_rejected("token_response_invalid", new_token(nonce=nonce))
    assert verify(new_token(nonce=nonce), nonce=None)  # the caller kept none to compare with


@pytest.mark.row("RF-08")
@pytest.mark.parametrize("auth_time", [None, "", str(TIME - 5000), True, TIME, TIME - 4999, TIME - 5001, -1, 1e300, []])
def test_another_time_of_the_sign_in(auth_time):
    assert_rejected("token_response_invalid", new_token(auth_time=auth_time))
    assert verify(new_token(auth_time=auth_time), original_auth_time=None)


@pytest.mark.row("RF-08")
def test_the_signature_and_the_times_are_those_of_any_id_token():
    assert_rejected("id_token_signature", new_token()[:-8] + "AAAAAAAA")
    assert_rejected("id_token_key_unknown", new_token(), KeySet((), ()))
    assert_rejected("id_token_algorithm", new_token("ES256"), key_set(rsa(), ec()))
    assert_rejected("id_token_header", new_token(header={"typ": "at+jwt"}))
    assert_rejected("id_token_expired", new_token(exp=TIME - 61))
    assert_rejected("id_token_iat", new_token(iat=TIME - 601))
    assert_rejected("id_token_missing", None)


@pytest.mark.row("RF-08")
def test_the_new_tokens_belong_together():
    token = new_token(at_hash=id_token_hash("new-access-token"))
    assert verify(token, access_token="new-access-token")
    assert_rejected("id_token_at_hash", token, access_token="old-access-token")


@pytest.mark.row("RF-08")
def test_what_was_demanded_of_the_sign_in_was_judged_then():
    assert verify(new_token(), max_age=60, acr_values=("gold",), code="old-code")
    assert verify(new_token(auth_time=ABSENT, c_hash="of another code"), max_age=60, code="old-code")


@pytest.mark.row("LT-13")
@pytest.mark.parametrize("typ", [ABSENT, "logout+jwt"])
def test_a_logout_token_is_no_new_id_token(typ):
    assert_rejected("token_response_invalid" if typ is ABSENT else "id_token_header", logout_token(typ=typ))


# -- with a provider ---------------------------------------------------------------------------------------------------------------------


def test_a_refresh_at_a_provider():
    """Module oidcc-client-test-refresh-token, its token part: request, answer and ID token fit together."""
    provider = ScriptedProvider(clock=FakeClock(), client_id=CLIENT_ID)
    grant = Grant("code", {"scope": "openid", "nonce": NONCE}, provider.clock.now())
    provider.refresh_grants["r-1"] = RefreshGrant(grant)
    keys = process_jwks(json_response(provider.jwks()))
    client = Client(CLIENT_ID, provider.client_secret, "client_secret_basic")

    def send(token):
        request = refresh_request(token, token_endpoint=f"{provider.issuer}/token", client=client)
        with provider.sync_client() as http:
            answer = http.request(request.method, request.url, headers=dict(request.headers), content=request.body)
        return process_refresh(json_response(answer.content, status=answer.status_code))

    token = "r-1"
    for _ in range(2):
        provider.clock.advance(600)
        tokens = send(token)
        new = verify_refreshed_id_token(
            tokens.id_token,
            expected(issuer=provider.issuer, access_token=tokens.access_token),
            key_set=keys,
            now=provider.clock.now(),
            subject=provider.user["sub"],
        )
        assert new.claims["iat"] == int(provider.clock.now())
        assert tokens.refresh_token != token
        token = tokens.refresh_token
    with pytest.raises(LoginError) as caught:
        send("r-1")
    assert caught.value.code == "refresh_refused"
