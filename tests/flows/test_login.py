"""Sending somebody to the provider: what a link may ask, what counts as a person's wish, and what goes along."""

import json
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from oidc_middleware.flows.answers import login_url
from oidc_middleware.flows.effects import ReadBody, Report
from oidc_middleware.flows.gate import gate
from oidc_middleware.flows.login import MAX_FORM_BYTES, single_parameters
from oidc_middleware.flows.messages import Respond
from tests.flows.hand import ISSUER, METADATA, Driver, code_of, json_response, party, request

FORM = {"content-type": "application/x-www-form-urlencoded"}
NOT_A_PAGE = {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "accept": "application/json"}
BASE = "https://app.example.com"


def answered(path, parameters=(), *, rp=None, driver=None, **fields):
    rp, driver = rp or party(), driver or Driver(json_response(METADATA))
    query = parameters if isinstance(parameters, str) else urlencode(parameters)
    outcome = gate(request(path, **{"query": query, **fields}), rp)
    return outcome if isinstance(outcome, Respond) else driver.run(outcome)


def asked(answer):
    """What the provider is asked; each parameter once."""
    assert answer.status == 302, answer.body
    location = dict(answer.headers)["Location"]
    assert location.startswith(f"{ISSUER}/authorize?")
    parameters = parse_qs(urlsplit(location).query, keep_blank_values=True)
    assert all(len(values) == 1 for values in parameters.values())
    return {name: values[0] for name, values in parameters.items()}


def returns_to(answer, rp):
    """Where the login that *answer* begins will lead."""
    [cookie] = [value for name, value in answer.headers if name == "Set-Cookie" and "_l_" in value]
    return rp.sites.fixed.logins.peek_return_to(cookie.partition(";")[0], asked(answer)["state"])


@pytest.mark.row("ST-17", "ST-18")
@pytest.mark.parametrize("prompt", ["login", "select_account"])
def test_a_link_may_ask_to_sign_in_as_somebody_else(prompt):
    rp = party(authorize_params={"prompt": "consent", "ui_locales": "de"})
    question = asked(answered("/oidc/login", {"prompt": prompt, "ui_locales": "xx", "scope": "all", "acr_values": "0"}, rp=rp))
    assert (question["prompt"], question["ui_locales"], "acr_values" in question) == (prompt, "de", False)
    assert question["scope"] == " ".join(rp.settings.scopes)


@pytest.mark.row("ST-17", "ST-18")
@pytest.mark.parametrize("prompt", ["none", "consent", "login select_account", "LOGIN", "", "x"])
def test_a_link_may_ask_nothing_else(prompt):
    configured = party(authorize_params={"prompt": "consent"})
    assert asked(answered("/oidc/login", {"prompt": prompt}, rp=configured))["prompt"] == "consent"
    assert "prompt" not in asked(answered("/oidc/login", {"prompt": prompt}))


@pytest.mark.row("RD-21")
def test_a_parameter_given_twice_is_not_there():
    assert single_parameters("a=1&b=2&a=1&c=") == {"b": "2", "c": ""}
    assert single_parameters("a=%ff&b=2") == {}
    assert len(single_parameters("&".join(f"p{number}=1" for number in range(50)))) == 50
    assert single_parameters("&".join(f"p{number}=1" for number in range(51))) == {}
    rp = party()
    answer = answered("/oidc/login", "return_to=/a&return_to=/b&prompt=login&prompt=login", rp=rp)
    assert (returns_to(answer, rp), "prompt" in asked(answer)) == ("/", False)


@pytest.mark.row("SS-01")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("hint", "sent"),
    [
        ("ada@example.com", True),
        ("\xe4da", True),
        ("x", True),
        ("x" * 256, True),
        ("x" * 257, False),
        ("", False),
        ("a\x00b", False),
        ("a\r\nb", False),
    ],
)
def test_the_hint_of_a_third_party_goes_along_within_bounds(method, hint, sent):
    form = urlencode({"iss": ISSUER, "login_hint": hint, "target_link_uri": f"{BASE}/deep?x=1"})
    rp, driver = party(), Driver(json_response(METADATA), body=form.encode())
    fields = {"headers": FORM, "query": "iss=https://evil.example"} if method == "POST" else {"query": form}
    answer = answered("/oidc/initiate", rp=rp, driver=driver, method=method, **fields)
    assert asked(answer).get("login_hint") == (hint if sent else None)
    assert returns_to(answer, rp) == "/deep?x=1"
    assert [effect.max_bytes for effect in driver.effects if isinstance(effect, ReadBody)] == ([MAX_FORM_BYTES] if method == "POST" else [])
    assert MAX_FORM_BYTES == 8_192


@pytest.mark.row("SS-01")
@pytest.mark.parametrize(
    "target", ["https://evil.example/", f"{BASE}.evil.example/", "//evil.example", f"x{BASE}/deep", "deep", f"{BASE}/oidc/logout"]
)
def test_the_target_of_a_third_party_is_ours_or_the_landing_page(target):
    rp = party()
    assert returns_to(answered("/oidc/initiate", {"iss": ISSUER, "target_link_uri": target}, rp=rp), rp) == "/"


@pytest.mark.row("SS-01")
@pytest.mark.parametrize("parameters", [{}, {"iss": ""}, {"iss": "https://evil.example"}, {"iss": ISSUER + "/"}, [("iss", ISSUER), ("iss", ISSUER)]])
def test_a_third_party_names_our_issuer_or_nothing_happens(parameters):
    driver = Driver()
    answer = answered("/oidc/initiate", parameters, driver=driver)
    assert (answer.status, code_of(answer)) == (400, "iss_mismatch")
    assert driver.fetched == []
    assert not [name for name, _ in answer.headers if name == "Set-Cookie"]


@pytest.mark.row("SS-01", "ST-13")
@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data; boundary=x", "application/json"])
def test_a_third_partys_form_of_another_kind_is_not_read(content_type):
    driver = Driver(body=urlencode({"iss": ISSUER}).encode())
    headers = {"content-type": content_type, "accept": "application/json"}
    answer = answered("/oidc/initiate", {"iss": ISSUER}, driver=driver, method="POST", headers=headers)
    assert (answer.status, code_of(answer)) == (400, "iss_mismatch")
    assert not [effect for effect in driver.effects if isinstance(effect, ReadBody)]


@pytest.mark.row("ST-16", "ST-20")
@pytest.mark.parametrize("path", ["/oidc/login", "/oidc/initiate"])
@pytest.mark.parametrize(
    ("method", "headers", "starts"),
    [
        ("GET", {}, True),
        ("GET", NOT_A_PAGE, False),
        ("GET", {"sec-purpose": "prefetch"}, False),
        ("HEAD", NOT_A_PAGE, False),
        ("POST", FORM, True),
        ("POST", FORM | {"sec-fetch-mode": []}, True),
        ("POST", FORM | NOT_A_PAGE, False),
        ("POST", FORM | {"sec-fetch-mode": "no-cors"}, False),
    ],
)
def test_a_login_starts_for_a_person_only(path, method, headers, starts):
    body = urlencode({"iss": ISSUER}).encode()
    driver = Driver(json_response(METADATA), body=body)
    answer = answered(path, {"iss": ISSUER}, driver=driver, method=method, headers=headers)
    cookies = [value for name, value in answer.headers if name == "Set-Cookie"]
    if starts:
        assert "state" in asked(answer)
        assert cookies
    else:
        assert (answer.status, code_of(answer), cookies) == (401, "login_required", [])
        assert json.loads(answer.body)["login_url"] == f"{BASE}/oidc/login"
        assert driver.fetched == []


@pytest.mark.row("DS-07")
def test_the_loop_guard_stops_the_fourth_round_within_a_minute_and_no_click():
    rp, cookie, now = party(), "", 1_800_000_000.0
    for attempt in range(3):
        assert answered("/x", rp=rp, cookie=cookie, now=now + attempt).status == 302
        cookie = rp.sites.fixed.rounds.add(cookie, now + attempt, bytes(12)).partition(";")[0]
    driver = Driver()
    stopped = answered("/x", rp=rp, driver=driver, cookie=cookie, now=now + 3)
    [report] = [effect for effect in driver.effects if isinstance(effect, Report)]
    assert (stopped.status, driver.fetched, report.event, report.code) == (400, [], "request.refused", "login_loop")
    assert b'href="/oidc/login?return_to=%2Fx"' in stopped.body
    assert answered("/x", rp=rp, cookie=cookie, now=now + 3, headers=NOT_A_PAGE).status == 401
    assert answered("/x", rp=rp, cookie=cookie, now=now + 100).status == 302, "a minute later it is forgotten"
    clicked = answered("/oidc/login", rp=rp, cookie=cookie, now=now + 3)
    assert asked(clicked)
    name = cookie.partition("=")[0]
    assert [value for header, value in clicked.headers if header == "Set-Cookie" and value.startswith(f"{name}=;")], "and the guard starts anew"


def test_what_a_program_is_told():
    answer = answered("/x", rp=party(base_url=f"{BASE}/dash"), headers=NOT_A_PAGE)
    headers = dict(answer.headers)
    assert (answer.status, headers["Content-Type"]) == (401, "application/problem+json")
    assert headers["WWW-Authenticate"] == f'OpenIDConnect realm="{BASE}/dash"'
    assert json.loads(answer.body) == {
        "type": "about:blank", "title": "You need to sign in.", "status": 401, "code": "login_required", "login_url": f"{BASE}/dash/oidc/login",
    }  # fmt: skip


def test_links_to_the_login_carry_what_is_needed_and_no_more():
    site = party(base_url=f"{BASE}/dash").sites.fixed
    assert login_url(site) == login_url(site, None) == login_url(site, "/dash/") == "/dash/oidc/login"
    assert login_url(site, "/dash/x?y=1&z") == "/dash/oidc/login?return_to=%2Fdash%2Fx%3Fy%3D1%26z"
    assert login_url(site, "/dash/", prompt="login") == "/dash/oidc/login?prompt=login"
