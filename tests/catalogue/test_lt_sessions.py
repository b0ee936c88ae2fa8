"""Which sessions a logout ends, where and when, and what stands in its way (catalogue 1.14): for sessions on the server and in the cookie."""

import threading
import time

import pytest

from oidc_middleware.errors import ConfigError, Unavailable
from oidc_middleware.testing import REMOVE
from oidc_middleware.testing.servers import run_async, server_for
from tests.catalogue.helpers import BASE_URL, Stage, codes_on, login_url, shown
from tests.conformance.backchannel import PLACES, assert_done, assert_refused, lives, place_options, send_logout, signs_in

TEN_SECONDS = 10.0


@pytest.fixture(params=PLACES)
def ending(stage, request, tmp_path):
    stage.place, stage.folder = request.param, tmp_path
    stage.restart(**place_options(request.param, tmp_path))
    stage.provider.sid = "session-1"
    return stage


class Faulty:
    """A store some methods of which fail, the first so many times; *instead* is called in their place first."""

    def __init__(self, store, *methods, times=1_000, instead=None):
        self.store, self.methods, self.times, self.instead = store, methods, times, instead

    def __getattr__(self, name):
        return self._fail if name in self.methods and self.times else getattr(self.store, name)

    def _fail(self, *args, **options):
        self.times -= 1
        if self.instead is not None:
            self.instead(*args, **options)
        raise Unavailable("store_unavailable", "made up")


def breaks(stage, *methods, **options):
    """From now on these methods of the store fail. Returns how to mend it."""
    whole = stage.app._world.store
    stage.app._world.store = Faulty(whole, *methods, **options)
    return lambda: setattr(stage.app._world, "store", whole)


def everywhere(stage, subject):
    """``sign_out_everywhere``, as an operator calls it in either world."""
    called = stage.app.sign_out_everywhere(subject)
    return run_async(called) if stage.shell == "asgi" else called


def who_live(*browsers):
    return [lives(browser) for browser in browsers]


@pytest.mark.row("LT-12")
def test_lt_12_sid_and_sub_say_whose_sessions_end(ending):
    sub, token = ending.provider.user["sub"], ending.provider.logout_token
    assert_refused(send_logout(ending, token(sub=REMOVE, sid=REMOVE)))
    for odd in ({"sub": None}, {"sub": ""}, {"sub": 7}, {"sid": None}, {"sid": ""}, {"sid": ["session-1"]}):
        assert_refused(send_logout(ending, token(**odd)))
    one, two, other = signs_in(ending, sub, "session-1"), signs_in(ending, sub, "session-2"), signs_in(ending, "bob", "session-3")
    answer = send_logout(ending, token(sub="bob", sid="session-1"))
    if ending.place == "revocation":  # which knows of no session that lives
        assert_done(answer)
    else:
        assert_refused(answer)
        assert "belongs to another sub" in ending.caplog.text
    assert who_live(one, two, other) == [True, True, True], "both have to match"
    assert_done(send_logout(ending, token()))
    assert who_live(one, two, other) == [False, True, True]
    assert_done(send_logout(ending, token(sub=REMOVE, sid="session-3")))
    assert who_live(two, other) == [True, False]
    assert_done(send_logout(ending, token(sid=REMOVE)))
    assert who_live(two) == [False]


@pytest.mark.row("LT-19", "LT-12")
def test_lt_19_all_sessions_of_a_user_end_and_nobody_elses(ending):
    sub = ending.provider.user["sub"]
    theirs = [signs_in(ending, sub, f"session-{number}") for number in range(5)] + [signs_in(ending, sub, None)]
    others = [signs_in(ending, "bob", "session-1"), signs_in(ending, sub + "1", "session-9")]
    assert_done(send_logout(ending, ending.provider.logout_token(sid=REMOVE)))
    assert who_live(*theirs) == [False] * 6
    assert who_live(*others) == [True, True]
    ending.clock.advance(1)
    again = signs_in(ending, sub, "session-10")
    assert who_live(again, *theirs) == [True, *[False] * 6]


@pytest.mark.row("LT-08", "SF-07")
def test_lt_08_a_token_again_ends_nothing_that_began_since(ending):
    token, browser = ending.provider.logout_token(), ending.visitor(signed_in=True)
    assert_done(send_logout(ending, token))
    assert not lives(browser)
    ending.clock.advance(1)
    ending.accepts(browser)
    assert_done(send_logout(ending, token))
    assert lives(browser)
    ending.clock.advance(301)
    assert_refused(send_logout(ending, token))
    assert_done(send_logout(ending, ending.provider.logout_token()))
    assert not lives(browser), "a newer one does"


@pytest.mark.row("LT-14")
def test_lt_14_an_unknown_session_is_no_fault(ending):
    browser = ending.visitor(signed_in=True)
    for claims in ({"sid": "unknown"}, {"sub": "nobody", "sid": REMOVE}, {"sub": "nobody", "sid": "unknown"}):
        assert_done(send_logout(ending, ending.provider.logout_token(**claims)))
    told = [record for record in ending.caplog.records if getattr(record, "event", "") == "logout.backchannel"]
    assert [(record.levelname, "0 sessions ended" in record.getMessage()) for record in told] == [("INFO", True)] * 3
    assert lives(browser)


@pytest.mark.row("LT-14", "LT-16")
def test_lt_16_a_logout_that_comes_before_the_session_was_written(ending):
    """The login has its ID token and waits for UserInfo when the logout arrives: whichever comes first, nobody is signed in afterwards."""
    browser, issued, answer = ending.visitor(), threading.Event(), threading.Event()
    location = browser.start_login(login_url("/racing"))
    ending.provider.before_signing = issued.set
    ending.provider.script("userinfo", gate=answer, times=1)
    pages = []
    login = threading.Thread(target=lambda: pages.append(browser.finish_login(location, follow=False)))
    login.start()
    try:
        assert issued.wait(TEN_SECONDS)
        until = time.monotonic() + TEN_SECONDS
        while not ending.count("userinfo") and time.monotonic() < until:
            time.sleep(0.001)
        ending.clock.advance(2)
        assert_done(send_logout(ending, ending.provider.logout_token()))
    finally:
        answer.set()
        login.join(TEN_SECONDS)
    _, page = shown(pages[0], browser)
    if ending.place == "revocation":  # the cookie is set, and opens nothing
        assert (page.status, page.location) == (303, f"{BASE_URL}/racing")
    else:
        assert (page.status, codes_on(page)) == (400, ["signed_out_meanwhile"])
        assert ending.session_of(browser) == {}
    assert not lives(browser)
    ending.clock.advance(1)
    ending.accepts(browser)


@pytest.mark.row("LT-09", "LT-18")
def test_lt_18_a_store_that_fails_is_told_to_the_provider_who_comes_again(ending):
    sub = ending.provider.user["sub"]
    browsers = [signs_in(ending, sub, f"session-{number}") for number in range(3)]
    other = signs_in(ending, "bob", "session-9")
    token = ending.provider.logout_token(sid=REMOVE)
    mend = breaks(ending, "delete_index")
    for _ in range(2):
        assert_refused(send_logout(ending, token), code="store_unavailable", retry=True)
    assert any(getattr(record, "event", "") == "logout.backchannel_refused" and record.levelname == "ERROR" for record in ending.caplog.records)
    mend()
    ending.clock.advance(10)
    assert_done(send_logout(ending, token))
    assert who_live(*browsers, other) == [False, False, False, True]


@pytest.mark.row("LT-18")
def test_lt_18_what_half_a_logout_left_is_ended_by_the_same_token(ending):
    sub = ending.provider.user["sub"]
    browsers = [signs_in(ending, sub, f"session-{number}") for number in range(3)]
    token = ending.provider.logout_token(sid=REMOVE)
    inner = getattr(ending.app._world.store, "_store", ending.app._world.store)
    mend = breaks(ending, "delete_index", times=1, instead=inner.mark)
    assert_refused(send_logout(ending, token), code="store_unavailable", retry=True)
    assert_done(send_logout(ending, token))
    mend()
    assert who_live(*browsers) == [False] * 3


# -- sessions in cookies: a list of what ended, shared by all workers ------------------------------------------------------------------------


def another_worker(stage):
    """A second process of the same relying party."""
    other = Stage(stage.shell, stage.caplog)
    other.clock = stage.clock
    other.restart(**place_options(stage.place, stage.folder))
    return other


def at(worker, browser):
    """*browser* when the load balancer sends it to *worker*."""
    twin = browser.twin()
    twin._sites = [(BASE_URL, server_for(worker.app))]
    return twin


@pytest.fixture
def listed(stage, tmp_path):
    stage.place, stage.folder = "revocation", tmp_path
    stage.restart(**place_options("revocation", tmp_path))
    stage.provider.sid = "session-1"
    return stage


@pytest.mark.row("LT-17")
def test_lt_17_a_session_in_a_cookie_ends_here_at_once_and_elsewhere_within_five_seconds(listed):
    browser, other = listed.visitor(signed_in=True), signs_in(listed, "bob", "session-2")
    worker = another_worker(listed)
    elsewhere, other_elsewhere = at(worker, browser), at(worker, other)
    assert who_live(elsewhere, other_elsewhere) == [True, True]
    assert_done(send_logout(listed, listed.provider.logout_token()))
    assert not lives(browser), "this process was told"
    listed.clock.advance(5)
    assert who_live(elsewhere, other_elsewhere) == [False, True]
    third = another_worker(listed)
    assert who_live(at(third, browser), at(third, other)) == [False, True], "who never heard of the session asks first"


@pytest.mark.row("LT-17")
def test_lt_17_a_new_session_does_not_vouch_for_the_one_before(listed):
    listed.provider.sid = None  # both sessions are found by the same index
    thief = listed.visitor(signed_in=True)
    worker = another_worker(listed)
    assert_done(send_logout(listed, listed.provider.logout_token()))
    listed.clock.advance(1)
    again = listed.visitor(signed_in=True)
    for _ in range(4):
        assert who_live(at(worker, again), at(worker, thief)) == [True, False]
        listed.clock.advance(3)


@pytest.mark.row("LT-17", "F-ST-01")
def test_lt_17_when_the_list_is_away_nobody_gets_in_and_nothing_is_deleted(listed):
    browser = listed.visitor(signed_in=True)
    session = listed.session_of(browser)
    mend = breaks(listed, "marks")
    assert lives(browser), "asked a moment ago"
    listed.clock.advance(5)
    page = browser.fetch("/api")
    assert (page.status, codes_on(page), page.all("retry-after"), page.all("set-cookie")) == (503, ["store_unavailable"], ["5"], [])
    assert browser.navigate("/reports").status == 503
    assert listed.session_of(browser) == session
    mend()
    assert lives(browser)


# -- everywhere --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("SF-07")
def test_an_operator_signs_somebody_out_everywhere(ending):
    sub = ending.provider.user["sub"]
    theirs = [signs_in(ending, sub, f"session-{number}") for number in range(3)] + [signs_in(ending, sub, None)]
    other = signs_in(ending, "bob", "session-9")
    assert everywhere(ending, sub) == (0 if ending.place == "revocation" else 4)
    assert who_live(*theirs, other) == [False, False, False, False, True]
    ending.clock.advance(1)
    ending.accepts(theirs[0])
    assert who_live(*theirs) == [True, False, False, False]
    assert everywhere(ending, "nobody") == 0


def test_a_provider_whose_clock_is_ahead_keeps_nobody_signed_in(ending):
    ending.provider.id_token_claims["iat"] = lambda iat: iat + 50
    browser = ending.visitor(signed_in=True)
    ending.clock.advance(1)
    everywhere(ending, ending.provider.user["sub"])
    assert not lives(browser)
    ending.clock.advance(1)
    ending.accepts(browser)


def test_signing_out_everywhere_needs_a_store_that_answers(ending):
    browser, sub = ending.visitor(signed_in=True), ending.provider.user["sub"]
    mend = breaks(ending, "delete_index")
    with pytest.raises(Unavailable):
        everywhere(ending, sub)
    mend()
    everywhere(ending, sub)
    assert not lives(browser)
    ending.restart()
    with pytest.raises(ConfigError, match="revocation"):
        everywhere(ending, sub)


@pytest.mark.row("CK-06", "SF-01", "LO-09")
def test_a_copied_cookie_is_worth_nothing_after_sign_out(ending):
    browser, elsewhere = ending.visitor(signed_in=True), signs_in(ending, ending.provider.user["sub"], "session-1")
    ending.clock.advance(1)
    thief = browser.twin()
    assert lives(thief)
    browser.post_form("/oidc/logout")
    assert who_live(browser, thief, elsewhere) == [False, False, True], "another browser of the user goes on"
    assert thief.post_form("/oidc/logout").status == 200, "twice is no fault"
    assert lives(elsewhere)


@pytest.mark.row("CK-06", "SF-01")
@pytest.mark.parametrize("place", ["memory", "sqlite"])
def test_a_login_has_a_new_id_and_ends_the_session_that_the_browser_had(stage, tmp_path, place):
    stage.restart(**place_options(place, tmp_path))
    browser = stage.visitor(signed_in=True)
    thief, before = browser.twin(), stage.session_of(browser)
    browser.login(login_url("/again"))
    assert stage.session_of(browser) != before
    assert who_live(browser, thief) == [True, False]


def test_a_list_that_is_away_keeps_nobody_from_signing_out(listed):
    browser = listed.visitor(signed_in=True)
    thief = browser.twin()
    mend = breaks(listed, "delete_index", "marks")
    assert browser.post_form("/oidc/logout", follow=False).status == 303
    mend()
    assert listed.session_of(browser) == {}
    assert who_live(browser, thief) == [False, False], "this process heard of it all the same"
    assert "logout.not_listed" in listed.caplog.text
