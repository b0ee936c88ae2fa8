"""Catalogue 1.4, MX: mix-up, as far as it concerns a relying party with one provider."""

import pytest

from oidc_middleware.testing import REMOVE, Cookie, ScriptedProvider
from oidc_middleware.testing.keys import ProviderKeys
from tests.catalogue.helpers import codes_on, landed

EVIL = "https://evil.example"
OTHER_SPELLINGS = [
    lambda issuer: issuer + "/",
    lambda issuer: issuer.upper(),
    lambda issuer: issuer.replace("op.", "OP."),
    lambda issuer: issuer + ":443",
    lambda issuer: issuer.replace("op.", "op%2E"),
    lambda issuer: issuer + "?",
    lambda issuer: issuer + "#",
    lambda issuer: issuer.replace("o", "о", 1),
    lambda issuer: issuer.replace("https", "http"),
    lambda issuer: " " + issuer,
    lambda issuer: "",
    lambda issuer: issuer[:-1],
]


def answering(stage, **edits):
    return lambda browser, location: browser.deliver(stage.provider.respond(location, **edits))


@pytest.mark.row("MX-01")
@pytest.mark.parametrize("advertised", [False, True])
def test_mx_01(stage, advertised):
    stage.provider.sends_iss = advertised
    stage.refuses_attack(answering(stage, iss=EVIL), code="iss_mismatch", survives=False)


@pytest.mark.row("MX-02")
@pytest.mark.parametrize("error", [{}, {"code": REMOVE, "error": "access_denied"}])
def test_mx_02(stage, error):
    stage.provider.sends_iss = True
    stage.refuses_attack(answering(stage, iss=REMOVE, **error), code="iss_missing", survives=False)


@pytest.mark.row("MX-02")
def test_mx_02_what_was_advertised_when_the_login_began_counts(stage):
    """A process that has not read the metadata yet, or has another copy of it, finishes the login by the same rule."""
    stage.provider.sends_iss = True
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login("/deep"), iss=REMOVE)
    stage.restart()
    later = stage.browser()
    later.cookies = browser.cookies
    stage.assert_refused(lambda: later.deliver(answer), later, code="iss_missing", status=400)
    assert stage.count("token") == 0


@pytest.mark.row("MX-03")
def test_mx_03(stage):
    browser = stage.browser()
    assert landed(browser.login("/deep", iss=stage.provider.issuer)) == "/deep"
    assert landed(stage.browser().login("/deep")) == "/deep"
    stage.refuses_attack(answering(stage, iss=EVIL), code="iss_mismatch", survives=False)


@pytest.mark.row("MX-04")
@pytest.mark.parametrize("change", OTHER_SPELLINGS)
def test_mx_04(stage, change):
    stage.refuses_attack(answering(stage, iss=change(stage.provider.issuer)), code="iss_mismatch", survives=False)


@pytest.mark.row("MX-06")
def test_mx_06(stage):
    """The other provider's ID token: its own issuer and key, its key under our provider's name, our key under its name."""
    other = ScriptedProvider(issuer="https://other-op.example", clock=stage.clock)
    other.keys = ProviderKeys(first_rsa=2)
    kid, key = other.keys.signer("RS256")

    def signed_by_other(provider):
        provider.id_token_key = key
        provider.id_token_header["kid"] = kid

    def under_its_name(provider):
        provider.id_token_claims["iss"] = other.issuer

    stage.refuses_tokens(signed_by_other, code="id_token_key_unknown")
    stage.refuses_tokens(under_its_name, code="id_token_issuer")
    stage.refuses_tokens(lambda provider: (signed_by_other(provider), under_its_name(provider)), code="id_token_key_unknown")
    assert other.requests == []


@pytest.mark.row("MX-07")
@pytest.mark.parametrize("change", [*OTHER_SPELLINGS, lambda issuer: EVIL, lambda issuer: [issuer], lambda issuer: None, lambda issuer: REMOVE])
def test_mx_07(stage, change):
    stage.provider.metadata_edits["issuer"] = change(stage.provider.issuer)
    browser = stage.browser()
    page = browser.navigate("/", follow=False)
    assert (page.status, page.all("set-cookie"), page.all("location")) == (502, [], [])
    assert codes_on(page)[0] in ("metadata_issuer_mismatch", "metadata_invalid")
    assert [request.endpoint for request in stage.provider.requests] == ["discovery"]
    stage.assert_nothing_leaked(page)
    stage.provider.metadata_edits.clear()
    stage.clock.advance(5)
    assert landed(browser.login("/deep")) == "/deep"


@pytest.mark.row("MX-09")
def test_mx_09(stage):
    """The same subject at two issuers is two users. Configured for the other one, with the same secret, the first one's session is nobody's."""
    stage.restart(registration={"issuer": "https://other-op.example"})
    _, browser = stage.accepts()
    first = browser.fetch("/api").json()
    assert (first["issuer"], first["claims"]["iss"]) == ("https://other-op.example", "https://other-op.example")
    stage.restart()
    _, later = stage.accepts()
    second = later.fetch("/api").json()
    assert (second["sub"], second["issuer"]) == (first["sub"], "https://op.example")
    intruder = stage.browser()
    for value in stage.session_of(browser).values():
        intruder.cookies.put(Cookie(stage.session_name, value, host="app.example.com", secure=True))
    assert stage.who(intruder) is None
