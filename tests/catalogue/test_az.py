"""Who may come in (catalogue 1.18, AZ)."""

import pytest

from oidc_middleware import ConfigError
from tests.catalogue.helpers import assert_strict, codes_on, landed
from tests.catalogue.probe import probe, send

VERIFIED = {"email": "ada@good.example", "email_verified": True}


def outcome(stage, allow, claims):
    """What a user with *claims* gets: ``(page, calls of the application)``."""
    stage.restart()
    calls = probe(stage, allow=allow)
    stage.provider.user.pop("email", None)
    stage.provider.user.pop("email_verified", None)
    stage.provider.user.update(claims)
    browser = stage.browser()
    calls.clear()
    return browser.login("/report"), calls, browser


def assert_denied(page, calls, browser):
    assert (page.status, calls) == (403, [])
    assert_strict(page)
    assert "sign in as someone else" in page.text.lower()
    assert not page.is_redirect
    again = send(browser, "/report")
    assert again.status == 403, "no loop: the answer stays what it is"
    assert calls == []
    program = browser.fetch("/api")
    assert (program.status, program.json()["code"]) == (403, "not_allowed")


@pytest.mark.row("AZ-01")
@pytest.mark.parametrize(
    "claims",
    [
        {}, {"groups": "admins"}, {"groups": "x admins y"}, {"groups": 1}, {"groups": ["Admins"]}, {"groups": [["admins"]]},
        {"groups": {"admins": True}},
        {"groups": ["admin", "s"]}, {"groups": ["\uff41dmins"]}, {"groups": ["admins", 1]}, {"groups": None}, {"groups": []},
        {"groups": ["admins"], "_claim_names": {"groups": "src1"}},
    ],
)  # fmt: skip
def test_az_01_only_a_list_that_names_the_group_counts(stage, claims):
    assert_denied(*outcome(stage, {"group": ["admins"]}, claims))


@pytest.mark.row("AZ-01")
@pytest.mark.parametrize("groups", [["admins"], ["x", "admins"], ["admins", "admins"]])
def test_az_01_and_it_does_count(stage, groups):
    page, calls, _ = outcome(stage, {"group": ["admins"]}, {"groups": groups})
    assert (landed(page), len(calls)) == ("/report", 1)


@pytest.mark.row("AZ-02", "ID-34")
@pytest.mark.parametrize(
    "claims",
    [
        {"email": "a@evil@good.example", "email_verified": True}, {"email": '"a@good.example"@evil.example', "email_verified": True},
        {"email": "a@good.example.", "email_verified": True}, {"email": "a@sub.good.example", "email_verified": True},
        {"email": "a\uff20good.example@evil.example", "email_verified": True}, {"email": "a@g\u043e\u043ed.example", "email_verified": True},
        {"email": "@good.example", "email_verified": True}, {"email": "", "email_verified": True},
        {"email": ["a@good.example"], "email_verified": True},
        {"email": "a@good.example", "email_verified": False}, {"email": "a@good.example", "email_verified": "true"}, {"email": "a@good.example"},
        {"email": "a@good.example", "email_verified": 1}, {}, {"email": "a@notgood.example", "email_verified": True},
    ],
)  # fmt: skip
def test_az_02_an_address_counts_when_it_is_one_and_proven(stage, claims):
    assert_denied(*outcome(stage, "@good.example", claims))


@pytest.mark.row("AZ-02")
@pytest.mark.parametrize("email", ["ada@good.example", "ADA@GOOD.example"])
def test_az_02_and_it_does_count(stage, email):
    page, calls, _ = outcome(stage, {"domain": ["good.example"]}, {"email": email, "email_verified": True})
    assert (landed(page), len(calls)) == ("/report", 1)


@pytest.mark.row("AZ-03", "CF-01")
@pytest.mark.parametrize(
    "allow", [[], {}, "", {"groops": ["x"]}, {"group": []}, {"group": None}, [None], {"email": "not an address"}, {"claim": {}}, 7]
)
def test_az_03_an_empty_or_misspelled_rule_is_an_error_and_never_everyone(stage, allow):
    with pytest.raises(ConfigError) as caught:
        stage.restart(allow=allow)
    assert {problem.split(":")[0] for problem in caught.value.problems} == {"allow"}


@pytest.mark.row("AZ-04", "SF-08")
def test_az_04_the_rules_are_asked_on_every_request(stage):
    banned = set()
    calls = probe(stage, allow=lambda user: user.identity not in banned)
    browser = stage.browser()
    assert landed(browser.login("/report")) == "/report"
    banned.add(stage.provider.user["sub"])
    assert_denied(send(browser, "/report"), calls[1:], browser)
    banned.clear()
    assert send(browser, "/report").status == 200


@pytest.mark.row("AZ-05")
def test_az_05_signing_in_as_someone_else_leads_back_to_the_page(stage):
    page, calls, browser = outcome(stage, {"email": ["ada@good.example"]}, {"email": "bob@good.example", "email_verified": True})
    assert_denied(page, calls, browser)
    import re
    from html import unescape

    action = unescape(re.search(r'action="([^"]+)"', page.text)[1])
    start = browser.post_form(action, follow=False)
    assert start.status == 302
    assert "prompt=login" in start.location
    stage.provider.user.update(sub="ada", **VERIFIED)
    stage.clock.advance(120)
    assert landed(browser.finish_login(start.location)) == "/report"
    assert calls[-1].user.identity == "ada"


def test_a_rule_that_breaks_lets_nobody_in(stage):
    def broken(user):
        raise ValueError(f"the user is {user.issuer}")

    calls = probe(stage, allow=broken)
    browser = stage.browser()
    page = browser.login("/report")
    assert (page.status, codes_on(page), calls) == (500, ["internal_error"], [])
    assert_strict(page)
    assert stage.provider.issuer not in stage.caplog.text.partition("internal error")[2]
