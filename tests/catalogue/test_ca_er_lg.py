"""Caching, pages, logs (catalogue 1.17)."""

import re

import pytest

from oidc_middleware.flows.effects import Claim, Fetch
from oidc_middleware.flows.messages import PassThrough, Request, Respond
from oidc_middleware.flows.raw_headers import outgoing_headers
from oidc_middleware.identity import ANONYMOUS
from oidc_middleware.protocol.callback import _PROOF, CallbackParameters, ValidatedCallback
from oidc_middleware.protocol.messages import HttpRequest
from oidc_middleware.protocol.tokens import TokenSet
from oidc_middleware.sessions.pending import PendingLogin
from tests.catalogue.helpers import assert_strict, codes_on, landed, login_url, raw_request, shown
from tests.catalogue.probe import probe, send, signed_in

HOSTILE = [
    "<script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "javascript:alert(1)",
    "{{7*7}}",
    "'onmouseover='x",
    "\r\nSet-Cookie: a=b",
    "\x1b[31m",
]


@pytest.mark.row("CA-01")
def test_ca_01_no_answer_with_our_cookie_is_for_shared_caches(stage):
    probe(stage, headers=[("Cache-Control", "public, max-age=600"), ("Vary", "Accept")])
    browser = signed_in(stage)
    stage.clock.advance(1800)  # time to write down that the session is in use
    page = send(browser, "/page")
    assert page.all("set-cookie")
    assert page.all("cache-control") == ["private, no-store"]
    assert page.all("vary") == ["Accept", "Cookie"]
    for entry in browser.history:
        if entry.all("set-cookie"):
            assert "no-store" in entry.header("cache-control")
            assert "Cookie" in ", ".join(entry.all("vary"))


@pytest.mark.row("CA-02", "CA-06", "AS-03")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ["private, no-store"]),
        ([("Cache-Control", "no-cache")], ["no-cache"]),
        ([("Cache-Control", "public, max-age=60")], ["private, max-age=60"]),
        ([("Cache-Control", "private, max-age=60")], ["private, max-age=60"]),
        ([("Cache-Control", "max-age=60")], ["private, max-age=60"]),
        ([("Cache-Control", "must-revalidate")], ["private, must-revalidate"]),
        ([("ETag", '"1"')], ["private, no-cache"]),
    ],
)
def test_ca_02_a_protected_answer_is_private(stage, given, expected):
    probe(stage, headers=given, public=["/open"])
    browser = signed_in(stage)
    assert send(browser, "/page").all("cache-control") == expected
    assert send(stage.browser(), "/open").all("cache-control") == [value for name, value in given if name == "Cache-Control"]


@pytest.mark.row("CA-01", "CA-02")
@pytest.mark.parametrize("name", ["Cache-Control", "CACHE-CONTROL", "cache-Control"])
def test_ca_02_in_whatever_case_an_application_writes_it(name):
    """ASGI wants names in lower case; what an application sends otherwise must not open a way around."""
    headers = outgoing_headers([(name.encode(), b"public, max-age=600")], ())
    values = [value for key, value in headers if key.lower() == b"cache-control"]
    assert values in ([b"private, max-age=600"], [b"public, max-age=600", b"private, no-store"]), "the strictest of two counts (RFC 9111 4.2.1)"


@pytest.mark.row("CA-03")
def test_ca_03_the_login_comes_before_304_and_ranges(stage):
    calls = probe(stage, headers=[("ETag", '"1"')])
    for header in (("If-None-Match", '"1"'), ("If-Modified-Since", "Mon, 01 Jan 2035 00:00:00 GMT"), ("Range", "bytes=0-1")):
        assert send(stage.browser(), "/page", headers=[header]).status == 302
    assert calls == []


@pytest.mark.row("CA-04", "CA-05")
def test_ca_04_the_code_is_gone_from_the_address_at_once(stage):
    browser = stage.browser()
    page = browser.login("/page")
    first = next(entry for entry in browser.history if "/oidc/callback" in entry.url)
    assert (first.status, first.header("referrer-policy"), first.body) == (303, "no-referrer", b"")
    assert "code=" not in page.url + first.location


@pytest.mark.row("ER-01", "ER-02", "ST-15")
@pytest.mark.parametrize("text", HOSTILE)
def test_er_01_nothing_that_came_in_is_shown(stage, text):
    browser = stage.visitor()
    for edits in ({"error": text}, {"error": "access_denied", "error_description": text, "error_uri": text}, {"iss": text}, {"state": text}):
        stage.clock.advance(61)
        location = browser.start_login(login_url("/x"))
        page = browser.finish_login(location, **edits)
        assert page.status in (400, 403)
        assert_strict(page)
        for shape in (text, text.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;")):
            assert shape not in page.text
        assert "default-src 'none'" in page.header("content-security-policy")
    for parameter in ("return_to", "login_hint", "prompt", "x"):
        page = raw_request(browser, f"/oidc/login?{parameter}=%3Cscript%3E")
        assert page.status == 302
        assert "script" not in page.text


@pytest.mark.row("ER-01")
def test_er_01_a_hostile_name_is_text_on_the_page(stage):
    stage.provider.user["name"] = "<script>alert(1)</script>"
    probe(stage, allow=lambda user: False)
    stage.provider.user["name"] = "<script>alert(1)</script>"
    page = stage.browser().login("/x")
    assert page.status == 403
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text


@pytest.mark.row("ER-03", "F-PR-09")
def test_er_03_a_fault_of_ours_says_nothing_and_lets_nobody_in(stage, monkeypatch):
    browser = stage.visitor(signed_in=True)
    location = browser.start_login(login_url("/x"))

    def broken(*args, **options):
        raise RuntimeError(f"eyJhbGciOiJub25lIn0.{browser.base_url}")  # put together here, so that the line of code does not hold it

    monkeypatch.setattr("oidc_middleware.flows.callback.process_tokens", broken)
    page = browser.finish_login(location)
    assert (page.status, codes_on(page)) == (500, ["internal_error"])
    assert_strict(page)
    assert "Traceback" not in page.text
    assert f"eyJhbGciOiJub25lIn0.{browser.base_url}" not in page.text + stage.caplog.text
    assert "RuntimeError" in stage.caplog.text, "the type and the place are logged"
    assert not page.all("set-cookie")
    assert stage.who(browser) == stage.provider.user["sub"]


@pytest.mark.row("ER-03")
def test_er_03_an_exception_of_the_app_is_the_apps(stage):
    def raising(*args):
        raise LookupError("of the app")

    stage._asgi_probe = stage._wsgi_probe = raising
    stage.restart(public=["/open"])
    with pytest.raises(LookupError, match="of the app"):
        send(stage.browser(), "/open")


@pytest.mark.row("ER-04")
def test_er_04_no_page_of_ours_can_be_framed(stage):
    browser = stage.visitor(signed_in=True)
    paths = ["/callback?state=x", "/callback", "/error?of=x", "/logout", "/signed-out", "/nothing", "/login"]
    cookie = browser.cookies.header("https://app.example.com/x", stage.clock.now())
    pages = [raw_request(browser, "/oidc" + path, cookie=cookie) for path in paths]
    assert [page.status for page in pages] == [303, 400, 400, 200, 200, 404, 302]
    for page in pages:
        assert "frame-ancestors 'none'" in page.header("content-security-policy"), page.url


@pytest.mark.row("ER-05")
def test_er_05_an_error_is_no_user(stage):
    calls = probe(stage, public=["/open"])
    stage.provider.script("discovery", status=500)
    assert send(stage.browser(), "/page").status == 503
    send(stage.browser(), "/open")
    assert not calls[-1].user.is_authenticated
    assert (calls[-1].user.identity, dict(calls[-1].user.claims), calls[-1].user.email) == ("", {}, None)


@pytest.mark.row("ER-06", "CK-11")
@pytest.mark.parametrize(
    "target",
    [
        "/page?%",
        "/page?%zz",
        "/page?x=%ff",
        "/oidc/login?return_to=%",
        "/oidc/login?%ff=%ff",
        "/oidc/callback?state=%zz",
        "/oidc/callback?%00",
        "/oidc/signed-out?state=%ff",
        "/oidc/logout?%%%",
    ],
)
def test_er_06_malformed_encoding_is_never_a_500(stage, target):
    for cookie in ("%", "\xff\xfe=\x80", "oidc=%zz; =;;;", "a" * 5000):
        browser = stage.browser()
        _, page = shown(raw_request(browser, target, cookie=cookie), browser)
        assert page.status in (200, 302, 400), page.status
        assert page.status == 400 or "/callback" not in target


@pytest.mark.row("LG-01")
def test_lg_01_no_secret_in_any_log_line(stage):
    """A whole day: sign-in, refusals of every kind, sign-out. The marked secrets are looked for in everything that was logged and shown."""
    browser = stage.visitor()
    for bend in ({"state": "wrong"}, {"code": "forged-code-canary"}, {"iss": "https://evil.example"}, {"error": "server_error"}):
        location = browser.start_login(login_url("/x"))
        stage.pending(browser)
        page = browser.finish_login(location, **bend)
        assert page.status >= 400
        stage.assert_nothing_leaked(page)
        stage.clock.advance(61)
    for endpoint in ("token", "userinfo", "jwks"):
        stage.restart()
        other = stage.browser()
        location = other.start_login("/x")
        stage.pending(other)
        stage.provider.script(endpoint, status=200, body=b"<html>not json")
        page = other.finish_login(location)
        assert page.status in (502, 503)
        stage.assert_nothing_leaked(page)
    stage.restart()
    signed = stage.visitor(signed_in=True)
    signed.post_form("/oidc/logout")
    stage.assert_nothing_leaked()
    assert repr(stage.rp.settings).count("canary") == 0


@pytest.mark.row("LG-01")
def test_lg_01_nothing_that_flows_pass_around_prints_a_secret():
    secret = "canary-0123456789"
    for value in (
        Request("http", "GET", "https", "", "/x", secret, secret, secret, lambda name: [secret], "192.0.2.7", 0.0),
        Respond(302, (("Location", secret), ("Set-Cookie", secret)), secret.encode()),
        PassThrough(ANONYMOUS, (secret,)),
        Claim(secret, 1.0),
        Fetch(HttpRequest("token", "POST", "https://op.example/token", {"authorization": secret}, secret.encode())),
        ValidatedCallback(secret, _PROOF),
        CallbackParameters(code=secret, state=secret, error_description=secret),
        TokenSet(secret, "Bearer", None, secret, secret, None),
        PendingLogin(secret, secret, secret, "/", "https://op.example", "https://app.example.com/oidc/callback", 0.0),
    ):
        assert secret not in repr(value), type(value)
        assert secret not in f"{value}"


@pytest.mark.row("LG-02")
@pytest.mark.parametrize("text", ["a\r\nlogin.ok", "\x1b[2J", "\u2028x", "%s%s%n", "{0}", "${jndi:ldap://evil}", "x" * 5000])
def test_lg_02_no_field_writes_a_line_of_its_own(stage, text):
    browser = stage.browser()
    location = browser.start_login("/x")
    browser.finish_login(location, error="x", error_description=text)
    raw_request(browser, "/oidc/login", headers={"host": "app.example.com", "origin": "x"})
    for record in stage.caplog.records:
        if record.name == "oidc_middleware":
            message = record.getMessage()
            assert message.isascii()
            assert message.isprintable()
            assert len(message) <= 512


@pytest.mark.row("LG-03")
def test_lg_03_a_flood_of_bad_callbacks_does_not_fill_the_disk(stage):
    browser = stage.browser()
    for number in range(300):
        _, page = shown(raw_request(browser, f"/oidc/callback?code=x&state=s{number}"), browser)
        assert (page.status, codes_on(page)) == (400, ["no_transaction"])
    warnings = [record for record in stage.caplog.records if record.levelname == "WARNING" and record.name == "oidc_middleware"]
    assert 0 < len(warnings) <= 20
    stage.clock.advance(1)
    raw_request(browser, "/oidc/callback?code=x&state=last")
    assert re.search(r"suppressed=28\d", stage.caplog.text)


@pytest.mark.row("LG-04")
def test_lg_04_what_matters_is_in_the_log_under_a_stable_name(stage):
    browser = stage.browser()
    assert landed(browser.login("/x")) == "/x"
    location = browser.start_login(login_url("/y"))
    browser.finish_login(location, error="access_denied")
    stage.clock.advance(9 * 3600)
    send(browser, "/x", cookie="; ".join(f"{name}={value}" for name, value in stage.session_of(browser).items()))
    stage.clock.advance(61)
    again = stage.browser()
    again.login("/x")
    again.post_form("/oidc/logout")
    again.navigate("/oidc/callback?code=x&state=y")
    events = {getattr(record, "event", None) for record in stage.caplog.records}
    assert {"login.started", "login.ok", "login.failed", "logout.local", "logout.done"} <= events
    assert codes_on(again.history[-1]) == ["no_transaction"]


@pytest.mark.row("TI-01")
def test_ti_01_the_state_is_compared_in_constant_time():
    import inspect

    from oidc_middleware.protocol import callback
    from oidc_middleware.sessions import csrf, pending

    for module in (callback, pending, csrf):
        assert "compare_digest" in inspect.getsource(module)
