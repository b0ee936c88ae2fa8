"""The way back from the provider, as far as whole logins cannot show it: what keeps a login usable, what ends it, and in which order."""

import logging
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from oidc_middleware.errors import ProviderError, Unavailable
from oidc_middleware.flows.callback import callback_endpoint
from oidc_middleware.flows.effects import Claim, ReadBody, Report
from oidc_middleware.flows.gate import gate
from oidc_middleware.protocol.messages import HttpResponse
from oidc_middleware.sessions.pending import new_pending_login
from oidc_middleware.sessions.session import Session
from oidc_middleware.testing import ScriptedProvider
from tests.flows.hand import ISSUER, METADATA, Driver, code_of, json_response, party, request

KEYS = json_response(ScriptedProvider(issuer=ISSUER).jwks())
FORM = "application/x-www-form-urlencoded"
PAGE = {"accept": "text/html"}


class Return:
    """A login under way, and its way back by hand."""

    def __init__(self, *, issuer=ISSUER, **options):
        self.rp, self.driver = party(**options), Driver(json_response(METADATA), KEYS)
        self.site = self.rp.sites.fixed
        self.now = self.driver.clock.now()
        self.login = new_pending_login(
            self.driver.clock.random(96), return_to="/target", issuer=issuer, redirect_uri=self.site.redirect_uri, created=self.now
        )
        set_cookie, *_ = self.site.logins.add("", self.login, self.driver.clock.random(12), self.now)
        self.cookie = set_cookie.partition(";")[0]

    def query(self, **edits):
        return urlencode({name: value for name, value in {"code": "c0de", "state": self.login.state, **edits}.items() if value})

    def come_back(self, **fields):
        """What the user sees in the end; ``first`` is the answer to the callback itself."""
        given = {"path": "/oidc/callback", "query": self.query(), "cookie": self.cookie, "now": self.now, **fields}
        self.first = self.driver.run(callback_endpoint(request(**given), self.rp, self.site))
        address, _, query = dict(self.first.headers).get("Location", "").partition("?")
        if address != "/oidc/error":
            return self.first
        assert (self.first.status, self.first.body, "Retry-After" in dict(self.first.headers)) == (303, b"", False)
        shows = Driver(clock=self.driver.clock)
        page = shows.run(gate(request(address, query=query, now=self.now), self.rp))
        assert [(type(effect), effect.level) for effect in shows.effects] == [(Report, logging.DEBUG)], "it does nothing else"
        assert "Set-Cookie" not in dict(page.headers)
        return page

    def cleared(self):
        """Whether the answer to the callback ends the login."""
        name = self.cookie.partition("=")[0]
        return any(value.startswith(f"{name}=;") for header, value in self.first.headers if header == "Set-Cookie")


@pytest.mark.row("MX-04")
def test_a_login_that_was_started_for_another_issuer_is_over_before_anything_is_asked():
    case = Return(issuer="https://former.example")
    answer = case.come_back()
    assert (answer.status, code_of(answer)) == (400, "iss_mismatch")
    assert case.driver.fetched == []
    assert case.cleared()
    assert not [effect for effect in case.driver.effects if isinstance(effect, Claim)]


@pytest.mark.row("DI-04")
@pytest.mark.parametrize("broken", [json_response([]), HttpResponse(404), json_response(METADATA | {"issuer": "https://evil.example"})])
def test_metadata_that_is_wrong_does_not_cost_the_login(broken):
    case = Return()
    case.driver.answers = [broken]
    answer = case.come_back()
    assert answer.status == 502
    assert code_of(answer) in ("metadata_invalid", "metadata_issuer_mismatch")
    assert not case.cleared()
    assert case.driver.used == set(), "the login was not claimed"
    case.driver.clock.advance(5)
    case.driver.answers = [json_response(METADATA), KEYS, json_response({"error": "invalid_grant"}, 400)]
    assert code_of(case.come_back()) == "code_refused", "the same answer goes on to the token endpoint"
    assert case.driver.fetched == ["discovery", "discovery", "jwks", "token"]


@pytest.mark.row("DI-08")
@pytest.mark.parametrize("error", [Unavailable("provider_throttled", retry_after=17), Unavailable("provider_timeout", sent=True)])
def test_metadata_that_is_away_does_not_cost_the_login(error):
    case = Return()
    case.driver.answers = [error]
    answer = case.come_back()
    assert (answer.status, code_of(answer), dict(answer.headers)["Retry-After"]) == (503, error.code, str(error.retry_after))
    assert not case.cleared()
    assert case.driver.used == set()


@pytest.mark.row("DI-09", "ST-06")
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("provider_timeout", sent=True, retry_after=9), "login_interrupted"),
        (Unavailable("provider_unreachable", sent=False, retry_after=9), "provider_unreachable"),
    ],
)
def test_a_claimed_login_ends_whether_or_not_the_code_left(error, code):
    case = Return()
    case.driver.answers += [error]
    answer = case.come_back()
    assert (answer.status, code_of(answer), dict(answer.headers)["Retry-After"]) == (503, code, "9")
    assert case.cleared()
    again = case.come_back()
    assert (code_of(again), case.driver.fetched) == ("transaction_used", ["discovery", "jwks", "token"])


@pytest.mark.row("ST-06")
def test_a_login_is_claimed_for_as_long_as_its_cookie_can_be_used():
    case, other = (Return(login_timeout=600, leeway=30) for _ in range(2))
    other.login = replace(other.login, state="t" * 43)
    set_cookie, *_ = other.site.logins.add("", other.login, bytes(12), other.now)
    other.cookie = set_cookie.partition(";")[0]
    keys = []
    for login in (case, other):
        login.driver.answers += [ProviderError("token_refused")]
        login.come_back()
        [claim] = [effect for effect in login.driver.effects if isinstance(effect, Claim)]
        assert claim.seconds == 630
        purposes = [getattr(getattr(effect, "request", None), "purpose", "") for effect in login.driver.effects]
        assert login.driver.effects.index(claim) < purposes.index("token"), "before the code leaves"
        keys.append(claim.key)
    assert len(set(keys)) == 2, "each login is claimed for itself"


@pytest.mark.row("ST-12")
@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT"])
def test_a_callback_in_the_query_is_a_get(method):
    case = Return()
    answer = case.come_back(method=method, headers=PAGE)
    assert (answer.status, code_of(answer), case.cleared()) == (405, "method_not_allowed", False)
    assert case.driver.effects[0].__class__.__name__ == "Random", "nothing was read, nothing asked"


@pytest.mark.row("ST-12", "ST-13")
@pytest.mark.parametrize("content_type", [FORM, FORM.upper(), f"{FORM}; charset=UTF-8", f" {FORM} ;x"])
def test_a_callback_as_a_form_is_read_from_the_body_alone(content_type):
    case = Return(response_mode="form_post")
    case.driver.body = case.query(error="access_denied", code="").encode()
    answer = case.come_back(method="POST", query=case.query(state="other"), headers={"content-type": content_type})
    assert (answer.status, code_of(answer)) == (403, "access_denied")
    assert case.cleared()
    assert case.driver.effects[0] == ReadBody(65_536)


@pytest.mark.row("ST-12", "ST-13")
@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"method": "GET"}, 405, "method_not_allowed"),
        ({"method": "PUT", "headers": {"content-type": FORM}}, 405, "method_not_allowed"),
        ({"method": "POST"}, 415, "body_unsupported"),
        ({"method": "POST", "headers": {"content-type": "application/json"}}, 415, "body_unsupported"),
        ({"method": "POST", "headers": {"content-type": f"x{FORM}"}}, 415, "body_unsupported"),
        ({"method": "POST", "headers": {"content-type": [FORM, FORM]}}, 415, "body_unsupported"),
    ],
)
def test_what_is_not_the_providers_form_is_not_read(fields, status, code):
    case = Return(response_mode="form_post")
    answer = case.come_back(**{**fields, "headers": PAGE | fields.get("headers", {})})
    assert (answer.status, code_of(answer), case.cleared()) == (status, code, False)
    assert not [effect for effect in case.driver.effects if isinstance(effect, ReadBody)]


@pytest.mark.row("ST-15")
@pytest.mark.parametrize("headers", [{}, {"accept": "application/json", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}])
def test_a_login_that_is_over_is_over_whoever_asks(headers):
    case = Return()
    answer = case.come_back(query=case.query(error="access_denied", code=""), headers=headers)
    assert (answer.status, code_of(answer), case.cleared()) == (403, "access_denied", True)
    [report] = [effect for effect in case.driver.effects if isinstance(effect, Report)]
    assert (report.event, report.level, report.code) == ("login.failed", logging.WARNING, "access_denied")
    assert report.correlation_id in answer.body.decode()


@pytest.mark.row("ER-01")
def test_a_fault_of_the_provider_is_louder_than_one_of_the_browser():
    case = Return()
    case.driver.answers += [ProviderError("token_response_invalid", "odd")]
    answer = case.come_back()
    [report] = [effect for effect in case.driver.effects if isinstance(effect, Report) and effect.code]
    assert (answer.status, report.event, report.level, report.detail) == (502, "login.failed", logging.ERROR, "odd")
    assert "Retry-After" not in dict(answer.headers)


@pytest.mark.row("ST-06", "LG-04")
def test_the_back_button_is_a_line_in_the_log():
    case = Return()
    session = Session(
        issuer=ISSUER, subject="ada", claims_json="{}", created=case.now, seen=case.now, expires=case.now + 99, sid=None, scopes=(),
        id_token=None, auth_time=None,
    )  # fmt: skip
    cookie = "; ".join(item.partition(";")[0] for item in case.site.sessions.write(session, case.now, bytes(12), ()))
    answer = case.come_back(cookie=cookie)
    assert (answer.status, dict(answer.headers)["Location"], answer.body) == (303, "/", b"")
    [report] = case.driver.effects
    assert (report.event, report.code) == ("login.replayed", "no_transaction")
    mismatch = case.come_back(cookie=cookie, query="code=c0de")
    assert (mismatch.status, code_of(mismatch)) == (400, "state_missing")


@pytest.mark.row("ST-08")
def test_no_byte_of_entropy_is_used_twice_or_made_up():
    entropy = bytes(range(96))
    values = {"return_to": "/", "issuer": "i", "redirect_uri": "r", "created": 0.0}
    made = new_pending_login(entropy, **values)
    tokens = (made.state, made.nonce, made.code_verifier)
    assert b"".join(urlsafe_b64decode(token + "=") for token in tokens) == entropy
    assert tokens == tuple(urlsafe_b64encode(entropy[start : start + 32]).decode().rstrip("=") for start in (0, 32, 64))
    for length in (0, 32, 64, 95, 97, 192):
        with pytest.raises(ValueError, match="32 random bytes"):
            new_pending_login((2 * entropy)[:length], **values)


@pytest.mark.row("ST-08", "PK-01")
def test_state_nonce_and_verifier_are_three_different_tokens():
    provider = ScriptedProvider(issuer=ISSUER)
    rp, driver = party(), Driver(json_response(METADATA), clock=provider.clock)
    answer = driver.run(gate(request("/x", now=provider.clock.now()), rp))
    asked = parse_qs(urlsplit(dict(answer.headers)["Location"]).query)
    site = rp.sites.fixed
    login = site.logins.take(dict(answer.headers)["Set-Cookie"].partition(";")[0], asked["state"][0], provider.clock.now())
    assert len({login.state, login.nonce, login.code_verifier}) == 3
    assert (asked["state"], asked["nonce"]) == ([login.state], [login.nonce])
