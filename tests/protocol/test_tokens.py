"""The token endpoint: catalogue ID-31, ID-32, DI-03, DI-09, DI-15, CI-06, PK-03."""

from urllib.parse import parse_qs

import pytest

from oidc_middleware.errors import LoginError, OIDCError, ProviderError, Unavailable
from oidc_middleware.protocol.authorization import CallbackParameters, ValidatedCallback, validate_callback
from oidc_middleware.protocol.client_auth import Client
from oidc_middleware.protocol.messages import HttpResponse
from oidc_middleware.protocol.tokens import code_request, process_tokens
from tests.protocol.forge import ABSENT, changed, json_response

GOOD = {
    "access_token": "SlAV32hkKG",
    "token_type": "Bearer",
    "expires_in": 3600,
    "refresh_token": "8xLOxBtZp8",
    "id_token": "a.b.c",
    "scope": "openid email",
}


def callback(code: str = "Splx+&=/lOBe") -> ValidatedCallback:
    return validate_callback(CallbackParameters(code=code, state="s"), state="s", issuer="i", iss_required=False)


def tokens(**changes):
    return process_tokens(json_response(changed(GOOD, changes)))


def assert_refused(code: str, response: HttpResponse) -> OIDCError:
    with pytest.raises(OIDCError) as caught:
        process_tokens(response)
    assert caught.value.code == code
    assert tokens().access_token == "SlAV32hkKG"
    return caught.value


@pytest.mark.row("CI-06", "PK-03", "PK-04")
def test_the_request_carries_the_logins_own_values():
    request = code_request(
        callback(),
        token_endpoint="https://op/token",
        client=Client("dash", "secret", "client_secret_basic"),
        redirect_uri="https://d/cb?a=b",
        code_verifier="v" * 43,
    )
    assert (request.purpose, request.method, request.url) == ("token", "POST", "https://op/token")
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["authorization_code"], "code": ["Splx+&=/lOBe"], "redirect_uri": ["https://d/cb?a=b"], "code_verifier": ["v" * 43],
    }  # fmt: skip
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    for secret in ("Splx", "vvvv", "secret", "c2VjcmV0"):
        assert secret not in repr(request)


def test_where_no_challenge_was_sent_there_is_no_verifier():
    request = code_request(
        callback(), token_endpoint="https://op/token", client=Client("dash", None, "none"), redirect_uri="https://d/cb", code_verifier=None
    )
    assert set(parse_qs(request.body.decode())) == {"grant_type", "code", "redirect_uri", "client_id"}


def test_a_full_answer():
    result = tokens(unknown={"a": [1]})
    assert (result.access_token, result.token_type, result.expires_in, result.refresh_token, result.id_token, result.scope) == (
        "SlAV32hkKG", "Bearer", 3600, "8xLOxBtZp8", "a.b.c", "openid email",
    )  # fmt: skip
    for secret in ("SlAV32hkKG", "8xLOxBtZp8", "a.b.c"):
        assert secret not in repr(result)


@pytest.mark.row("ID-32")
def test_only_the_necessary_is_necessary():
    result = tokens(expires_in=ABSENT, refresh_token=ABSENT, scope=ABSENT)
    assert (result.expires_in, result.refresh_token, result.scope) == (None, None, None)


@pytest.mark.row("ID-32")
@pytest.mark.parametrize("token_type", ["bearer", "BEARER", "Bearer", "bEaReR"])
def test_the_token_type_in_any_case(token_type):
    assert tokens(token_type=token_type).token_type == "Bearer"


@pytest.mark.row("ID-32")
@pytest.mark.parametrize("token_type", [ABSENT, None, "", "mac", "DPoP", "N_A", 7, ["Bearer"], "Bearer ", "bearer\n"])
def test_another_token_type_is_refused(token_type):
    assert_refused("token_response_invalid", json_response(changed(GOOD, {"token_type": token_type})))


@pytest.mark.row("ID-32")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [(3600, 3600), (3599.9, 3599), ("3600", 3600), (1, 1), (0, None), (-1, None), ("-1", None), ("", None), ("soon", None), ("²", None), ("9" * 400,
     None), (None, None), (True, None),
     ([], None), ({}, None), (0.5, None), (1e300, None), (10**12, None), ("1e400", None), (315_360_000, 315_360_000), (315_360_001, None)],
)  # fmt: skip
def test_an_unusable_lifetime_is_unknown_not_zero_and_not_forever(value, seconds):
    assert tokens(expires_in=value).expires_in == seconds


@pytest.mark.row("ID-32")
@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 5000])
def test_a_lifetime_beyond_all_numbers_is_unknown_too(number):
    body = b'{"access_token":"a","token_type":"Bearer","id_token":"a.b.c","expires_in":' + number.encode() + b"}"
    assert process_tokens(json_response(body)).expires_in is None
    assert_refused("token_response_invalid", json_response(body.replace(number.encode(), b"NaN")))


@pytest.mark.row("ID-31")
@pytest.mark.parametrize("value", [ABSENT, None, "", 7, [], {}, True])
def test_no_id_token_is_no_login(value):
    assert isinstance(assert_refused("id_token_missing", json_response(changed(GOOD, {"id_token": value}))), ProviderError)


@pytest.mark.parametrize("value", [ABSENT, None, "", 7, [], "a b", "a\r\nX-Injected: 1", "é", "a\x00", "a\x7f"])
def test_an_access_token_that_does_not_fit_into_a_header_is_refused(value):
    assert_refused("token_response_invalid", json_response(changed(GOOD, {"access_token": value})))


@pytest.mark.parametrize("value", [None, "", 7, [], "a\nb", "é"])
def test_unusable_optional_texts_count_as_absent(value):
    result = tokens(refresh_token=value, scope=value)
    assert (result.refresh_token, result.scope) == (None, None)


@pytest.mark.row("PK-03", "CI-01", "CI-02", "DI-09", "F-OP-15")
def test_a_refused_code_is_the_logins_fault():
    error = assert_refused("code_refused", json_response({"error": "invalid_grant", "error_description": "used"}, status=400))
    assert isinstance(error, LoginError)
    assert "used" in error.detail


@pytest.mark.row("DI-09")
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, {"error": "invalid_client"}, "client_rejected"),
        (400, {"error": "invalid_client"}, "client_rejected"),
        (401, {"error": "invalid_grant"}, "client_rejected"),
        (401, b"<html>", "client_rejected"),
        (400, {"error": "unauthorized_client"}, "token_refused"),
        (400, {"error": ["invalid_grant"]}, "token_refused"),
        (400, {"error": "invalid_grant "}, "token_refused"),
        (400, b"", "token_refused"),
        (400, [], "token_refused"),
        (403, {"error": None}, "token_refused"),
        (404, b"not found", "token_refused"),
        (200, {"error": "invalid_grant"}, "token_response_invalid"),
        (200, b"", "token_response_invalid"),
        (200, [], "token_response_invalid"),
        (200, b'{"access_token":"a","access_token":"b"}', "token_response_invalid"),
        (201, GOOD, "token_response_invalid"),
        (204, b"", "token_response_invalid"),
        (304, GOOD, "token_response_invalid"),
        (100, GOOD, "token_response_invalid"),
    ],
)
def test_other_answers_are_the_providers(status, body, code):
    assert isinstance(assert_refused(code, json_response(body, status=status)), ProviderError)


@pytest.mark.row("DI-04", "F-OP-10")
def test_a_page_with_status_200_is_no_answer():
    error = assert_refused("token_response_invalid", json_response(b"<html>\r\nSign in\x1b</html>" * 100, content_type="text/html"))
    assert not {"\r", "\n", "\x1b"} & set(error.detail)
    assert len(error.detail) < 350


@pytest.mark.row("DI-03", "DI-08", "DI-09")
def test_redirects_and_outages():
    assert_refused("response_redirected", json_response(GOOD, status=307, location="http://evil.example"))
    for status, code in ((500, "provider_unavailable"), (502, "provider_unavailable"), (503, "provider_unavailable"), (429, "provider_throttled")):
        error = assert_refused(code, json_response(GOOD, status=status, retry_after="17"))
        assert isinstance(error, Unavailable)
        assert error.retry_after == 17
        assert error.sent, "the code may have been used: it is not sent again"


@pytest.mark.row("DI-15")
@pytest.mark.parametrize("status", [400, 401, 403])
def test_what_the_provider_repeats_of_our_secrets_stays_out_of_the_log(status):
    secret = "3f9c1b7e5d2a4860b1c7e9f0a2d4c6e8"
    body = {
        "error": "invalid_request",
        "error_description": f"<b>secret {secret} is wrong\r\n\x1b[31m for code SplxlOBeZQQYbYS6WxSbIA</b>" + "x " * 9000,
    }
    for response in (
        json_response(body, status=status),
        json_response(f"secret={secret}".encode(), status=status),
        json_response({"error": secret}, status=status),
    ):
        with pytest.raises(OIDCError) as caught:
            process_tokens(response)
        detail = caught.value.detail
        assert secret not in detail
        assert "SplxlOBeZQQYbYS6WxSbIA" not in detail
        assert not {"\r", "\n", "\x1b"} & set(detail)
        assert len(detail) < 600
        assert "<" not in caught.value.public
