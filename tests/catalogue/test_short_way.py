"""The short way for sessions that can be ended from elsewhere: who comes again is let in at once, and who was signed out is not, wherever that was.

Two processes share the place of the sessions. Nothing of this is about speed: what is counted is what the store was asked.
"""

import pytest
import redis

from oidc_middleware.errors import ConfigError
from oidc_middleware.testing import REMOVE
from tests.catalogue.helpers_stores import assert_503, key_of
from tests.catalogue.test_lt_sessions import everywhere
from tests.catalogue.test_store_sessions import TOUCH_DUE
from tests.catalogue.test_store_sessions import signs_in as signs_in_once
from tests.conformance.backchannel import assert_done, lives, send_logout, signs_in
from tests.stores.servers import Server

#: The place, and how many seconds a process that was not told may still let somebody in.
PLACES = {"memory": 0, "sqlite": 0, "redis": 0, "redis-local": 3, "revocation": 5}
LOCAL = 3


@pytest.fixture(params=PLACES)
def place(request, stage, tmp_path):
    """``stage.app`` and ``stage.other`` are two processes; memory has one, twice the same."""
    name = request.param
    folder = tmp_path.name.replace("[", "").replace("]", "")
    urls = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/s.db", "revocation": f"sqlite:///{tmp_path}/ended.db"}
    if "redis" in name:
        urls[name] = f"{request.getfixturevalue('redis_url')}?prefix={folder}:" + (f"&local_seconds={LOCAL}" if name == "redis-local" else "")
    stage.kept = {"revocation" if name == "revocation" else "store": urls[name]}
    stage.restart()
    stage.other = stage.app if name == "memory" else stage.worker()
    stage.provider.sid = "session-1"
    return name


def elsewhere(stage, browser):
    """The same browser, whose next requests come to the other process."""
    twin = stage.browser(stage.other)
    for cookie in browser.cookies:
        twin.cookies.receive("https://app.example.com/", (f"{cookie.name}={cookie.value}; Path=/; Secure; HttpOnly",), stage.clock.now())
    return twin


def warm(browser):
    """So often that the short way is known."""
    assert [lives(browser) for _ in range(3)] == [True] * 3


def remembered(stage, app):
    """How many decisions a process has for the short way."""
    return len(app._lane._young)


@pytest.mark.row("CK-06", "LT-17")
def test_who_comes_again_takes_the_short_way_and_who_signed_out_none(stage, place):
    browser, stranger = signs_in(stage, "ada", "s-1"), signs_in(stage, "eve", "s-2")
    copy = elsewhere(stage, browser)
    copy._sites = stage.browser(stage.app)._sites
    warm(browser)
    warm(stranger)
    assert remembered(stage, stage.app) >= 2
    assert browser.post_form("/oidc/logout").status == 200
    assert not lives(copy), "a copy of the cookie, in the process that was told"
    assert lives(stranger)


@pytest.mark.row("CK-06", "LT-12", "LT-17")
@pytest.mark.parametrize("by", ["sid", "sub", "operator"])
def test_the_provider_ends_it_in_the_process_that_is_told(stage, place, by):
    browser, stranger = signs_in(stage, "ada", "s-1"), signs_in(stage, "eve", "s-2")
    warm(browser)
    warm(stranger)
    stage.clock.advance(1)
    if by == "operator":
        everywhere(stage, "ada")
    else:
        claims = {"sub": "ada", "sid": "s-1"} if by == "sid" else {"sub": "ada", "sid": None}
        assert_done(send_logout(stage, token(stage, claims)))
    assert (lives(browser), lives(stranger)) == (False, True)


def token(stage, claims):
    edits = {name: REMOVE if value is None else value for name, value in claims.items()}
    return stage.provider.logout_token(**edits)


@pytest.mark.row("CK-06", "LT-17")
@pytest.mark.parametrize("by", ["browser", "sid"])
def test_another_process_lets_nobody_in_for_longer_than_is_documented(stage, place, by):
    browser, stranger = signs_in(stage, "ada", "s-1"), signs_in(stage, "eve", "s-2")
    there, stranger_there = elsewhere(stage, browser), elsewhere(stage, stranger)
    warm(there)
    warm(stranger_there)
    stage.clock.advance(0.5)
    if by == "browser":
        assert browser.post_form("/oidc/logout").status == 200
    else:
        assert_done(send_logout(stage, token(stage, {"sub": "ada", "sid": "s-1"})))
    seconds = PLACES[place]
    assert lives(there) is (seconds > 0)
    stage.clock.advance(max(0, seconds - 0.5))
    assert (lives(there), lives(stranger_there)) == (False, True)
    assert not lives(there)


@pytest.mark.row("CK-07", "AZ-04")
def test_times_and_rules_are_asked_every_time(stage, place):
    admitted = [True]
    stage.kept = {**stage.kept, "allow": lambda user: admitted[0]}
    stage.restart()
    browser = signs_in(stage, "ada", "s-1")
    warm(browser)
    admitted[0] = False
    assert browser.fetch("/api").status == 403
    admitted[0] = True
    warm(browser)
    stage.clock.advance(3600)
    assert not lives(browser)


def _gets(url):
    with redis.Redis.from_url(url.partition("?")[0]) as client:
        return {name: client.info("commandstats").get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("get", "mget")}


@pytest.mark.row("F-PR-13")
@pytest.mark.parametrize(("local", "asked"), [(False, 10), (True, 1)], ids=["asks", "believes"])
def test_what_redis_is_asked(stage, redis_url, tmp_path, local, asked):
    """A request costs one read; with ``local_seconds`` one in so many seconds, however many there are."""
    url = f"{redis_url}?prefix=asked-{stage.shell}-{local}:" + (f"&local_seconds={LOCAL}" if local else "")
    stage.kept = {"store": url}
    stage.restart()
    browser = signs_in(stage, "ada", "s-1")
    stage.clock.advance(10)
    for _ in range(2):
        before = _gets(redis_url)
        assert all(lives(browser) for _ in range(10))
        after = _gets(redis_url)
        assert sum(after.values()) - sum(before.values()) == asked
        stage.clock.advance(LOCAL)


@pytest.mark.row("F-ST-01")
def test_a_store_that_is_away_is_believed_no_longer_than_is_documented(stage, tmp_path, caplog):
    server = Server(tmp_path / "redis").start()
    try:
        stage.kept = {"store": f"{server.url}?local_seconds={LOCAL}"}
        stage.restart()
        browser = signs_in(stage, "ada", "s-1")
        warm(browser)
    finally:
        server.stop()
    assert browser.fetch("/api").status == 200
    stage.clock.advance(LOCAL)
    page = browser.fetch("/api")
    assert (page.status, page.all("set-cookie")) == (503, [])


@pytest.mark.parametrize(
    ("value", "said"), [("0", "no positive number"), ("-1", "no positive number"), ("61", "more than 60"), ("2.5", "no positive number")]
)
def test_how_long_is_an_option_with_a_limit(stage, value, said):
    with pytest.raises(ConfigError, match=said):
        stage.worker(store=f"redis://127.0.0.1:6379/0?local_seconds={value}")


@pytest.mark.row("SF-05")
@pytest.mark.parametrize("place", [name for name in PLACES if name != "revocation"], indirect=True)
def test_what_another_process_wrote_down_counts_here(stage, place):
    """The session is opened once here, and again when somebody else wrote that it is in use."""
    browser = signs_in(stage, "ada", "s-1")
    there = elsewhere(stage, browser)
    warm(browser)
    for _ in range(2):
        stage.clock.advance(3000)
        assert lives(there)
    assert lives(browser)


# -- a store that has to be waited for ------------------------------------------------------------------------------------------------------


def asked(store, browser, times=1):
    """What *store* is asked while *browser* comes *times* times."""
    store.calls.clear()
    pages = [browser.fetch("/api") for _ in range(times)]
    return store.names(), pages


@pytest.mark.row("CK-06", "F-PR-13")
def test_a_store_that_has_to_be_asked_is_asked_once_for_each_request(stage, store):
    """Whatever it answers, and whether the short way ends with it or only begins."""
    browser = signs_in_once(stage, "ada")
    names, pages = asked(store, browser, 3)
    assert (names, [page.status for page in pages]) == (["get"] * 3, [200] * 3)
    stage.clock.advance(TOUCH_DUE)
    assert asked(store, browser)[0] == ["get", "replace"]
    names, pages = asked(store, browser, 3)
    assert (names, [page.status for page in pages]) == (["get"] * 3, [200] * 3), "the first finds another version, opens it, and need not ask again"
    store.inner.delete(key_of(stage, browser), keep=60, now=stage.clock.now())
    names, (page,) = asked(store, browser)
    assert (names, page.status) == (["get"], 401)


@pytest.mark.row("F-ST-01", "F-ST-02")
def test_a_store_that_is_away_is_not_asked_twice_by_one_request(stage, store):
    """Each call may take as long as it may: a second one would let people wait twice as long."""
    browser = signs_in_once(stage, "ada")
    asked(store, browser, 3)
    store.down["get"] = "store_unavailable"
    names, pages = asked(store, browser, 2)
    assert names == ["get"] * 2
    for page in pages:
        assert_503(stage, page)
    store.down.clear()
    assert [page.status for page in asked(store, browser, 2)[1]] == [200, 200]


@pytest.mark.row("SF-05", "F-ST-11")
def test_what_the_store_answers_with_is_looked_at_anew_unless_it_is_of_the_same_version(stage, store):
    ada, bob = signs_in_once(stage, "ada"), signs_in_once(stage, "bob")
    asked(store, ada, 2)
    now = stage.clock.now()
    stranger = store.inner.get(key_of(stage, bob), now)
    assert store.inner.replace(key_of(stage, ada), stranger.data, 1, ttl=60, now=now)
    assert stage.who(ada) is None, "another's session, sealed for another key"
    assert stage.who(bob) == "bob"
