"""Signing out, by hand: what is asked, what is cleared, what the provider is told, and where each of them leads."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from oidc_middleware.errors import ProviderError, Unavailable
from oidc_middleware.flows.effects import ReadBody, Report
from oidc_middleware.flows.gate import gate
from oidc_middleware.flows.messages import Respond
from oidc_middleware.sessions.session import Session
from tests.flows.hand import ISSUER, METADATA, Driver, code_of, json_response, party, request

NOW = 1_800_000_000.0
BASE = "https://app.example.com"
END = METADATA | {"end_session_endpoint": f"{ISSUER}/logout"}
HERE = {"sec-fetch-site": "same-origin"}
THERE = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Leaving:
    """A browser with a session, and the answers to what it asks."""

    def __init__(self, *answers, subject="ada", created=NOW - 60, body="", **options):
        self.rp = party(**options)
        self.site = self.rp.sites.fixed
        self.driver = Driver(*(answers or [json_response(END)]), body=body.encode())
        claims = '{"name":"Ada L"}'
        session = Session(
            issuer=ISSUER, subject=subject, claims_json=claims, created=created, seen=NOW - 60, expires=NOW + 3000, sid=None, scopes=("openid",),
            id_token="raw.id.token", auth_time=None,
        )  # fmt: skip
        self.cookie = "; ".join(item.partition(";")[0] for item in self.site.sessions.write(session, NOW, bytes(12), ()))

    def ask(self, path="/oidc/logout", *, signed_in=True, **fields):
        given = {"cookie": self.cookie if signed_in else "", "now": NOW, **fields}
        outcome = gate(request(path, **given), self.rp)
        return outcome if isinstance(outcome, Respond) else self.driver.run(outcome)

    def cleared(self, answer):
        """Whether the session and the loop guard are gone."""
        deleted = {value.partition("=")[0] for name, value in answer.headers if name == "Set-Cookie" and "Max-Age=0" in value}
        return self.cookie.partition("=")[0] in deleted and any(name.endswith("_r") for name in deleted)


def location(answer):
    assert answer.status == 303, answer.body
    return dict(answer.headers)["Location"]


def token_on(answer):
    return answer.body.decode().partition('name="csrf_token" value="')[2].partition('"')[0]


@pytest.mark.row("LO-01", "LO-04")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_sign_out_of_the_app_ends_here_and_goes_on_to_the_provider(method):
    case = Leaving()
    answer = case.ask(method=method, headers=HERE, query="return_to=/bye")
    told = {name: value for name, [value] in parse_qs(urlsplit(location(answer)).query).items()}
    assert location(answer).startswith(f"{ISSUER}/logout?")
    assert case.cleared(answer)
    assert (told["client_id"], told["id_token_hint"]) == ("app", "raw.id.token")
    assert told["post_logout_redirect_uri"] == f"{BASE}/oidc/signed-out"
    assert case.driver.events.count("logout.local") == 1
    back = case.ask("/oidc/signed-out", signed_in=False, query=urlencode({"state": told["state"]}))
    assert location(back) == "/bye"


@pytest.mark.row("LO-01")
def test_another_site_gets_nothing():
    case = Leaving(body="csrf_token=x")
    answer = case.ask(method="POST", headers=THERE | FORM)
    assert (answer.status, code_of(answer)) == (403, "cross_site_request")
    assert not case.cleared(answer)
    assert not [effect for effect in case.driver.effects if isinstance(effect, ReadBody)], "its form is not even read"


@pytest.mark.row("LO-01")
@pytest.mark.parametrize(
    ("method", "headers"),
    [("GET", THERE), ("GET", {}), ("GET", {"sec-fetch-site": "none"}), ("GET", HERE | {"sec-purpose": "prefetch"}), ("POST", FORM)],
)
def test_what_is_doubtful_is_asked_on_a_page(method, headers):
    case = Leaving()
    answer = case.ask(method=method, headers=headers, query="return_to=/bye")
    assert (answer.status, case.cleared(answer), case.driver.fetched) == (200, False, [])
    text, policy = answer.body.decode(), dict(answer.headers)["Content-Security-Policy"]
    assert "form-action 'self' https: http:;" in policy, "the form goes on to the provider, which may hand on to others"
    assert "<small>Signed in as</small><bdi>Ada L</bdi>" in text
    assert 'action="/oidc/logout"' in text
    assert 'name="return_to" value="/bye"' in text
    assert token_on(answer)


@pytest.mark.row("LO-01")
def test_the_page_names_nobody_and_no_way_where_there_is_none():
    case = Leaving(base_url=f"{BASE}/dash")
    answer = case.ask(signed_in=False)
    text = answer.body.decode()
    assert (answer.status, "Signed in as" in text, 'name="return_to"' in text) == (200, False, False)
    assert 'href="/dash/"' in text
    assert 'action="/dash/oidc/logout"' in text
    refused = case.ask(query="return_to=https://evil.example").body.decode()
    assert "evil" not in refused


@pytest.mark.row("LO-01")
def test_a_program_is_told_to_post():
    case = Leaving()
    answer = case.ask(headers={"sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "accept": "application/json"})
    assert (answer.status, code_of(answer), case.cleared(answer)) == (403, "cross_site_request", False)


@pytest.mark.row("LO-01")
def test_the_token_of_the_page_is_for_this_session_alone():
    """Browsers that say nothing about where a form comes from prove it with the token."""
    page = Leaving()
    token = token_on(page.ask())
    good = Leaving(body=f"csrf_token={token}&return_to=/bye")
    answer = good.ask(method="POST", headers=FORM)
    assert location(answer).startswith(f"{ISSUER}/logout?")
    assert good.cleared(answer)
    for other in (Leaving(body=f"csrf_token={token}", subject="eve"), Leaving(body=f"csrf_token={token}", created=NOW - 61)):
        asked_again = other.ask(method="POST", headers=FORM)
        assert (asked_again.status, other.cleared(asked_again)) == (200, False)
    late = Leaving(body=f"csrf_token={token}")
    assert late.ask(method="POST", headers=FORM, now=NOW + 7200, signed_in=False).status == 200
    twice = Leaving(body=f"csrf_token={token}&csrf_token={token}")
    assert twice.ask(method="POST", headers=FORM).status == 200


@pytest.mark.row("LO-02")
@pytest.mark.parametrize("fault", [Unavailable("provider_timeout", "slow"), ProviderError("metadata_invalid", "odd")])
def test_a_provider_that_is_away_is_a_line_in_the_log(fault):
    case = Leaving(fault)
    answer = case.ask(method="POST", headers=HERE)
    assert (location(answer), case.cleared(answer)) == ("/oidc/signed-out", True)
    [report] = [effect for effect in case.driver.effects if isinstance(effect, Report) and effect.event != "logout.local"]
    assert (report.event, report.code, report.detail) == ("logout.provider_unavailable", fault.code, fault.detail)


@pytest.mark.row("LO-02", "LO-11")
@pytest.mark.parametrize(("wish", "leads"), [("/bye", "/bye"), ("", "/oidc/signed-out"), ("//evil.example", "/oidc/signed-out")])
def test_without_a_provider_to_tell_the_way_ends_here(wish, leads):
    for case, signed_in in ((Leaving(json_response(METADATA)), True), (Leaving(json_response(METADATA)), False)):
        answer = case.ask(method="POST", headers=HERE, query=f"return_to={wish}", signed_in=signed_in)
        assert location(answer) == leads
        assert case.driver.fetched == (["discovery"] if signed_in else [])
        assert ("logout.local" in case.driver.events) == signed_in


@pytest.mark.row("LO-04")
@pytest.mark.parametrize("state", ["", "x", "state=a&state=b", "\xff"])
def test_any_state_shows_the_page_that_says_so(state):
    case = Leaving()
    answer = case.ask("/oidc/signed-out", query=f"state={state}", signed_in=False)
    assert (answer.status, case.driver.events) == (200, ["logout.done"])
    assert b'href="/oidc/login"' in answer.body
    assert not [name for name, _ in answer.headers if name == "Set-Cookie"]


@pytest.mark.row("LO-04")
def test_a_seal_for_something_else_is_no_state():
    case = Leaving()
    session = case.site.keyring.seal("session", b"/bye", bytes(12))
    assert case.ask("/oidc/signed-out", query=f"state={session}").status == 200
    ours = case.site.keyring.seal("post-logout", b"/bye", bytes(12))
    assert location(case.ask("/oidc/signed-out", query=f"state={ours}")) == "/bye"
    foreign = case.site.keyring.seal("post-logout", b"//evil.example", bytes(12))
    assert location(case.ask("/oidc/signed-out", query=f"state={foreign}")) == "/"
