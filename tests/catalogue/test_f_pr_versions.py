"""F-PR-02: two versions of this package side by side, as in every rolling deployment."""

import contextlib
import json
import sqlite3

import pytest

from oidc_middleware.sessions import codec, session
from oidc_middleware.stores import open_sync
from oidc_middleware.testing import Sent, run_async
from oidc_middleware.testing.servers import server_for
from tests.catalogue import golden
from tests.catalogue.helpers import BASE_URL, codes_on, landed, login_url
from tests.catalogue.helpers_stores import key_of
from tests.conformance.tokens import LIFE, keeps_tokens, refreshes, signed_in, token_of

pytestmark = pytest.mark.row("F-PR-02")

MODES = {"cookie": {}, "revocation": {"revocation": "memory://"}, "store": {"store": "sqlite:///{folder}/sessions.db"}}


class _Newer(bytes):
    """The version byte of a version that writes "9", and reads "1" as well."""

    def __ne__(self, other):
        return other not in (b"1", b"9")

    __hash__ = bytes.__hash__


class _NewerSession(int):
    """The same for sessions, which are in format 2 now."""

    def __ne__(self, other):
        return other not in (ord("2"), ord("9"))

    __hash__ = int.__hash__


class Deployment:
    """An old and a new worker side by side. ``old(step)`` and ``new(step)`` run *step(browser)* with the browser's requests going there."""

    def __init__(self, stage, monkeypatch, **options):
        self.monkeypatch = monkeypatch
        self.servers = {name: server_for(stage.worker(**options)) for name in ("old", "new")}

    @contextlib.contextmanager
    def at(self, name, *browsers):
        before = [browser._sites for browser in browsers]
        for browser in browsers:
            browser._sites = [(browser.base_url, self.servers[name])]
        with self.monkeypatch.context() as patched:
            if name == "new":
                patched.setattr(codec, "VERSION", _Newer(b"9"))
                patched.setattr(session, "_VERSION", _NewerSession(ord("9")))
            yield
        for browser, sites in zip(browsers, before, strict=True):
            browser._sites = sites


def closed(store):
    """Close *store*, in its event loop if it has one."""
    closing = store.close()
    if closing is not None:
        run_async(closing)


@pytest.fixture(params=MODES)
def deployment(request, stage, monkeypatch, tmp_path):
    stage.kept = {name: url.format(folder=tmp_path) for name, url in MODES[request.param].items()}
    stage.restart()
    return Deployment(stage, monkeypatch)


@pytest.mark.parametrize("file", golden.FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("what", ["session", "session in parts", "stored session"])
def test_f_pr_02_what_was_ever_written_is_still_read(what, file):
    kept, site = json.loads(file.read_text()), golden.SITE
    expected = golden.session(250 if what == "session in parts" else 1)
    if what == "stored session":
        assert site.stored._opened(kept["key"], kept[what].encode()) == expected
    else:
        read = site.sessions.read("; ".join(kept[what]), golden.NOW + 10)
        assert (read.session, read.reason) == (expected, "ok")


@pytest.mark.parametrize("file", golden.FILES, ids=lambda path: path.stem)
def test_f_pr_02_and_so_is_everything_else(file):
    kept, site, now = json.loads(file.read_text()), golden.SITE, golden.NOW + 10
    (login,) = kept["login"]
    assert site.logins.take(login, golden.LOGIN.state, now) == golden.LOGIN
    assert site.rounds.count("; ".join(kept["rounds"]), now) == 1
    assert site.csrf.check(kept["csrf"], "of this session", now)
    assert site.keyring.open("post-logout", kept["after sign-out"]) == b"/bye"
    assert site.stored.tokens._opened(kept["token key"], kept["stored tokens"].encode()) == golden.TOKENS


def test_f_pr_02_what_is_written_now_the_version_before_reads():
    """To the letter. Whoever changes a format on purpose gives it a version byte of its own, and reads this file all the same."""
    assert golden.written() == json.loads(golden.FILE.read_text())


@pytest.mark.parametrize("what", ["session", "session in parts"])
def test_f_pr_02_a_session_of_before_is_used_written_down_anew_and_never_signed_out(stage, what):
    """From the cookie as the version before wrote it to one of this version, in the same browser."""
    kept = json.loads(golden.FILES[0].read_text())
    site, now = golden.SITE, golden.NOW
    read = site.sessions.read("; ".join(kept[what]), now + 1_000)
    assert read.reason == "ok"
    written = site.sessions.write(site.lifetimes.touched(read.session, now + 1_000), now + 1_000, bytes(12), read.present)
    fresh = "; ".join(golden.pairs(tuple(cookie for cookie in written if "Max-Age=0" not in cookie)))
    assert "." not in fresh.partition("=")[2].partition(";")[0]
    again = site.sessions.read(fresh, now + 4_000)
    assert again.session == site.lifetimes.touched(read.session, now + 1_000)
    assert len(fresh) < len("; ".join(kept[what]))


@pytest.mark.row("F-PR-01")
def test_f_pr_02_the_new_version_goes_on_with_all_sessions_of_the_old(stage, deployment):
    browsers = [stage.browser() for _ in range(5)]
    with deployment.at("old", *browsers):
        pages = [browser.login(login_url("/deep")) for browser in browsers[1:]]
        location = browsers[0].start_login("/under/way")
        assert [landed(page) for page in pages] == ["/deep"] * 4
    with deployment.at("new", *browsers):
        assert landed(browsers[0].finish_login(location)) == "/under/way"
        for _ in range(4):
            assert [stage.who(browser) for browser in browsers] == [stage.provider.user["sub"]] * 5
            stage.clock.advance(1_000)  # so that each is written down in the new format


def test_f_pr_02_what_only_the_new_version_reads_is_nobody_to_the_old_and_stays(stage, deployment):
    browser, subject = stage.browser(), stage.provider.user["sub"]
    with deployment.at("new", browser):
        assert landed(browser.login(login_url("/deep"))) == "/deep"
    session = stage.session_of(browser)
    with deployment.at("old", browser):
        assert stage.who(browser) is None
        page = browser.navigate("/other", follow=False)
        assert page.location.startswith(stage.provider.issuer), "a login, as for everybody who is not known"
        assert stage.session_of(browser) == session
    with deployment.at("new", browser):
        assert stage.who(browser) == subject
    with deployment.at("old", browser):
        assert landed(browser.finish_login(page.location)) == "/other", "whoever goes through with it has a session that both read"
        assert stage.who(browser) == subject
    with deployment.at("new", browser):
        assert stage.who(browser) == subject


def test_f_pr_02_a_login_of_the_new_version_fails_at_the_old_and_is_not_used_up(stage, deployment):
    browser = stage.browser()
    with deployment.at("new", browser):
        answer = stage.provider.respond(browser.start_login("/deep"))
    logins = stage.logins_of(browser)
    with deployment.at("old", browser):
        page = browser.deliver(answer)
        assert (page.status, codes_on(page)) == (400, ["no_transaction"])
        assert stage.count("token") == 0
        assert stage.logins_of(browser) == logins
        for number in range(3):
            browser.start_login(f"/page/{number}")
        assert set(logins) <= set(stage.logins_of(browser)), "there is room for it"
    with deployment.at("new", browser):
        assert landed(browser.deliver(answer)) == "/deep"


def test_f_pr_02_signing_out_across_versions_asks_again(stage, deployment):
    browser = stage.browser()
    with deployment.at("old", browser):
        assert landed(browser.login(login_url("/deep"))) == "/deep"
    with deployment.at("new", browser):
        question = browser.navigate("/oidc/logout")
    token = question.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    unproven = {"sec-fetch-site": "", "origin": ""}
    with deployment.at("old", browser):
        page = browser.post_form("/oidc/logout", {"csrf_token": token}, initiator=None, headers=unproven)
        assert "csrf_token" in page.text
        assert stage.who(browser) == stage.provider.user["sub"]
        again = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
        assert browser.post_form("/oidc/logout", {"csrf_token": again}, initiator=None, headers=unproven).url.endswith("/oidc/signed-out")
        assert stage.who(browser) is None


def test_f_pr_02_tokens_that_only_the_new_version_reads_end_no_session(stage, monkeypatch, tmp_path):
    options = {"store": f"sqlite:///{tmp_path}/sessions.db", "keep_tokens": True}
    keeps_tokens(stage, **options)
    browser, _ = signed_in(stage)
    deployment = Deployment(stage, monkeypatch, **options)
    stage.clock.advance(LIFE)
    with deployment.at("new", browser):
        token = token_of(browser)
    with deployment.at("old", browser):
        assert token_of(browser) == {"error": "store_unavailable", "kind": "Unavailable"}
        assert stage.who(browser) == stage.provider.user["sub"]
    with deployment.at("new", browser):
        assert token_of(browser) == token
    assert refreshes(stage) == 1
    with deployment.at("old", browser):
        assert browser.post_form("/oidc/logout").url.endswith("/oidc/signed-out"), "and keep nobody signed in"
    with deployment.at("new", browser):
        assert token_of(browser) == {"status": 401}


def test_f_pr_02_a_value_of_another_form_in_redis(stage, redis_url, tmp_path):
    import redis

    stage.kept = {"store": f"{redis_url}?prefix={tmp_path.name}:"}
    stage.restart()
    browser, bystander = (stage.visitor(signed_in=True) for _ in range(2))
    session, name = stage.session_of(browser), f"{tmp_path.name}:s:{key_of(stage, browser)}"
    with redis.Redis.from_url(redis_url) as client:
        value = client.get(name)
        assert value[:4] == b"oid1"
        client.set(name, b"oid2" + value[4:], keepttl=True)
        assert stage.who(browser) is None
        browser.start_login("/x")
        assert stage.session_of(browser) == session
        assert client.get(name) == b"oid2" + value[4:]
        client.set(name, value, keepttl=True)
    assert [stage.who(one) for one in (browser, bystander)] == [stage.provider.user["sub"]] * 2
    closed(stage.app._world.store)


def test_f_pr_02_a_file_of_another_form_is_left_alone(stage, tmp_path):
    """A file is one form as a whole: whoever cannot read it says so (503), and changes nothing."""
    path = tmp_path / "sessions.db"
    stage.kept = {"store": f"sqlite:///{path}"}
    stage.restart()
    browser = stage.visitor(signed_in=True)
    session = stage.session_of(browser)
    key = key_of(stage, browser)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")
    old = server_for(stage.worker())
    cookies = browser.cookies.header(BASE_URL + "/x", stage.clock.now())
    page = old(Sent("GET", BASE_URL + "/x", headers=(("host", "app.example.com"), ("accept", "*/*"), ("cookie", cookies))))
    assert (page.status, codes_on(page), page.all("set-cookie")) == (503, ["store_unavailable"], [])
    assert stage.session_of(browser) == session
    assert "another version" in stage.caplog.text
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 1")
    store = open_sync(f"sqlite:///{path}")
    assert store.get(key, stage.clock.now()) is not None
    store.close()
    assert stage.who(browser) == stage.provider.user["sub"]
