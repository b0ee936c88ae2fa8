"""oidcc-client-test-userinfo-bearer-header: the access token goes to UserInfo in the header, nowhere else (RFC 6750 2.1)."""

import pytest


@pytest.mark.row("UI-07")
def test_header_only(party):
    party.accepts()
    (request,) = party.provider.received("userinfo")
    assert request.method == "GET"
    assert request.body == b""
    assert "?" not in request.url
    assert request.headers["authorization"].removeprefix("Bearer ") in party.provider.tokens


@pytest.mark.row("UI-04", "UI-03")
@pytest.mark.parametrize(
    ("answer", "code", "status"),
    [
        ({"status": 401, "body": b""}, "userinfo_refused", 502),
        ({"status": 403, "body": b"{}"}, "userinfo_refused", 502),
        ({"json": ["sub"]}, "userinfo_invalid", 502),
        ({"body": b"<html>", "headers": {"content-type": "text/html"}}, "userinfo_invalid", 502),
        ({"status": 503, "body": b""}, "provider_unavailable", 503),
        ({"status": 302, "body": b"", "headers": {"location": "https://evil.example/"}}, "response_redirected", 502),
    ],
)
def test_anything_but_claims_ends_the_login(party, answer, code, status):
    party.refuses(lambda provider: provider.script("userinfo", **answer), code=code, status=status, userinfo=1)
