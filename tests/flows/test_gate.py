"""Which request leads where, in the details that no browser shows: what the log says, what pages allow, what the session endpoint tells."""

import json
import logging
from dataclasses import replace

import pytest

from oidc_middleware.errors import Unavailable
from oidc_middleware.flows.effects import Report
from oidc_middleware.flows.gate import gate
from oidc_middleware.flows.login import own_path
from oidc_middleware.flows.messages import PassThrough, Respond
from oidc_middleware.sessions.session import Session
from tests.flows.hand import ISSUER, METADATA, Driver, json_response, party, request

NOW = 1_800_000_000.0
SESSION = Session(
    issuer=ISSUER, subject="ada", claims_json='{"sub":"ada","name":"Ada L","email":"ada@example.com"}', created=NOW - 600, seen=NOW - 600,
    expires=NOW + 3000, sid=None, scopes=("openid",), id_token=None, auth_time=None,
)  # fmt: skip
PROGRAM = {"accept": "application/json", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}


def cookie_of(rp, session=SESSION):
    """The Cookie header of a browser with *session*."""
    return "; ".join(item.partition(";")[0] for item in rp.sites.fixed.sessions.write(session, NOW, bytes(12), ()))


def decided(rp, *args, driver=None, **fields):
    """The decision on a request."""
    outcome = gate(request(*args, **fields), rp)
    return outcome if isinstance(outcome, (PassThrough, Respond)) else (driver or Driver(json_response(METADATA))).run(outcome)


def policy_of(answer):
    return dict(part.strip().partition(" ")[::2] for part in dict(answer.headers)["Content-Security-Policy"].split(";"))


@pytest.mark.row("AZ-05", "ER-04")
def test_the_page_that_denies_access_lets_its_button_lead_to_the_provider():
    rp, driver = party(allow="eve@example.com"), Driver()
    answer = decided(rp, "/x", query="y=1", cookie=cookie_of(rp), driver=driver)
    assert answer.status == 403
    assert policy_of(answer)["form-action"] == "'self' https: http:", "browsers hold redirects of a form against form-action as well"
    text = answer.body.decode()
    assert 'action="/oidc/login?return_to=%2Fx%3Fy%3D1&amp;prompt=login"' in text
    assert "Ada L" in text
    [report] = [effect for effect in driver.effects if isinstance(effect, Report)]
    assert (report.event, report.level, report.code) == ("access.denied", logging.WARNING, "not_allowed")
    assert report.correlation_id
    assert report.correlation_id in text


@pytest.mark.row("AZ-05")
def test_a_program_without_access_is_told_the_reason_and_the_number_to_ask_about():
    rp, driver = party(allow="eve@example.com"), Driver()
    answer = decided(rp, "/x", cookie=cookie_of(rp), headers=PROGRAM, driver=driver)
    [report] = [effect for effect in driver.effects if isinstance(effect, Report)]
    told = json.loads(answer.body)
    assert (answer.status, told["status"], told["code"]) == (403, 403, "not_allowed")
    assert (told["detail"], told["correlation_id"]) == (report.detail, report.correlation_id)
    assert told["title"].endswith(".")
    assert report.detail
    assert report.correlation_id


@pytest.mark.row("AZ-05")
def test_a_denied_user_gets_public_pages_as_themselves():
    rp = party(allow="eve@example.com", public=["/open/*"])
    answer = decided(rp, "/open/x", cookie=cookie_of(rp))
    assert (answer.user.identity, answer.private) == ("ada", True)
    assert decided(rp, "/open/x").private is False


def test_the_use_of_a_session_is_written_down_after_a_quarter_of_its_idle_time():
    rp = party(idle_timeout=1600)
    before = decided(rp, "/x", cookie=cookie_of(rp, replace(SESSION, seen=NOW - 399)))
    assert (before.set_cookies, before.user.identity) == ((), "ada")
    after = decided(rp, "/x", cookie=cookie_of(rp, replace(SESSION, seen=NOW - 400)))
    assert after.user.identity == "ada"
    header = "; ".join(item.partition(";")[0] for item in after.set_cookies)
    assert rp.sites.fixed.sessions.read(header, NOW).session == replace(SESSION, seen=NOW)
    assert decided(rp, "/x", kind="websocket", headers={"origin": "https://app.example.com"}, cookie=cookie_of(rp)).set_cookies == ()


@pytest.mark.row("CK-05")
def test_a_session_that_cannot_be_prolonged_goes_on_and_the_log_says_so(monkeypatch):
    rp, driver = party(idle_timeout=1600), Driver()
    cookie = cookie_of(rp)
    monkeypatch.setattr(rp.sites.fixed.sessions, "_budget", 10)
    answer = decided(rp, "/x", cookie=cookie, driver=driver)
    assert (answer.user.identity, answer.set_cookies) == ("ada", ())
    [report] = [effect for effect in driver.effects if isinstance(effect, Report)]
    assert (report.event, report.level, report.code) == ("session.not_prolonged", logging.WARNING, "session_too_large")


@pytest.mark.row("LG-04", "CK-08")
@pytest.mark.parametrize(
    ("cookie", "event", "level", "detail"),
    [
        (lambda rp: cookie_of(rp)[:-9] + "AAAAAAAAA", "session.rejected", logging.WARNING, "broken"),
        (lambda rp: f"{cookie_of(rp)}; {cookie_of(rp)}", "session.rejected", logging.WARNING, "ambiguous"),
        (lambda rp: cookie_of(rp, replace(SESSION, seen=NOW + 9_000, created=NOW + 9_000)), "session.rejected", logging.WARNING, "early"),
        (lambda rp: cookie_of(rp, replace(SESSION, seen=NOW - 90_000, created=NOW - 90_000)), "session.expired", logging.INFO, "expired"),
    ],
)
def test_what_became_of_a_session_is_in_the_log(cookie, event, level, detail):
    rp, driver = party(), Driver()
    answer = decided(rp, "/x", cookie=cookie(rp), headers=PROGRAM, driver=driver)
    assert answer.status == 401
    [report] = [effect for effect in driver.effects if isinstance(effect, Report)]
    assert (report.event, report.level, report.detail) == (event, level, detail)
    deleted = [value for name, value in answer.headers if name == "Set-Cookie"]
    assert bool(deleted) == (detail == "ambiguous")


def test_nobody_at_all_is_not_worth_a_line():
    driver = Driver()
    assert decided(party(), "/x", headers=PROGRAM, driver=driver).status == 401
    assert driver.effects == []


def test_the_session_endpoint_tells_a_front_end_all_it_needs():
    rp = party(base_url="https://app.example.com/dash")
    driver = Driver()
    answer = decided(rp, "/oidc/session", cookie=cookie_of(rp), headers=PROGRAM, driver=driver)
    assert driver.events == ["session.asked"]
    assert (answer.status, dict(answer.headers)["Content-Type"]) == (200, "application/json")
    assert json.loads(answer.body) == {
        "sub": "ada", "name": "Ada L", "email": "ada@example.com", "expires_at": NOW + 3000, "expires_in": 3000,
        "login_url": "https://app.example.com/dash/oidc/login", "logout_url": "https://app.example.com/dash/oidc/logout",
    }  # fmt: skip
    nobody = decided(rp, "/oidc/session", headers=PROGRAM)
    assert (nobody.status, json.loads(nobody.body)["code"]) == (401, "login_required")
    assert json.loads(nobody.body)["login_url"] == "https://app.example.com/dash/oidc/login"


@pytest.mark.parametrize(
    ("endpoint", "allowed"),
    [
        ("login", "GET, HEAD, POST"), ("callback", "GET, POST"), ("logout", "GET, HEAD, POST"), ("signed-out", "GET, HEAD"),
        ("session", "GET, HEAD"), ("initiate", "GET, HEAD, POST"), ("error", "GET, HEAD"),
    ],
)  # fmt: skip
def test_each_endpoint_says_what_it_takes(endpoint, allowed):
    for method in ("PUT", "DELETE", "OPTIONS", "get", *({"HEAD", "POST"} - set(allowed.split(", ")))):
        answer = decided(party(), f"/oidc/{endpoint}", method=method)
        assert (answer.status, dict(answer.headers)["Allow"], answer.body) == (405, allowed, b""), method


@pytest.mark.row("PA-09")
def test_a_path_outside_the_mount_of_the_base_url_is_protected_as_it_is():
    rp = party(base_url="https://app.example.com/dash", public=["/open"])
    assert decided(rp, "/dash/open").user.is_authenticated is False
    assert decided(rp, "/open").user.is_authenticated is False, "where the proxy strips the mount"
    for path in ("/other", "/dashboard", "/dashboard/open", "/dash/other", "/dash"):
        answer = decided(rp, path)
        assert answer.status == 302, path
    for path in ("/dash/oidc/session", "/oidc/session"):
        assert decided(rp, path).status == 401
    assert decided(rp, "/dashboard/oidc/session").status == 302, "not ours"


@pytest.mark.row("RD-14", "PA-09")
def test_a_public_page_needs_no_usable_host_but_our_endpoints_do():
    rp = party(base_url=None, allowed_hosts=["app.example.com"], public=["/open"])
    foreign = {"host": "evil.example"}
    answer = decided(rp, "/open", headers=foreign)
    assert (answer.user.is_authenticated, answer.private, answer.set_cookies) == (False, False, ())
    for path in ("/closed", "/oidc/login", "/oidc", "/oidc/x"):
        assert decided(rp, path, headers=foreign).status == 400, path
    assert decided(rp, "/closed").status == 302


@pytest.mark.row("F-OP-01", "ER-01")
def test_a_page_that_says_what_went_wrong_leads_back_to_where_one_wanted_to_go():
    rp = party(base_url="https://app.example.com/dash", title="The board")
    down = Driver(Unavailable("provider_unreachable", retry_after=7))
    answer = decided(rp, "/deep", query="x=1", driver=down)
    text = answer.body.decode()
    assert (answer.status, dict(answer.headers)["Retry-After"]) == (503, "7")
    assert 'href="/dash/oidc/login?return_to=%2Fdash%2Fdeep%3Fx%3D1"' in text
    assert "The board" in text
    assert down.effects[-1].correlation_id in text
    unknown = decided(rp, "/oidc/nothing", query="x=1").body.decode()
    assert 'href="/dash/oidc/login"' in unknown or "return_to" not in unknown, "an endpoint of ours is nowhere to return to"


@pytest.mark.row("CK-08")
def test_tossed_cookies_are_cleared_on_the_way_to_the_provider_as_well():
    rp = party()
    twice = f"{cookie_of(rp)}; {cookie_of(rp)}"
    answer = decided(rp, "/x", cookie=twice)
    assert answer.status == 302
    name = twice.partition("=")[0]
    assert [value for header, value in answer.headers if header == "Set-Cookie" and value.startswith(f"{name}=;") and "Max-Age=0" in value]
    assert not [value for header, value in decided(rp, "/x").headers if header == "Set-Cookie" and value.startswith(f"{name}=;")]


@pytest.mark.row("ER-06")
def test_a_path_that_is_no_text_leads_back_to_something_that_can_be_written():
    """Bytes that are no UTF-8: WSGI hands them over as lone surrogates, and no URL holds one."""
    site = party().sites.fixed
    assert own_path(request("/caf\udce9"), site) == "/caf%3F"
    assert own_path(request("/caf\udce9", target="/caf%E9?x"), site) == "/caf%E9"
    assert own_path(request("/caf\xe9", target="/other", query="y"), site) == "/caf%C3%A9?y", "a target that says something else is not believed"
    assert own_path(request("/a%20b", target="/a%20b"), site) == "/a%2520b", "one that looks the same says something else"
    assert own_path(request("/a%20b", target="/a%2520b?z"), site) == "/a%2520b"
    assert own_path(request("", target=""), site) == "/"
    assert own_path(request("/a@b:c/d e~(1)"), site) == "/a@b:c/d%20e~(1)", "as browsers write it"
