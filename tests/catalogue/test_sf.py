"""Catalogue 1.10, SF: fixation, tabs, concurrency."""

import random

import pytest

from oidc_middleware.testing import REMOVE
from tests.catalogue.helpers import codes_on, landed, login_url
from tests.catalogue.helpers_redirects import links_on

OTHER = {"sub": "user-b", "name": "User B"}


@pytest.mark.row("SF-01")
def test_sf_01(stage):
    """The attacker plants a session of theirs, the victim signs in: a new session, and the planted one never becomes the victim's."""
    stage.provider.user = {"sub": "attacker", "name": "Attacker"}
    attacker = stage.browser()
    attacker.login("/")
    planted = stage.session_of(attacker)
    stage.provider.user = dict(OTHER)
    victim = stage.browser()
    victim.cookies = attacker.cookies.copy()
    assert landed(victim.login(login_url("/mine"))) == "/mine"
    assert (stage.who(victim), stage.who(attacker)) == ("user-b", "attacker")
    assert set(stage.session_of(victim).values()).isdisjoint(planted.values())
    assert stage.session_of(attacker) == planted


@pytest.mark.row("SF-01")
def test_sf_01_every_login_makes_a_session_of_its_own(stage):
    browser, seen = stage.browser(), set()
    for _ in range(5):
        browser.login(login_url("/"))
        seen.update(stage.session_of(browser).values())
    assert len(seen) == 5


@pytest.mark.row("SF-03")
@pytest.mark.parametrize("groups", [0, 70])
def test_sf_03(stage, groups):
    """B signs in over A's session, which may have been longer: nothing of A stays, in the browser or in what the application sees."""
    stage.provider.user = {
        "sub": "user-a",
        "name": "User A",
        "email": "a@example.com",
        "groups": [f"group-of-user-a-{number}" * 2 for number in range(groups)],
    }
    browser = stage.browser()
    browser.login("/")
    old = stage.session_of(browser)
    assert len(old) == (2 if groups else 1)
    stage.provider.user = dict(OTHER)
    browser.login(login_url("/"))
    seen = browser.fetch("/api").json()
    assert (seen["sub"], seen["claims"]["name"]) == ("user-b", "User B")
    assert "email" not in seen["claims"]
    assert "groups" not in seen["claims"]
    assert set(stage.session_of(browser)) == {stage.session_name}
    assert set(stage.session_of(browser).values()).isdisjoint(old.values())


def tabs(stage, browser, count):
    """*count* tabs that open at once, for pages of their own: ``[(path, authorization request)]``."""
    opened = []
    for number in range(count):
        path = f"/reports/{number}?view=monthly&region=emea"
        opened.append((path, browser.start_login(path)))
        stage.clock.advance(0.01)
    return opened


def in_order(opened, order):
    if order == "shuffled":
        return random.Random(4).sample(opened, len(opened))
    return opened[::-1] if order == "last first" else opened


@pytest.mark.row("SF-04")
@pytest.mark.parametrize("order", ["as opened", "last first", "shuffled"])
@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_sf_04(stage, count, order):
    """A browser restores its tabs after the session ended: each one lands on its own page, whichever comes back first."""
    browser = stage.browser()
    for path, location in in_order(tabs(stage, browser, count), order):
        assert landed(browser.finish_login(location)) == path
    assert stage.who(browser) == stage.provider.user["sub"]
    assert stage.logins_of(browser) == []
    stage.assert_nothing_leaked()


@pytest.mark.row("SF-04", "DS-01")
@pytest.mark.parametrize("order", ["as opened", "last first", "shuffled"])
@pytest.mark.parametrize("count", [7, 10])
def test_sf_04_more_tabs_than_a_browser_may_carry_logins(stage, count, order):
    """The five youngest land on their own pages. An older one is signed in with the others, or one click away from that; none breaks another."""
    browser = stage.browser()
    opened = tabs(stage, browser, count)
    for path, location in in_order(opened, order):
        page = browser.finish_login(location)
        if (path, location) in opened[-5:]:
            assert landed(page) == path
        elif page.status == 200:
            assert landed(page) == "/"
        else:
            assert (page.status, codes_on(page)) == (400, ["no_transaction"])
            assert links_on(page.body)[0] == "/oidc/login"
    assert stage.who(browser) == stage.provider.user["sub"]
    assert stage.count("token") == 5
    assert len(browser.cookies.header("https://app.example.com", stage.clock.now())) < 6_000
    stage.assert_nothing_leaked()


@pytest.mark.row("SF-04")
def test_sf_04_one_tab_is_cancelled_another_one_expires(stage):
    browser = stage.browser()
    early = browser.start_login("/early")
    stage.clock.advance(590)
    cancelled, good = browser.start_login("/cancelled"), browser.start_login("/good")
    stage.clock.advance(10)
    assert browser.finish_login(early).status == 400
    assert browser.finish_login(cancelled, code=REMOVE, error="access_denied").status == 403
    assert landed(browser.finish_login(good)) == "/good"
    assert stage.count("token") == 1
