"""Revoking tokens: RFC 7009; catalogue DI-03, DI-15, LO-12 (what is pure of it)."""

from urllib.parse import parse_qs

import pytest

from oidc_middleware.errors import OIDCError, ProviderError, Unavailable
from oidc_middleware.protocol.client_auth import Client
from oidc_middleware.protocol.messages import HttpResponse
from oidc_middleware.protocol.revocation import process_revocation, revocation_request
from oidc_middleware.testing import ScriptedProvider
from tests.protocol.forge import json_response


def assert_refused(code, response):
    with pytest.raises(OIDCError) as caught:
        process_revocation(response)
    assert caught.value.code == code
    process_revocation(HttpResponse(200))
    return caught.value


@pytest.mark.parametrize("hint", ["access_token", "refresh_token"])
def test_the_request(hint):
    request = revocation_request("https://op/revoke", "8xLOxBtZp8+&", hint, Client("dash", "secret", "client_secret_post"))
    assert (request.purpose, request.method, request.url) == ("revocation", "POST", "https://op/revoke")
    assert parse_qs(request.body.decode()) == {
        "token": ["8xLOxBtZp8+&"], "token_type_hint": [hint], "client_id": ["dash"], "client_secret": ["secret"],
    }  # fmt: skip
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.max_bytes < 100_000
    for secret in ("8xLO", "secret"):
        assert secret not in repr(request)


@pytest.mark.parametrize(
    "response",
    [
        HttpResponse(200),
        HttpResponse(200, body=b"<html>whatever"),
        HttpResponse(204),
        json_response({}),
        json_response({"error": "invalid_token"}, 400),
    ],
)
def test_a_token_is_gone(response):
    assert process_revocation(response) is None


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, {"error": "invalid_client"}, "client_rejected"),
        (400, {"error": "invalid_client"}, "client_rejected"),
        (401, {"error": "invalid_token"}, "client_rejected"),
        (400, {"error": "unsupported_token_type"}, "token_refused"),
        (400, {"error": ["invalid_token"]}, "token_refused"),
        (400, b"", "token_refused"),
        (404, b"<html>", "token_refused"),
        (304, b"", "token_refused"),
    ],
)
def test_a_refusal_is_the_providers(status, body, code):
    assert isinstance(assert_refused(code, json_response(body, status=status)), ProviderError)


@pytest.mark.row("DI-03", "LO-12")
def test_redirects_and_outages():
    assert_refused("response_redirected", json_response({}, status=307, location="http://evil.example"))
    for status, code in ((500, "provider_unavailable"), (503, "provider_unavailable"), (429, "provider_throttled")):
        error = assert_refused(code, json_response({}, status=status, retry_after="17"))
        assert isinstance(error, Unavailable)
        assert error.retry_after == 17


@pytest.mark.row("DI-15")
def test_what_the_provider_repeats_of_the_token_stays_out_of_the_log():
    secret = "canary-refresh-token-3f9c1b7e5d2a4860b1c7"
    assert secret not in assert_refused("token_refused", json_response({"error": "x", "error_description": f"no {secret}"}, status=400)).detail
    assert secret not in assert_refused("token_refused", json_response(f"no {secret}".encode(), status=400)).detail


def test_a_revocation_at_a_provider():
    provider = ScriptedProvider(revocation=True)
    request = revocation_request(
        provider.metadata()["revocation_endpoint"], "r-1", "refresh_token", Client("app", provider.client_secret, "client_secret_basic")
    )
    with provider.sync_client() as http:
        answer = http.request(request.method, request.url, headers=dict(request.headers), content=request.body)
    process_revocation(HttpResponse(answer.status_code, dict(answer.headers), answer.content))
    assert provider.revoked == [("r-1", "refresh_token")]
    assert provider.complaints == []
