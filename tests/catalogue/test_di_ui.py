"""Catalogue 1.7 and 1.8, DI and UI: metadata, token endpoint and UserInfo, seen from a login."""

import json

import httpx
import pytest

from oidc_middleware.testing import REMOVE
from oidc_middleware.testing.script import edited
from tests.catalogue.helpers import assert_strict, codes_on, landed
from tests.conformance.party import DEEP_LINK

ODD_VALUES = [None, 0, -1, 1e300, True, "", "x", "\ud800", [], [1], {}, {"a": "b"}, [["a"]], "x" * 10_000]
ENDPOINTS = ["authorization_endpoint", "token_endpoint", "jwks_uri"]
FIELDS = [
    *ENDPOINTS,
    "issuer",
    "userinfo_endpoint",
    "end_session_endpoint",
    "token_endpoint_auth_methods_supported",
    "code_challenge_methods_supported",
    "scopes_supported",
    "claims_supported",
    "authorization_response_iss_parameter_supported",
    "id_token_signing_alg_values_supported",
    "unknown",
]


def answers_with(provider, endpoint, name, value):
    """*endpoint* answers as ever, with one member changed. Written in ASCII, so that a lone surrogate can be told as well."""

    def edit(response):
        content = json.dumps(edited(response.json(), {name: value})).encode("ascii")
        return httpx.Response(200, headers={"content-type": "application/json"}, content=content)

    provider.unscript()
    provider.script(endpoint, edit=edit)


@pytest.mark.row("DI-02")
@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize(
    "url",
    [
        "http://op.example/x",
        "http://localhost:80@evil.example/x",
        "http://localhost.evil.example/x",
        "http://[::ffff:127.0.0.1]/x",
        "ftp://op.example/x",
        "file:///etc/passwd",
        "/x",
        "x",
        "//op.example/x",
        "https://user:pass@op.example/x",
        "https://op.example/x#f",
        "https://",
        "https://op.example/\r\nx",
        "javascript:alert(1)",
    ],
)
def test_di_02(stage, name, url):
    """A downgraded endpoint: no redirect to it, no secret sent to it."""
    stage.provider.metadata_edits[name] = url
    browser = stage.browser()
    page = browser.navigate(DEEP_LINK, follow=False)
    assert page.status == 502
    assert codes_on(page)[0] in ("metadata_endpoint_insecure", "metadata_invalid")
    assert page.all("location") == page.all("set-cookie") == []
    assert_strict(page)
    assert [request.endpoint for request in stage.provider.requests] == ["discovery"]
    stage.assert_nothing_leaked(page)


@pytest.mark.row("DI-03")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("endpoint", ["discovery", "token", "userinfo"])
def test_di_03(stage, endpoint, status):
    stage.provider.script(endpoint, status=status, headers={"location": "http://127.0.0.1:9/steal"}, body=b"")
    page = stage.browser().navigate(DEEP_LINK)
    assert (page.status, codes_on(page)) == (502, ["response_redirected"])
    assert not [request for request in stage.provider.requests if "127.0.0.1" in request.url]
    assert stage.count(endpoint) == 1
    stage.assert_nothing_leaked(page)


BROKEN = [
    {"body": b""},
    {"body": b"<html>log in here</html>", "headers": {"content-type": "text/html"}},
    {"body": b'{"issuer": "https://op.exa'},
    {"body": b"\xef\xbb\xbf{}"},
    {"body": b"[]"},
    {"body": b"null"},
    {"body": b'{"a": NaN}'},
    {"body": b'{"issuer": "https://op.example", "issuer": "https://op.example"}'},
    {"body": b'{"\xff": 1}'},
    {"body": b"{}", "headers": {"content-type": "text/plain"}},
    {"body": b"[" * 50_000},
    {"body": b'{"a": ' + b"9" * 5_000 + b"}"},
    {"body": b"x" * 1_100_000},
]


@pytest.mark.row("DI-04", "DI-05")
@pytest.mark.parametrize("answer", BROKEN)
def test_di_04(stage, answer):
    stage.provider.script("discovery", **answer)
    browser = stage.browser()
    page = browser.navigate(DEEP_LINK, follow=False)
    assert (page.status, codes_on(page)[0]) in {(502, "metadata_invalid"), (502, "response_too_large"), (502, "metadata_issuer_mismatch")}
    stage.provider.unscript()
    stage.clock.advance(5)
    assert landed(browser.login(DEEP_LINK)) == DEEP_LINK
    stage.provider.script("discovery", **answer)
    stage.clock.advance(3_601)
    assert landed(stage.browser().login(DEEP_LINK)) == DEEP_LINK, "the good copy from before was dropped"
    stage.assert_nothing_leaked(page)


@pytest.mark.row("DI-04", "DI-10", "ID-31")
@pytest.mark.parametrize("answer", BROKEN)
def test_di_04_at_the_token_endpoint(stage, answer):
    stage.refuses_tokens(
        lambda provider: provider.script("token", **answer), code="response_too_large" if len(answer["body"]) > 10**6 else "token_response_invalid"
    )


@pytest.mark.row("DI-08", "DI-09")
@pytest.mark.parametrize(
    ("status", "wait", "shown"),
    [
        (429, "7", 7),
        (429, "1000000000", 300),
        (429, "-5", 5),
        (429, "soon", 5),
        (503, "20", 20),
        (503, "Sat, 01 Jan 2028 00:00:00 GMT", None),
        (500, "", 5),
    ],
)
def test_di_08(stage, status, wait, shown):
    """The code may be burnt: never sent twice, a page that says when to try again, and an existing session that is none the wiser."""
    code = "provider_throttled" if status == 429 else "provider_unavailable"
    headers = {"retry-after": wait, "content-type": "text/plain"}
    stage.refuses_tokens(lambda provider: provider.script("token", status=status, headers=headers, body=b"busy"), code=code, status=503, patience=301)
    page = next(page for page in reversed(stage.browsers[0].history) if page.status == 503)
    assert 1 <= int(page.header("retry-after")) <= 300
    assert shown is None or int(page.header("retry-after")) == shown


@pytest.mark.row("DI-09")
@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, "invalid_grant", "code_refused"),
        (401, "invalid_client", "client_rejected"),
        (400, "invalid_client", "client_rejected"),
        (400, "unauthorized_client", "token_refused"),
        (403, "", "token_refused"),
        (418, "x", "token_refused"),
    ],
)
def test_di_09(stage, status, error, code):
    wanted = 400 if code == "code_refused" else 502
    stage.refuses_tokens(lambda provider: provider.script("token", status=status, json={"error": error}), code=code, status=wanted)


@pytest.mark.row("DI-09")
def test_di_09_only_a_connection_that_failed_leaves_the_code_unsent(stage):
    """A reset after the request was sent: 503, and a new login is one click away. The same code never goes out again."""
    browser = stage.browser()
    location = browser.start_login(DEEP_LINK)
    answer = stage.provider.respond(location)
    stage.provider.script("token", raises=httpx.ReadError("reset"))
    page, retry = stage.assert_refused(lambda: browser.deliver(answer), browser, code="login_interrupted", status=503)
    stage.provider.unscript()
    assert page.header("retry-after")
    assert browser.deliver(answer).status == 400
    assert stage.count("token") == 1
    assert landed(browser.login(retry)) == DEEP_LINK


@pytest.mark.row("DI-10")
@pytest.mark.parametrize("name", FIELDS)
def test_di_10(stage, name):
    """Every type in every field: a login that works, or a clear refusal; never a fault of ours, never a redirect to something odd."""
    for value in [*ODD_VALUES, REMOVE]:
        stage.restart()
        answers_with(stage.provider, "discovery", name, value)
        browser = stage.browser()
        page = browser.navigate(DEEP_LINK, follow=False)
        assert page.status in (302, 502), (name, value)
        if page.status == 302:
            assert page.location.startswith("https://op.example/authorize?")
            back = browser.finish_login(page.location)
            assert back.status in (200, 400, 502), (name, value)
            assert back.status == 200 or codes_on(back)
        else:
            assert codes_on(page)[0].startswith("metadata_")
        assert "internal error" not in stage.caplog.text


@pytest.mark.row("DI-10", "ID-31", "ID-32")
@pytest.mark.parametrize("name", ["access_token", "id_token", "token_type", "expires_in", "scope", "refresh_token", "unknown"])
def test_di_10_token_response(stage, name):
    for value in [*ODD_VALUES, REMOVE]:
        stage.clock.advance(61)
        answers_with(stage.provider, "token", name, value)
        browser = stage.browser()
        page = browser.login(DEEP_LINK)
        too_large = codes_on(page) == ["session_too_large"]
        assert page.status in (200, 502) or (too_large and name == "scope"), (name, value)
        if page.status == 200:
            assert stage.who(browser) == stage.provider.user["sub"]
            assert name not in ("access_token", "id_token", "token_type") or value is None
        else:
            assert stage.session_of(browser) == {}
        assert "internal error" not in stage.caplog.text


@pytest.mark.row("DI-13", "F-OP-14")
def test_di_13(stage):
    """The token endpoint moves: found within the hour. What is published then and is not valid changes nothing."""
    stage.accepts()
    stage.provider.metadata_edits["token_endpoint"] = "http://op.example/token"
    stage.clock.advance(3_601)
    stage.accepts()
    assert stage.count("discovery") == 2
    stage.provider.metadata_edits["token_endpoint"] = "https://op.example/moved"
    stage.clock.advance(3_601)
    page = stage.browser().login(DEEP_LINK)
    assert page.status == 502
    assert stage.provider.requests[-1].url == "https://op.example/moved"


@pytest.mark.row("DI-15")
@pytest.mark.parametrize("error", ["invalid_grant", "<script>alert(1)</script>", "x\r\nINFO forged line", "x" * 100_000])
def test_di_15(stage, error):
    """Whatever the provider says about an error: escaped and short in the log, not on the page; a secret it repeats is masked."""
    secret = stage.provider.client_secret
    text = f"{error} {secret} <b>canary-html</b> \r\nWARNING forged\x1b[31m"
    stage.provider.script("token", status=400, json={"error": error, "error_description": text, "error_uri": text})
    browser = stage.browser()
    page = browser.login(DEEP_LINK)
    assert page.status in (400, 502)
    assert "canary-html" not in page.text
    assert "<script" not in page.text
    lines = [record.getMessage() for record in stage.caplog.records if record.name == "oidc_middleware"]
    assert not [line for line in lines if "\n" in line or "\r" in line or "\x1b" in line or len(line) > 600]
    stage.assert_nothing_leaked(page)


@pytest.mark.row("UI-01")
@pytest.mark.parametrize("sub", ["somebody-else", REMOVE, lambda sub: sub.upper(), 1, None, "", lambda sub: [sub], lambda sub: sub + " "])
def test_ui_01(stage, sub):
    stage.refuses_tokens(lambda provider: provider.userinfo_edits.update(sub=sub), code="userinfo_sub_mismatch", userinfo=1)


@pytest.mark.row("UI-03")
@pytest.mark.parametrize("answer", [item for item in BROKEN if b"issuer" not in item["body"]])
def test_ui_03(stage, answer):
    code = "response_too_large" if len(answer["body"]) > 10**6 else "userinfo_invalid"
    stage.refuses_tokens(lambda provider: provider.script("userinfo", **answer), code=code, userinfo=1)


@pytest.mark.row("UI-05")
def test_ui_05(stage):
    """What a token is about comes from the token: UserInfo may say what it likes."""
    hostile = {
        "iss": "https://evil.example",
        "aud": "evil",
        "exp": 1,
        "iat": 1,
        "nbf": 9e9,
        "nonce": "x",
        "azp": "evil",
        "at_hash": "x",
        "sid": "evil",
    }
    stage.provider.userinfo_edits.update({**hostile, "acr": "evil", "amr": ["evil"], "auth_time": 1, "groups": ["from-userinfo"]})
    stage.provider.id_token_claims.update(sid="op-session", name="From the ID token")
    claims, _ = stage.accepts()
    assert (claims["iss"], claims["sid"], claims["name"]) == (stage.provider.issuer, "op-session", "From the ID token")
    assert claims["groups"] == ["from-userinfo"]
    assert "evil" not in json.dumps(claims)


@pytest.mark.row("ID-34", "UI-05", "AZ-02")
@pytest.mark.parametrize(
    ("signed", "more", "status"),
    [
        ({"email": "ada@good.example"}, {"email": "ada@good.example", "email_verified": True}, 200),
        ({"email": "ada@good.example", "email_verified": True}, {"email": "x@evil.example", "email_verified": False}, 200),
        ({}, {"email": "ada@good.example", "email_verified": True}, 200),
        ({"email": "ada@good.example"}, {"email": "x@evil.example", "email_verified": True}, 403),
        ({"email": "ada@good.example"}, {"email_verified": True}, 403),
        ({"email": "ada@good.example", "email_verified": False}, {"email": "ada@good.example", "email_verified": True}, 403),
        ({"email_verified": True}, {"email": "ada@good.example"}, 403),
        ({"email_verified": True}, {"email": "ada@good.example", "email_verified": False}, 403),
    ],
)
def test_ui_05_an_address_is_verified_only_where_it_stands(stage, signed, more, status):
    """What the ID token calls an address, and what UserInfo calls verified, need not be one and the same."""
    stage.restart(allow=["@good.example"], userinfo="always")
    stage.provider.user = {"sub": "ada"}
    stage.provider.id_token_claims.update(signed)
    stage.provider.userinfo_edits.update(more)
    assert stage.browser().login("/x").status == status
