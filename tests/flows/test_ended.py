"""Sessions that end from elsewhere, by hand: what the store is asked, what it is told, and what is remembered."""

import json
from dataclasses import replace

import pytest

from oidc_middleware.errors import ConfigError, LoginError, Unavailable
from oidc_middleware.flows import revocation
from oidc_middleware.flows.backchannel import end_sessions, sign_out_everywhere
from oidc_middleware.flows.effects import StoreCreate, StoreDelete, StoreEffect, StoreEnd, StoreGet, StoreHolds, StoreMarks, StoreReplace
from oidc_middleware.flows.gate import gate
from oidc_middleware.flows.revocation import Revocations
from oidc_middleware.flows.stored import indexes_of, own_index, sid_indexes, store_key, user_index
from oidc_middleware.protocol.logout_token import LogoutToken
from oidc_middleware.sessions.session import Session
from tests.flows.hand import ISSUER, Driver, party, request

NOW = 1_800_000_000.0
SESSION = Session(issuer=ISSUER, subject="ada", claims_json="{}", created=NOW - 60, seen=NOW - 60, expires=NOW + 3600, sid="s1", issued_at=NOW - 61)


class Shelf(Driver):
    """A driver with a store: ``told`` holds what it was asked, ``results`` what it answers by kind of effect."""

    def __init__(self, *answers, results=None, **options):
        super().__init__(*answers, **options)
        self.results, self.told = results or {}, []

    def _perform(self, effect):
        if not isinstance(effect, StoreEffect):
            return super()._perform(effect)
        self.told.append(effect)
        result = self.results.get(type(effect))
        if isinstance(result, Exception):
            raise result
        return result(effect) if callable(result) else result


def logout(**changes):
    given = {"issuer": ISSUER, "subject": "ada", "sid": "s1", "jti": "j", "issued_at": NOW, "valid_until": NOW + 100, **changes}
    return LogoutToken(**given)


# -- names --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("LT-12", "CK-24")
def test_what_a_session_is_found_by_tells_nobody_whose_it_is():
    names = {*indexes_of(SESSION), own_index(SESSION)}
    assert len(names) == 4
    assert all(name.isascii() and name.isprintable() and "ada" not in name and "s1" not in name for name in names)
    assert indexes_of(replace(SESSION, sid=None)) == (user_index(ISSUER, "ada"),)
    assert user_index(ISSUER, "ada") != user_index(ISSUER + "a", "da"), "parts do not run into each other"
    assert sid_indexes(ISSUER, "s1", "ada") != sid_indexes(ISSUER, "s1", "bob")
    assert sid_indexes(ISSUER, "s1", None)[0] == sid_indexes(ISSUER, "s1", "bob")[1]
    assert own_index(SESSION) != own_index(replace(SESSION, created=NOW)) != own_index(replace(SESSION, created=NOW, id_token="x.y.z"))


# -- ending -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("LT-12")
@pytest.mark.parametrize(
    ("changes", "index"),
    [
        ({}, sid_indexes(ISSUER, "s1", "ada")[0]),
        ({"subject": None}, sid_indexes(ISSUER, "s1", None)[0]),
        ({"sid": None}, user_index(ISSUER, "ada")),
    ],
)
def test_a_logout_ends_what_its_token_names(changes, index):
    rp, driver = party(store="memory://"), Shelf(results={StoreEnd: 3})
    assert driver.run(end_sessions(logout(**changes), rp)) == 3
    assert driver.told == [StoreEnd(index, NOW, rp.settings.session_lifetime + rp.settings.leeway)]


THEIRS, WHOSEVER = sid_indexes(ISSUER, "s1", "ada")


def ending_nothing(alive, **changes):
    """A driver whose store has nothing to end, and the ended sessions of a logout by it: *alive* are the indexes of what lives."""
    driver = Shelf(results={StoreEnd: 0, StoreHolds: lambda effect: effect.index in alive})
    return driver, end_sessions(logout(**changes), party(store="memory://"))


def asked(driver):
    """What *driver* was asked to look at, after it stopped the sign-ins that are under way."""
    assert isinstance(driver.told[0], StoreEnd)
    return tuple(effect.index for effect in driver.told[1:])


@pytest.mark.row("LT-12")
@pytest.mark.parametrize(
    ("changes", "alive", "looked"),
    [
        ({}, (), (WHOSEVER,)),
        ({}, (WHOSEVER, THEIRS), (WHOSEVER, THEIRS)),
        ({"subject": None}, (WHOSEVER,), ()),
        ({"sid": None}, (WHOSEVER,), ()),
    ],
)
def test_a_logout_that_has_nothing_to_end_is_no_fault(changes, alive, looked):
    driver, flow = ending_nothing(alive, **changes)
    assert driver.run(flow) == 0
    assert asked(driver) == looked


@pytest.mark.row("LT-12")
def test_a_sid_under_which_somebody_else_lives_is_refused():
    driver, flow = ending_nothing((WHOSEVER,))
    with pytest.raises(LoginError, match="logout_token_invalid"):
        driver.run(flow)
    assert asked(driver) == (WHOSEVER, THEIRS)


@pytest.mark.row("LT-12", "LT-17")
def test_a_list_of_ended_sessions_is_not_asked_what_lives():
    rp, driver = party(revocation="memory://"), Shelf(results={StoreEnd: 0})
    assert driver.run(end_sessions(logout(), rp)) == 0
    assert [type(told) for told in driver.told] == [StoreEnd]


def test_a_logout_that_names_nobody_ends_nothing():
    driver = Shelf()
    with pytest.raises(LoginError, match="logout_token_invalid"):
        driver.run(end_sessions(logout(subject=None, sid=None), party(store="memory://")))
    assert driver.told == []


def test_everywhere_is_until_now_and_needs_somewhere():
    rp, driver = party(revocation="memory://"), Shelf(results={StoreEnd: 0})
    assert driver.run(sign_out_everywhere("ada", rp)) == 0
    assert [(told.index, told.issued_until) for told in driver.told] == [(user_index(ISSUER, "ada"), driver.clock.now())]
    assert driver.events == ["logout.everywhere"]
    with pytest.raises(ConfigError, match="revocation"):
        Shelf().run(sign_out_everywhere("ada", party()))


@pytest.mark.row("LT-02", "LT-09")
@pytest.mark.parametrize(("store", "status"), [("memory://", 400), (None, 404)])
def test_an_unusable_request_asks_nobody(store, status):
    rp, driver = party(store=store), Shelf(body=b"logout_token=a.b.c")
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = driver.run(gate(request("/oidc/backchannel-logout", method="POST", headers=form), rp))
    assert answer.status == status
    assert (driver.fetched, driver.told) == ([], [])


# -- what a process remembers -----------------------------------------------------------------------------------------------------------------


def ask(heard, session, now, mark=None):
    """``(whether it was ended, whether the list was asked)``."""
    driver = Shelf(results={StoreMarks: mark})
    return driver.run(heard.ask(session, now)), bool(driver.told)


@pytest.mark.row("LT-17")
def test_the_list_is_asked_once_in_five_seconds():
    heard = Revocations()
    assert ask(heard, SESSION, NOW) == (False, True)
    assert ask(heard, SESSION, NOW + 4.9, mark=NOW) == (False, False)
    assert ask(heard, SESSION, NOW + 5, mark=NOW) == (True, True)
    assert ask(heard, SESSION, NOW + 500) == (True, False), "what ended stays ended"
    assert ask(heard, replace(SESSION, created=NOW + 1, issued_at=NOW + 1), NOW + 6, mark=NOW) == (False, True), "what began later is another"


@pytest.mark.row("LT-17")
def test_who_was_told_asks_nobody():
    heard = Revocations()
    heard.note(user_index(ISSUER, "ada"), NOW - 61)
    heard.note(user_index(ISSUER, "ada"), NOW - 90)
    assert heard.known(SESSION, NOW) is True
    assert heard.known(replace(SESSION, issued_at=None), NOW) is None, "made a second later"
    assert heard.known(replace(SESSION, subject="bob"), NOW) is None


def test_a_list_that_is_away_decides_nothing():
    heard = Revocations()
    with pytest.raises(Unavailable):
        Shelf(results={StoreMarks: Unavailable("store_unavailable")}).run(heard.ask(SESSION, NOW))
    assert heard.known(SESSION, NOW) is None


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(revocation, "_MAX_REMEMBERED", 3)
    heard = Revocations()
    for number in range(10):
        heard.note(f"u:{number}", NOW)
        ask(heard, replace(SESSION, subject=f"user {number}"), NOW)
        ask(heard, replace(SESSION, subject=f"another {number}"), NOW)
    for number in range(10):
        ask(heard, replace(SESSION, subject=f"a third {number}"), NOW)
        assert len(heard._heard) <= 3
    assert len(heard._ended) <= 3
    assert len(heard._heard) <= 3
    heard.note("u:x", NOW)
    heard.note("u:y", NOW)
    heard.note("u:z", NOW)
    assert heard._ended["u:z"] == NOW, "the newest is always known"


# -- sessions on the server ---------------------------------------------------------------------------------------------------------------


class Kept:
    """A site with sessions on the server, and one session in its store."""

    def __init__(self, session=SESSION):
        self.rp = party(store="memory://")
        self.stored = self.rp.sites.fixed.stored
        driver = Shelf(results={StoreCreate: True})
        (cookie,) = driver.run(self.stored.write(session, request(now=NOW), NOW))
        self.cookie = cookie.partition(";")[0]
        self.name, _, self.id = self.cookie.partition("=")
        (self.create,) = driver.told

    def read(self, cookie=None, record="own", now=NOW):
        found = (self.create.data, 1) if record == "own" else record
        driver = Shelf(results={StoreGet: found})
        return driver.run(self.stored.read(request(cookie=self.cookie if cookie is None else cookie, now=now))), driver.told


@pytest.mark.row("CK-24", "CK-25")
def test_the_store_learns_neither_the_id_nor_the_session():
    kept = Kept()
    assert len(kept.id) == 43
    assert kept.create.key == store_key(kept.id) != kept.id
    assert kept.id.encode() not in kept.create.data
    assert b"ada" not in kept.create.data
    assert kept.create.indexes == indexes_of(SESSION)
    assert kept.create.issued_at == SESSION.issued
    assert Kept().id == kept.id, "the same random bytes"
    read, told = kept.read()
    assert (read.session, read.session.record, told) == (SESSION, (kept.create.key, 1), [StoreGet(kept.create.key)])


@pytest.mark.row("CK-24")
@pytest.mark.parametrize("value", ["", "*", "../../x", "a" * 42, "a" * 44, "a" * 42 + "%", "a" * 1_000_000, "%s" * 20])
def test_an_id_that_cannot_be_one_of_ours_asks_nobody(value):
    kept = Kept()
    read, told = kept.read(cookie=f"{kept.name}={value}")
    assert (read.session, read.reason, told) == (None, "broken", [])


@pytest.mark.row("CK-08", "CK-25")
def test_what_else_is_no_session():
    kept, other = Kept(), Kept(replace(SESSION, subject="mallory"))
    assert [read.reason for read, told in (kept.read(cookie=""), kept.read(cookie=f"{kept.cookie}; {kept.cookie}")) if not told] == [
        "absent",
        "ambiguous",
    ]
    assert kept.read(record=None)[0].reason == "gone"
    assert kept.read(record=(b"\xff{}", 1))[0].reason == "unknown_format"
    assert kept.read(now=NOW + 10_000)[0].reason == "expired"
    moved = other.rp.sites.fixed.stored._sealed("s:" + "0" * 64, SESSION, bytes(12))
    read, _ = kept.read(record=(moved, 1))
    assert (read.session, read.reason) == (None, "unknown_format"), "a value that was moved below another key"


@pytest.mark.row("LT-16")
def test_a_login_whose_logout_came_first_has_no_session_and_leaves_the_old_one():
    kept = Kept()
    driver = Shelf(results={StoreCreate: False})
    with pytest.raises(LoginError, match="signed_out_meanwhile"):
        driver.run(kept.stored.write(SESSION, request(cookie=kept.cookie, now=NOW), NOW))
    assert [type(told) for told in driver.told] == [StoreCreate]


@pytest.mark.row("SF-01")
def test_a_new_session_ends_the_old_one_and_clears_what_is_left_over():
    kept = Kept()
    driver = Shelf(results={StoreCreate: True, StoreGet: (b"there was one", 1), StoreDelete: True})
    cookie = f"{kept.name}={'x' * 43}; {kept.name}={'bad id'}; {kept.name}.1=part; {kept.name}.x=not-ours"
    first, *cleared = driver.run(kept.stored.write(SESSION, request(cookie=cookie, now=NOW), NOW))
    assert [told.key for told in driver.told if isinstance(told, StoreDelete)] == [store_key("x" * 43)]
    assert first.startswith(f"{kept.name}=")
    assert [item.partition("=")[0] for item in cleared] == [f"{kept.name}.1"]
    assert [item.partition("=")[0] for item in driver.run(kept.stored.end(request(cookie=cookie, now=NOW)))] == [kept.name, f"{kept.name}.1"]


@pytest.mark.row("SF-05")
@pytest.mark.parametrize("written", [True, False])
def test_use_is_written_down_unless_somebody_was_faster(written):
    kept = Kept()
    driver = Shelf(results={StoreReplace: written})
    driver.run(kept.stored.touch(SESSION, (kept.create.key, 7), NOW))
    (told,) = driver.told
    assert (told.key, told.version, told.ttl > 0) == (kept.create.key, 7, True)
    assert driver.events == ([] if written else ["session.changed_meanwhile"])


def test_a_refusal_says_which_line_in_the_log_is_its():
    rp, driver = party(store="memory://"), Shelf(body=b"x=1")
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = driver.run(gate(request("/oidc/backchannel-logout", method="POST", headers=form), rp))
    (report,) = [effect for effect in driver.effects if getattr(effect, "event", "") == "logout.backchannel_refused"]
    assert json.loads(answer.body) == {"error": "invalid_request", "error_description": f"logout_token_invalid {report.correlation_id}"}
