"""Sessions on the server: who has which, and what ends them for good (catalogue CK-06, SF-01 to SF-07, LT-16)."""

import pytest

from oidc_middleware.testing import REMOVE, run_async
from tests.catalogue.helpers import codes_on, landed, login_url, shown
from tests.catalogue.helpers_stores import held, key_of, record_of, session_id
from tests.conformance.backchannel import assert_done, send_logout

TOUCH_DUE = 16 * 60  # a quarter of the idle time, and a little


def signs_in(stage, sub, browser=None):
    """A browser in which *sub* has signed in."""
    stage.provider.user = {"sub": sub, "name": sub.title()}
    browser = browser or stage.browser()
    assert landed(browser.login(login_url("/start"))) == "/start"
    return browser


def everywhere(stage, sub):
    """An operator ends all sessions of *sub*."""
    result = stage.app.sign_out_everywhere(sub)
    return run_async(result) if stage.shell == "asgi" else result


@pytest.mark.row("SF-01", "CK-24")
def test_sf_01_each_login_has_an_id_of_its_own_and_the_old_one_is_dead(stage, store):
    browser = stage.browser()
    seen, thieves = [], []
    for _ in range(4):
        signs_in(stage, "ada", browser)
        seen.append(session_id(stage, browser))
        thieves.append(browser.twin())
        stage.clock.advance(1)
    assert len(set(seen)) == 4
    assert [stage.who(thief) for thief in thieves] == [None, None, None, "ada"]
    assert store.names().count("create") == 4


@pytest.mark.row("SF-01")
def test_sf_01_a_planted_session_never_becomes_the_victims(stage, store):
    attacker = signs_in(stage, "mallory")
    planted = session_id(stage, attacker)
    victim = stage.browser()
    victim.cookies = attacker.cookies.copy()
    signs_in(stage, "ada", victim)
    assert session_id(stage, victim) != planted
    assert (stage.who(victim), stage.who(attacker)) == ("ada", None)


@pytest.mark.row("SF-01")
def test_sf_01_an_id_that_somebody_made_up_is_not_taken_over(stage, store):
    victim = stage.browser()
    attacker = stage.browser()
    made_up = f"{stage.session_name}={'A' * 43}; Path=/; Secure; HttpOnly"
    for browser in (victim, attacker):
        browser.cookies.receive("https://app.example.com/", [made_up], stage.clock.now())
    assert stage.who(victim) is None
    signs_in(stage, "ada", victim)
    assert session_id(stage, victim) != "A" * 43
    assert (stage.who(victim), stage.who(attacker)) == ("ada", None)


@pytest.mark.row("SF-01")
def test_sf_01_a_login_that_fails_leaves_the_session_from_before(stage, store):
    browser = signs_in(stage, "ada")
    before = session_id(stage, browser)
    stage.provider.user = {"sub": "bob"}
    page = browser.login(login_url("/"), code=REMOVE, error="access_denied")
    assert codes_on(page) == ["access_denied"]
    assert (session_id(stage, browser), stage.who(browser)) == (before, "ada")


@pytest.mark.row("SF-03")
def test_sf_03_nothing_of_the_user_before_is_left(stage, store):
    browser = stage.browser()
    stage.provider.user = {"sub": "ada", "name": "Ada", "email": "ada@example.com", "groups": ["owners"]}
    browser.login("/")
    thief, key = browser.twin(), key_of(stage, browser)
    assert len(stage.session_of(browser)) == 1
    signs_in(stage, "bob", browser)
    claims = browser.fetch("/api").json()["claims"]
    assert (claims["sub"], claims["name"]) == ("bob", "Bob")
    assert {"email", "groups"}.isdisjoint(claims)
    assert store.inner.get(key, stage.clock.now()) is None
    assert (stage.who(thief), stage.who(browser)) == (None, "bob")


@pytest.mark.row("CK-06", "CK-07")
def test_ck_06_a_copy_of_the_cookie_is_dead_after_the_sign_out(stage, store):
    browser, other = signs_in(stage, "ada"), signs_in(stage, "ada")
    thief, key = browser.twin(), key_of(stage, browser)
    assert stage.who(thief) == "ada"
    browser.post_form("/oidc/logout")
    assert stage.session_of(browser) == {}
    assert store.inner.get(key, stage.clock.now()) is None
    assert stage.who(thief) is None
    assert stage.who(other) == "ada", "a sign-out ends this session, not those on other devices"
    stage.clock.advance(1)
    assert thief.post_form("/oidc/logout", follow=False).status == 303, "signing out twice is no error"
    assert thief.fetch("/oidc/session").status == 401


@pytest.mark.row("SF-05", "F-ST-13")
def test_sf_05_a_request_that_is_late_does_not_bring_the_session_back(stage, store):
    """It read the session before the sign-out, and writes down its use after it."""
    browser = signs_in(stage, "ada")
    late, thief, key = browser.twin(), browser.twin(), key_of(stage, browser)
    stage.clock.advance(TOUCH_DUE)
    with held(store, "replace", lambda: late.fetch("/api")) as answers:
        assert browser.post_form("/oidc/logout").status == 200
    assert answers[0].status == 200, "it was signed in when it came"
    assert answers[0].all("set-cookie") == []
    assert store.inner.get(key, stage.clock.now()) is None
    assert [stage.who(who) for who in (late, thief, browser)] == [None, None, None]
    for seconds in (1, 3600, 6 * 3600):
        stage.clock.advance(seconds)
        assert stage.who(thief) is None


@pytest.mark.row("SF-05", "SF-07")
def test_sf_05_nor_after_the_operator_ended_all_sessions(stage, store):
    browser, other = signs_in(stage, "ada"), signs_in(stage, "ada")
    stage.clock.advance(TOUCH_DUE)
    with held(store, "replace", lambda: browser.fetch("/api")):
        assert everywhere(stage, "ada") == 2
    assert [stage.who(who) for who in (browser, other)] == [None, None]


@pytest.mark.row("SF-06")
def test_sf_06_of_two_requests_that_write_down_the_use_one_counts(stage, store):
    browser = signs_in(stage, "ada")
    tab = browser.twin()
    version = record_of(stage, store, browser).version
    stage.clock.advance(TOUCH_DUE)
    with held(store, "replace", lambda: tab.fetch("/api")) as answers:
        assert stage.who(browser) == "ada"
    assert answers[0].status == 200
    assert store.names().count("replace") == 2
    assert record_of(stage, store, browser).version == version + 1
    assert [record.event for record in stage.caplog.records if getattr(record, "event", "") == "session.changed_meanwhile"] != []
    assert not [record for record in stage.caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert stage.who(browser) == "ada"
    assert store.names().count("replace") == 2, "written down a moment ago"


@pytest.mark.row("SF-06", "CK-07")
def test_sf_06_use_prolongs_the_session_up_to_its_end(stage, store):
    browser, idle = signs_in(stage, "ada"), signs_in(stage, "ada")
    lifetimes = stage.site.lifetimes
    for _ in range(int(lifetimes.session_lifetime / (lifetimes.idle_timeout / 2)) - 1):
        stage.clock.advance(lifetimes.idle_timeout / 2)
        assert stage.who(browser) == "ada"
    assert all(page.all("set-cookie") == [] for page in browser.history[-3:])
    ttls = [options["ttl"] for name, _, options in store.calls if name in ("create", "replace")]
    assert max(ttls) <= lifetimes.idle_timeout
    assert ttls[-1] <= lifetimes.idle_timeout / 2, "not beyond its end"
    assert stage.who(idle) is None
    stage.clock.advance(lifetimes.idle_timeout / 2)
    assert stage.who(browser) is None


@pytest.mark.row("SF-07")
@pytest.mark.parametrize("by", ["the operator", "a logout token"])
def test_sf_07_what_was_before_ends_and_what_comes_after_lives(stage, store, by):
    stage.provider.sid = None
    before, stranger = [signs_in(stage, "ada") for _ in range(3)], signs_in(stage, "bob")
    under_way = stage.browser()
    location = under_way.start_login(login_url("/late"))
    stage.clock.advance(5)
    if by == "the operator":
        assert everywhere(stage, "ada") == 3
    else:
        assert_done(send_logout(stage, stage.provider.logout_token(sub="ada")))
    assert [stage.who(browser) for browser in before] == [None, None, None]
    assert stage.who(stranger) == "bob"
    stage.clock.advance(5)
    stage.provider.user = {"sub": "ada"}
    assert landed(under_way.finish_login(location)) == "/late"
    assert stage.who(under_way) == "ada", "signed in after the logout"
    if by == "a logout token":
        old = stage.provider.logout_token(sub="ada", iat=int(stage.clock.now()) - 5)
        assert_done(send_logout(stage, old))
        assert stage.who(under_way) == "ada", "the token is older than the session"


@pytest.mark.row("LT-16", "SF-07")
@pytest.mark.parametrize("named_by", ["sub", "sid"])
def test_lt_16_a_logout_that_overtakes_its_login(stage, store, named_by):
    """The ID token is issued, the logout token arrives, and only then the session would be written."""
    stage.provider.sid = "session-7"
    stage.provider.user = {"sub": "ada"}
    browser = stage.browser()
    location = browser.start_login(login_url("/deep"))
    if named_by == "sub":
        stage.provider.sid = None
    token = stage.provider.logout_token()
    stage.provider.sid = "session-7"
    with held(store, "create", lambda: browser.finish_login(location)) as pages:
        assert_done(send_logout(stage, token))
    first, page = shown(pages[0], browser)
    assert (page.status, codes_on(page)) == (400, ["signed_out_meanwhile"])
    assert all("Max-Age=0" in cookie for cookie in first.all("set-cookie"))
    assert (stage.session_of(browser), stage.who(browser)) == ({}, None)
    stage.clock.advance(1)
    assert landed(browser.login(login_url("/deep"))) == "/deep", "a new login is a new session"
    assert stage.who(browser) == "ada"


@pytest.mark.row("LT-16", "SF-07")
def test_lt_16_with_sessions_in_cookies(stage, ended):
    """The cookie is set, and good for nothing."""
    stage.provider.sid, stage.provider.user = "session-7", {"sub": "ada"}
    browser = stage.browser()
    location = browser.start_login(login_url("/deep"))
    answer = stage.provider.respond(location)
    with held(ended, "claim", lambda: browser.deliver(answer, follow=False)):
        assert_done(send_logout(stage, stage.provider.logout_token()))
    assert stage.who(browser) is None
    stage.clock.advance(1)
    assert landed(browser.login(login_url("/deep"))) == "/deep"
    assert stage.who(browser) == "ada"


@pytest.mark.row("SF-07", "CK-06")
def test_sf_07_with_sessions_in_cookies(stage, ended):
    """The worker that was told ends them at once, another one within seconds; a session from after the logout lives."""
    browser, stranger = signs_in(stage, "ada"), signs_in(stage, "bob")
    elsewhere = stage.browser(stage.worker())
    elsewhere.cookies = browser.cookies
    assert stage.who(elsewhere) == "ada"
    stage.clock.advance(1)
    everywhere(stage, "ada")
    assert (stage.who(browser), stage.who(stranger)) == (None, "bob")
    stage.clock.advance(5)
    assert stage.who(elsewhere) is None
    page = elsewhere.navigate("/deep", follow=False)
    assert page.status == 302
    assert not [cookie for cookie in page.all("set-cookie") if cookie.startswith(stage.session_name)]
    signs_in(stage, "ada", browser)
    assert stage.who(browser) == "ada"
