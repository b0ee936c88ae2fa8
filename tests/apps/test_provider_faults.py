"""The provider is away, slow, or talks nonsense: the right page, nothing lost, nobody let in, and one click later it works again."""

import logging
from urllib.parse import urlencode

import httpx
import pytest

from tests.conformance.party import DEEP_LINK, Party, assert_strict, codes_on

HTML = {"body": b"<html>Please sign in to the proxy</html>", "headers": {"content-type": "text/html"}}


@pytest.fixture(params=["asgi", "wsgi", "asgi@uvicorn", "wsgi@gunicorn"])
def party(request, caplog, served_by):
    caplog.set_level(logging.DEBUG)
    interface, _, server = request.param.partition("@")
    if server:
        served_by(server)
    return Party(interface, caplog)


TOKEN_FAULTS = [
    ({"raises": httpx.ConnectError("refused")}, "provider_unreachable", 503),
    ({"raises": httpx.ConnectTimeout("slow")}, "provider_timeout", 503),
    ({"raises": httpx.ReadTimeout("slow")}, "login_interrupted", 503),
    ({"raises": httpx.ReadError("reset")}, "login_interrupted", 503),
    ({"raises": httpx.RemoteProtocolError("cut")}, "login_interrupted", 503),
    ({"raises": RuntimeError("surprise of the client")}, "login_interrupted", 503),
    ({"status": 500, "body": b""}, "provider_unavailable", 503),
    ({"status": 503, "json": {}}, "provider_unavailable", 503),
    ({"status": 307, "body": b"", "headers": {"location": "https://evil.example/token"}}, "response_redirected", 502),
    ({"status": 400, "json": {"error": "invalid_grant", "error_description": "<b>canary</b>"}}, "code_refused", 400),
    ({"status": 401, "json": {"error": "invalid_client"}}, "client_rejected", 502),
    ({"status": 400, "json": {"error": "invalid_client"}}, "client_rejected", 502),
    ({"status": 400, "json": {"error": "unauthorized_client"}}, "token_refused", 502),
    (HTML, "token_response_invalid", 502),
    ({"json": []}, "token_response_invalid", 502),
    ({"json": {"access_token": "x", "token_type": "Bearer"}}, "id_token_missing", 502),
    ({"body": b'{"access_token":"x","token_type":"Bearer","id_token":"a","id_token":"b"}'}, "token_response_invalid", 502),
    ({"body": b'{"access_token":"x","token_type":"Bearer","expires_in":NaN,"id_token":"a"}'}, "token_response_invalid", 502),
    ({"body": b"[" * 100_000}, "token_response_invalid", 502),
    ({"body": b'{"access_token":"' + b"x" * 1_100_000 + b'"}'}, "response_too_large", 502),
    ({"body": b""}, "token_response_invalid", 502),
]


@pytest.mark.row("F-OP-08", "F-OP-09", "F-OP-10", "DI-03", "DI-04", "DI-05", "DI-08", "DI-09", "DI-15", "ID-31", "ID-22", "PK-03")
@pytest.mark.parametrize(("fault", "code", "status"), TOKEN_FAULTS)
def test_token_endpoint(party, fault, code, status):
    party.refuses(lambda provider: provider.script("token", **fault), code=code, status=status)
    pages = [page for browser in party.browsers for page in browser.history if page.status == status]
    for page in pages:
        assert (status == 503) == bool(page.header("retry-after"))
        assert "canary" not in page.text
    party.provider.unscript()
    party.clock.advance(30)
    party.accepts()


@pytest.mark.row("F-OP-04", "DI-09", "F-OP-09")
def test_one_click_after_a_failed_exchange(party):
    browser = party.browser()
    answer = party.provider.respond(browser.start_login(DEEP_LINK))
    party.provider.script("token", raises=httpx.ReadTimeout("slow"), times=1)
    page, retry = party.assert_refused(lambda: browser.deliver(answer), browser, code="login_interrupted", status=503)
    assert browser.deliver(answer).status == 400  # the same answer again: the code is not sent twice
    assert party.count("token") == 1
    landed = browser.navigate(retry, initiator=page.url)
    assert (landed.status, landed.url) == (200, "https://app.example.com" + DEEP_LINK)


DISCOVERY_FAULTS = [
    ({"raises": httpx.ConnectError("refused")}, "provider_unreachable", 503),
    ({"raises": httpx.ConnectTimeout("slow")}, "provider_timeout", 503),
    ({"raises": httpx.ReadTimeout("slow")}, "provider_timeout", 503),
    ({"status": 503, "body": b""}, "provider_unavailable", 503),
    ({"status": 429, "body": b"", "headers": {"retry-after": "1000000000"}}, "provider_throttled", 503),
    ({"status": 404, "body": b""}, "metadata_invalid", 502),
    ({"status": 301, "body": b"", "headers": {"location": "http://169.254.169.254/"}}, "response_redirected", 502),
    (HTML, "metadata_invalid", 502),
    ({"json": []}, "metadata_invalid", 502),
    ({"json": {}}, "metadata_invalid", 502),
    ({"body": b"x" * 1_100_000}, "response_too_large", 502),
]


@pytest.mark.row("F-OP-01", "F-OP-02", "F-OP-07", "F-OP-10", "DI-03", "DI-04", "DI-05", "DI-08")
@pytest.mark.parametrize(("fault", "code", "status"), DISCOVERY_FAULTS)
def test_discovery_at_start(party, fault, code, status):
    party.provider.script("discovery", **fault)
    browser = party.browser()
    for _ in range(5):
        page = browser.navigate(DEEP_LINK)
        assert (page.status, codes_on(page)) == (status, [code])
        assert_strict(page)
        assert (status == 503) == bool(page.header("retry-after"))
        assert int(page.header("retry-after") or 0) <= 300
    assert len(browser.cookies) == 0
    assert party.count("discovery") == 1, "a failure is remembered for a moment"
    assert party.seen == []
    party.provider.unscript()
    party.clock.advance(301 if code == "provider_throttled" else 5)
    party.accepts(browser)


@pytest.mark.row("F-OP-02", "DI-13", "F-OP-03")
def test_sessions_and_logins_outlive_a_provider_whose_documents_are_away(party):
    _, signed_in = party.accepts()
    party.clock.advance(3500)
    assert signed_in.fetch("/api").status == 200
    for endpoint in ("discovery", "jwks"):
        party.provider.script(endpoint, raises=httpx.ConnectError("refused"))
    for _ in range(4):
        party.clock.advance(3000)
        assert signed_in.fetch("/api").status == 200
        party.accepts()
    party.provider.unscript()
    party.accepts()


JWKS_FAULTS = [
    ({"raises": httpx.ConnectError("refused")}, 503),
    ({"status": 500, "body": b""}, 503),
    (HTML, 502),
    ({"json": []}, 502),
    ({"body": b"x" * 600_000}, 502),
]


@pytest.mark.row("JW-02", "JW-03", "F-OP-04")
@pytest.mark.parametrize(("fault", "status"), JWKS_FAULTS)
def test_keys_at_start(party, fault, status):
    party.provider.script("jwks", **fault)
    browser = party.browser()
    page = browser.login(f"/oidc/login?{urlencode({'return_to': DEEP_LINK})}")
    assert page.status == status
    assert (status == 503) == bool(page.header("retry-after"))
    assert browser.fetch("/api").status == 401
    assert party.seen == []
    party.assert_nothing_leaked(page)
    party.provider.unscript()
    party.clock.advance(5)
    party.accepts(browser)


@pytest.mark.row("JW-01", "JW-04")
def test_odd_keys_among_good_ones_do_no_harm(party):
    odd = [{"kty": "RSA"}, {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {"kty": "AKP"}]
    odd += [None, "text", {"n": "AQAB"}, {"kty": "oct", "k": "c2VjcmV0"}, []]
    party.provider.jwks_edit = lambda document: {"keys": [*odd, *document["keys"]]}
    party.accepts()


@pytest.mark.row("F-OP-17")
@pytest.mark.parametrize(("skew", "works"), [(-50, True), (50, True), (-700, False), (400, False)])
def test_a_provider_whose_clock_is_off(party, skew, works):
    party.provider.id_token_claims |= {name: lambda value: value + skew for name in ("iat", "exp")}
    page = party.browser().login(DEEP_LINK)
    assert (page.status == 200) == works
    assert works or page.status == 502
