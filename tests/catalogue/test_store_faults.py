"""A store that is away, empty, full or slow to answer; workers that share one (catalogue F-ST, F-PR, ST-06)."""

import pytest

from oidc_middleware.testing import REMOVE
from tests.catalogue.helpers import BASE_URL, assert_strict, codes_on, landed, login_url, shown
from tests.catalogue.helpers_stores import assert_503, key_of, record_of
from tests.conformance.backchannel import assert_done, assert_refused, send_logout

TOUCH_DUE = 16 * 60


# -- away -----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-ST-01", "CK-02")
def test_f_st_01_nobody_gets_in_and_nobody_loses_a_session(stage, store):
    _, browser = stage.accepts()
    cookies, calls = stage.session_of(browser), len(stage.seen)
    store.down["*"] = "store_unavailable"
    for number in range(3):
        stage.clock.advance(1)
        assert_503(stage, browser.navigate(f"/page/{number}"))
        assert_503(stage, browser.fetch("/api"))
        assert_503(stage, browser.fetch("/api", method="POST", body=b"x"))
        assert_503(stage, browser.fetch("/oidc/session"))
        assert_503(stage, browser.post_form("/oidc/logout"))
    assert len(stage.seen) == calls
    assert stage.session_of(browser) == cookies
    errors = [record for record in stage.caplog.records if record.levelname == "ERROR"]
    assert {record.code for record in errors} == {"store_unavailable"}
    stage.assert_nothing_leaked()
    store.down.clear()
    assert stage.who(browser) == stage.provider.user["sub"]
    browser.post_form("/oidc/logout")
    assert stage.session_of(browser) == {}


@pytest.mark.row("F-ST-01")
def test_f_st_01_public_paths_work_on(stage, store):
    stage.restart(public=["/open/*"])
    _, browser = stage.accepts()
    store.down["*"] = "store_unavailable"
    stranger = stage.browser()
    assert stranger.navigate("/open/page").json()["sub"] == ""
    page = browser.navigate("/open/page")
    assert (page.status, page.json()["sub"]) == (200, "")
    assert page.all("set-cookie") == []
    assert_503(stage, browser.navigate("/page"))
    assert stranger.fetch("/api").status == 401
    store.down.clear()
    assert browser.navigate("/open/page").json()["sub"] == stage.provider.user["sub"]


@pytest.mark.row("F-ST-01", "F-OP-04")
def test_f_st_01_a_login_fails_before_its_code_is_spent(stage, store):
    """Going to the provider needs no store. Coming back does: 503, no session, and no code sent to find that out."""
    browser = stage.browser()
    store.down["*"] = "store_unavailable"
    location = browser.start_login("/deep")
    answer = stage.provider.respond(location)
    page = browser.deliver(answer)
    assert (page.status, codes_on(page)) == (503, ["store_unavailable"])
    assert int(page.header("retry-after")) > 0
    assert_strict(page)
    assert stage.count("token") == 0
    assert stage.session_of(browser) == {}
    store.down.clear()
    assert landed(browser.deliver(answer)) == "/deep", "the same answer again"
    assert stage.who(browser) == stage.provider.user["sub"]


@pytest.mark.row("F-ST-01", "F-PR-09")
@pytest.mark.parametrize("code", ["store_unavailable", "store_full"])
def test_f_st_01_every_call_of_a_login_may_fail(stage, store, code):
    """Oracle of section 0 at each call: no session, no cookie but deletions, and the next login works."""
    _, browser = stage.accepts()
    for method in ("claim", "create", "delete"):
        stage.clock.advance(61)
        store.down[method] = code
        stranger = stage.browser()
        stranger.cookies = browser.cookies.copy()
        before, session = stage.count("token"), stage.session_of(stranger)
        first, page = shown(stranger.login(login_url("/deep")), stranger)
        assert (page.status, codes_on(page)) == (503, [code]), method
        assert all("Max-Age=0" in cookie for cookie in first.all("set-cookie"))
        assert stage.count("token") - before == (method != "claim")
        assert stage.session_of(stranger) == session
        assert stage.who(stranger) == stage.provider.user["sub"], "the session from before lives"
        store.down.clear()
    assert landed(browser.login(login_url("/deep"))) == "/deep"


@pytest.mark.row("F-ST-01", "F-ST-07", "F-ST-08")
@pytest.mark.parametrize("code", ["store_unavailable", "store_full"])
def test_f_st_07_a_store_that_takes_no_writes_turns_nobody_away(stage, store, code):
    """Full, or a replica that may only be read: whoever is signed in stays so, though its use cannot be written down."""
    _, browser = stage.accepts()
    version = record_of(stage, store, browser).version
    store.down["replace"] = code
    stage.clock.advance(TOUCH_DUE)
    for number in range(3):
        page = browser.navigate(f"/page/{number}")
        assert (page.status, page.json()["sub"]) == (200, stage.provider.user["sub"])
        assert page.all("set-cookie") == []
    (event, *_) = [record for record in stage.caplog.records if getattr(record, "event", "") == "session.not_prolonged"]
    assert (event.levelname, event.code) == ("WARNING", code)
    assert record_of(stage, store, browser).version == version
    stage.clock.advance(stage.site.lifetimes.idle_timeout - TOUCH_DUE)
    assert stage.who(browser) is None, "nobody stays longer for it"


@pytest.mark.row("F-ST-07")
def test_f_st_07_full(stage, store):
    _, signed_in = stage.accepts()
    store.down |= {"create": "store_full", "replace": "store_full"}
    browser = stage.browser()
    page = browser.login("/deep")
    assert (page.status, codes_on(page)) == (503, ["store_full"])
    assert int(page.header("retry-after")) > 0
    assert_strict(page)
    assert len(browser.cookies) == 0
    assert stage.who(browser) is None
    assert stage.who(signed_in) == stage.provider.user["sub"]
    store.down.clear()
    assert landed(browser.login("/deep")) == "/deep"


@pytest.mark.row("F-ST-01", "LT-18")
def test_f_st_01_a_logout_token_is_refused_and_may_come_again(stage, store):
    stage.provider.sid = "session-1"
    _, browser = stage.accepts()
    token = stage.provider.logout_token()
    store.down["*"] = "store_unavailable"
    assert_refused(send_logout(stage, token), code="store_unavailable", retry=True)
    store.down.clear()
    assert stage.who(browser) == stage.provider.user["sub"]
    assert_done(send_logout(stage, token))
    assert stage.who(browser) is None


@pytest.mark.row("F-ST-01", "CK-02")
def test_f_st_01_a_list_of_ended_sessions_that_is_away(stage, ended):
    """Whether the session was ended cannot be known: nobody is let in on a guess, nothing is deleted, and everybody may sign out."""
    stage.restart(public=["/open/*"])
    _, browser = stage.accepts()
    (_, leaving), cookies = stage.accepts(), stage.session_of(browser)
    ended.down["*"] = "store_unavailable"
    assert stage.who(browser) == stage.provider.user["sub"], "asked a moment ago"
    stage.clock.advance(6)
    assert_503(stage, browser.navigate("/page"))
    assert_503(stage, browser.fetch("/api"))
    assert browser.navigate("/open/page").status == 200
    assert stage.session_of(browser) == cookies
    assert leaving.post_form("/oidc/logout", follow=False).status == 303
    assert stage.session_of(leaving) == {}
    ended.down.clear()
    assert stage.who(browser) == stage.provider.user["sub"]


# -- empty, lost answers, late ----------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-ST-04")
def test_f_st_04_an_empty_store_sends_everybody_to_sign_in_once(stage, store):
    _, browser = stage.accepts()
    before = len(stage.provider.requests)
    store.inner.delete(key_of(stage, browser), keep=0.001, now=stage.clock.now() - 1)
    assert browser.fetch("/api", method="POST", body=b"x").status == 401
    assert browser.post_form("/form", {"a": "b"}, follow=False).status == 401
    page = browser.navigate("/reports/7?view=a%2Fb", follow=False)
    assert page.status == 302
    assert [cookie for cookie in page.all("set-cookie") if cookie.startswith(stage.session_name)] == []
    steps = len(browser.history)
    assert landed(browser.finish_login(page.location)) == "/reports/7?view=a%2Fb"
    assert len(browser.history) - steps == 2
    assert stage.who(browser) == stage.provider.user["sub"]
    asked = [request.endpoint for request in stage.provider.requests[before:]]
    assert {"discovery", "jwks"}.isdisjoint(asked)
    assert not [record for record in stage.caplog.records if record.levelname in ("WARNING", "ERROR")]


@pytest.mark.row("F-ST-13")
def test_f_st_13_a_session_whose_write_was_not_confirmed_is_nobodys(stage, store):
    """The browser never learns the id: what was stored all the same is taken away again, and the next login is a new one."""
    browser = stage.browser()
    store.lost.add("create")
    page = browser.login("/deep")
    assert (page.status, codes_on(page), len(browser.cookies)) == (503, ["store_unavailable"], 0)
    store.lost.clear()
    assert landed(browser.login("/deep")) == "/deep"
    first, second = [args[0] for name, args, _ in store.calls if name == "create"]
    assert first != second
    assert [store.inner.get(key, stage.clock.now()) is not None for key in (first, second)] == [False, True]


@pytest.mark.row("F-ST-13")
def test_f_st_13_a_sign_out_that_was_not_confirmed_may_be_repeated(stage, store):
    _, browser = stage.accepts()
    store.lost.add("delete")
    assert_503(stage, browser.post_form("/oidc/logout"))
    assert stage.who(browser) is None, "it was carried out"
    store.lost.clear()
    assert browser.post_form("/oidc/logout").status == 200
    assert stage.session_of(browser) == {}


@pytest.mark.row("F-ST-13")
def test_f_st_13_use_that_was_not_confirmed_is_written_down_all_the_same(stage, store):
    _, browser = stage.accepts()
    stage.clock.advance(TOUCH_DUE)
    store.lost.add("replace")
    assert stage.who(browser) == stage.provider.user["sub"]
    store.lost.clear()
    store.calls.clear()
    assert stage.who(browser) == stage.provider.user["sub"]
    assert store.names() == ["get"]


@pytest.mark.row("F-ST-13", "CK-07")
def test_f_st_13_what_a_store_forgot_to_forget_has_ended(stage, store):
    """A store whose clock stands still: the times in the session decide."""
    _, browser = stage.accepts()
    key, record = key_of(stage, browser), record_of(stage, store, browser)
    assert store.inner.replace(key, record.data, record.version, ttl=10**8, now=stage.clock.now())
    for cookie in browser.cookies:
        cookie.expires = None
    stage.clock.advance(stage.site.lifetimes.idle_timeout)
    assert store.inner.get(key, stage.clock.now()) is not None
    assert stage.who(browser) is None


# -- several workers --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-PR-01", "F-PR-02")
def test_f_pr_01_another_worker_goes_on(stage, store):
    """One begins the login, one completes it, one serves, one writes down the use, one ends it: each knows what the others did."""
    first, second = stage.browser(), stage.browser(stage.worker())
    second.cookies = first.cookies
    location = first.start_login("/deep")
    assert landed(second.finish_login(location)) == "/deep"
    assert stage.who(first) == stage.who(second) == stage.provider.user["sub"]
    for worker in (first, second) * 3:
        stage.clock.advance(TOUCH_DUE)
        assert stage.who(worker) == stage.provider.user["sub"]
    restarted = stage.browser(stage.worker())
    restarted.cookies = first.cookies
    assert stage.who(restarted) == stage.provider.user["sub"]
    thief = first.twin()
    restarted.post_form("/oidc/logout")
    assert [stage.who(browser) for browser in (thief, first, second)] == [None, None, None]


def replayed_elsewhere(stage, browser, elsewhere, *, signed_in):
    """The address of a completed login is opened once more at another worker, with the cookies from before it."""
    location = browser.start_login(login_url("/deep"))
    answer, jar = stage.provider.respond(location), browser.cookies.copy()
    assert landed(browser.deliver(answer)) == "/deep"
    before = stage.count("token")
    elsewhere.cookies = jar
    if signed_in:
        for cookie in browser.cookies:
            elsewhere.cookies.put(cookie)
    page = elsewhere.deliver(answer)
    assert stage.count("token") == before, "the code was sent once more"
    return page


@pytest.mark.row("ST-06", "CI-02")
def test_st_06_a_used_login_is_used_for_all_workers(stage, store):
    used_for_all_workers(stage)


@pytest.mark.row("ST-06", "CI-02")
def test_st_06_with_sessions_in_cookies_and_a_store_beside_them(stage, ended):
    used_for_all_workers(stage)


def used_for_all_workers(stage):
    browser, elsewhere = stage.browser(), stage.browser(stage.worker())
    first, page = shown(replayed_elsewhere(stage, browser, elsewhere, signed_in=False), elsewhere)
    assert (page.status, codes_on(page)) == (400, ["transaction_used"])
    assert stage.session_of(elsewhere) == {}
    assert all("Max-Age=0" in cookie for cookie in first.all("set-cookie"))
    page = replayed_elsewhere(stage, stage.browser(), elsewhere, signed_in=True)
    assert landed(page).startswith("/"), "who is signed in is sent on"
    assert page.url.startswith(BASE_URL)
    assert stage.who(elsewhere) == stage.provider.user["sub"]
    assert stage.who(browser) == stage.provider.user["sub"]


@pytest.mark.row("ST-06")
def test_st_06_a_login_that_failed_cannot_be_repeated_elsewhere_either(stage, store):
    """The answer was used up, whatever became of it."""
    browser, elsewhere = stage.browser(), stage.browser(stage.worker())
    location = browser.start_login("/deep")
    elsewhere.cookies = browser.cookies.copy()
    answer = stage.provider.respond(location)
    stage.provider.id_token_claims["nonce"] = REMOVE
    assert codes_on(browser.deliver(answer)) == ["nonce_missing"]
    stage.provider.id_token_claims.clear()
    page = elsewhere.deliver(answer)
    assert (page.status, codes_on(page)) == (400, ["transaction_used"])
    assert stage.count("token") == 1
