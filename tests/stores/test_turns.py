"""SQLite is not asked again while nobody writes: whoever writes says so, in memory that all processes of a machine share."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oidc_middleware.errors import Unavailable
from oidc_middleware.stores import sqlite
from oidc_middleware.stores.sqlite import SqliteStore
from oidc_middleware.stores.turns import Turns
from tests.stores.harness import NOW, new


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


@pytest.fixture
def store(opened, path):
    store = opened(f"sqlite:///{path}")
    new(store)
    return store


@pytest.fixture
def other(opened, path):
    """Another worker: nothing but the files is common to the two."""
    return opened(f"sqlite:///{path}")


def looks(store, monkeypatch):
    """A list that grows with each look into the file."""
    seen, look = [], store._look
    monkeypatch.setattr(store, "_look", lambda key, version, now: (seen.append(key), look(key, version, now))[1])
    return seen


def test_the_file_is_read_once_while_nobody_writes(store, monkeypatch):
    seen = looks(store, monkeypatch)
    assert all(store.still("k1", 1, NOW + each / 200) for each in range(100))
    assert seen == ["k1"]
    assert not store.still("k1", 2, NOW)
    assert not store.still("k2", 1, NOW)
    assert seen == ["k1", "k1", "k2"]


def test_logins_of_others_make_nobody_look_again(store, other, monkeypatch):
    seen = looks(store, monkeypatch)
    assert store.still("k1", 1, NOW)
    for number in range(50):
        assert new(other, f"new-{number}", indexes=(f"sub-{number}",))
    assert other.claim("jti", 60, NOW)
    other.mark("sub-9", issued_until=NOW, keep=60, now=NOW)
    assert store.still("k1", 1, NOW)
    assert seen == ["k1"]


@pytest.mark.row("SF-05", "LT-12")
@pytest.mark.parametrize(
    ("write", "version"),
    [
        (lambda store: store.delete("k1", keep=60, now=NOW), None),
        (lambda store: store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW), None),
        (lambda store: store.replace("k1", b"two", 1, ttl=60, now=NOW), 2),
    ],
    ids=["delete", "delete_index", "replace"],
)
@pytest.mark.parametrize("by", ["itself", "another"])
def test_what_was_written_is_seen_at_once(store, other, write, version, by):
    assert store.still("k1", 1, NOW)
    assert write(store if by == "itself" else other)
    assert not store.still("k1", 1, NOW)
    assert version is None or store.still("k1", version, NOW)
    assert (store.get("k1", NOW) is None) is (version is None)


@pytest.mark.row("F-PR-06", "LT-12")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_what_another_process_wrote_is_seen_at_once(store, path):
    new(store, "k2", indexes=("sub-2",))
    assert store.still("k1", 1, NOW)
    assert store.still("k2", 1, NOW)
    script = "import sys; from oidc_middleware.stores import open_sync; open_sync(sys.argv[1]).delete('k1', keep=60, now=float(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", script, f"sqlite:///{path}", repr(NOW)], check=True, timeout=60)
    assert not store.still("k1", 1, NOW)
    assert store.still("k2", 1, NOW)
    child = os.fork()
    if child == 0:
        os._exit(0 if store.still("k2", 1, NOW) and store.delete("k2", keep=60, now=NOW) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not store.still("k2", 1, NOW)


def test_time_ends_it_all_the_same(store, monkeypatch):
    """Whoever writes and says nothing, an older version of us or an operator by hand, is believed no longer than a second."""
    seen = looks(store, monkeypatch)
    assert store.still("k1", 1, NOW)
    store._opened().connection.execute("UPDATE session SET data = NULL, version = 0")
    assert store.still("k1", 1, NOW + 0.99)
    assert not store.still("k1", 1, NOW + sqlite.SEEN_SECONDS)
    assert len(seen) == 2


@pytest.mark.row("F-PR-10")
def test_a_session_that_ends_within_the_second_ends_then_and_a_clock_that_was_set_back_asks_again(store, monkeypatch):
    assert new(store, "short", ttl=0.5)
    assert store.still("short", 1, NOW)
    assert store.still("short", 1, NOW + 0.49)
    assert not store.still("short", 1, NOW + 0.5)
    assert store.still("k1", 1, NOW)
    seen = looks(store, monkeypatch)
    assert store.still("k1", 1, NOW - 1)
    assert seen == ["k1"]


@pytest.mark.row("SF-05")
def test_who_looks_while_a_write_is_under_way_believes_nothing_of_it(store, other):
    seen = []

    def work(db, writes):
        writes(["k1"])
        db.execute("UPDATE session SET data = NULL, version = 0 WHERE key = 'k1'")
        seen.append(store.still("k1", 1, NOW))

    other._change(work)
    assert seen == [True], "not committed yet"
    assert not store.still("k1", 1, NOW)


@pytest.mark.row("SF-05")
def test_what_was_written_while_one_looked_is_not_missed(store, other):
    mine = store._opened()
    look = mine.look

    def slow(*question):
        class Rows:
            def fetchall(self):
                rows = look(*question).fetchall()
                assert other.delete("k1", keep=60, now=NOW)
                return rows

        return Rows()

    mine.look = slow
    assert store.still("k1", 1, NOW), "it was so when it was asked"
    mine.look = look
    assert not store.still("k1", 1, NOW)


@pytest.mark.row("F-PR-01", "F-PR-09")
def test_a_writer_that_was_killed_midway_leaves_nobody_believing(store, other, path, monkeypatch):
    """Before its commit or after it: nobody can tell, so everybody looks, until somebody else has written to those sessions."""
    assert store.still("k1", 1, NOW)
    turns = Turns(path.with_name("sessions.db-turns"))
    turns.begin(["k1"])
    seen = looks(store, monkeypatch)
    assert [store.still("k1", 1, NOW) for _ in range(3)] == [True] * 3
    assert seen == ["k1"] * 3
    assert other.replace("k1", b"two", 1, ttl=600, now=NOW)
    assert [store.still("k1", 2, NOW) for _ in range(3)] == [True] * 3
    assert seen == ["k1"] * 4


@pytest.mark.row("F-ST-07")
def test_a_write_that_fails_leaves_nobody_believing(store, other, monkeypatch):
    assert store.still("k1", 1, NOW)
    monkeypatch.setattr(other, "_translated", lambda error: Unavailable("store_full", str(error)))
    with pytest.raises(Unavailable):
        other.replace("k1", object(), 1, ttl=600, now=NOW)  # no type of SQLite's: the transaction is rolled back
    seen = looks(store, monkeypatch)
    assert store.still("k1", 1, NOW)
    assert store.still("k1", 1, NOW)
    assert seen == ["k1", "k1"]


def test_writers_that_overtake_each_other_leave_nobody_believing(path):
    turns = Turns(path)
    place = turns.place("k1")
    assert turns.settled(place) == 0
    first = turns.begin(["k1", "k1"])
    assert first == {place: 2}
    second = turns.begin(["k1"])
    turns.done(second)
    assert turns.settled(place) == 3
    turns.done(first)
    assert turns.settled(place) is None
    third = turns.begin(["k1"])
    assert turns.settled(place) is None
    turns.done(third)
    assert Turns(path).settled(place) == 4, "whoever comes later sees the same numbers"


def test_the_numbers_go_round(path):
    turns = Turns(path)
    place = turns.place("k1")
    turns.numbers[place] = turns.numbers[place + 1] = 2**64 - 1
    turns.done(turns.begin(["k1"]))
    assert turns.settled(place) == 0


@pytest.mark.row("F-PR-11")
def test_what_was_seen_has_a_bound(store, monkeypatch):
    monkeypatch.setattr(sqlite, "_MOST_SEEN", 3)
    for number in range(10):
        new(store, f"s{number}")
        assert store.still(f"s{number}", 1, NOW)
        assert len(store._seen) <= 3


@pytest.mark.row("F-PR-20", "F-ST-09")
def test_where_the_numbers_cannot_be_kept_nothing_is_written_that_others_would_not_notice(store, path):
    path.with_name("sessions.db-turns").mkdir()
    assert not store.still("k1", 1, NOW)
    with pytest.raises(Unavailable) as caught:
        store.delete("k1", keep=60, now=NOW)
    assert caught.value.code == "store_unavailable"
    assert store.get("k1", NOW), "nothing happened"
    with pytest.raises(Unavailable) as caught:
        store.check()
    assert "sessions.db-turns" in caught.value.detail, "an operator learns which file it is"
    path.with_name("sessions.db-turns").rmdir()
    assert store.check() == []
    assert store.still("k1", 1, NOW)
    assert store.delete("k1", keep=60, now=NOW)


def test_the_numbers_are_for_the_owner_alone_and_take_two_pages(store, path):
    assert store.still("k1", 1, NOW)
    found = path.with_name("sessions.db-turns").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_size) == (0o600, 8_192)


keys = st.sampled_from(["a", "b", "c"])
steps = st.one_of(
    st.tuples(st.just("create"), keys),
    st.tuples(st.just("replace"), keys),
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("delete_index"), keys),
    st.tuples(st.just("reopen"), keys),
)


def _do(step, key, store, now):
    if step == "create":
        new(store, key, indexes=(f"of-{key}", "all"), issued_at=now, now=now)
    elif step == "replace":
        known = store.get(key, now)
        store.replace(key, b"again", known.version if known else 1, ttl=600, now=now)
    elif step == "delete":
        store.delete(key, keep=0.1, now=now)
    elif step == "delete_index":
        store.delete_index(f"of-{key}" if key != "c" else "all", issued_until=now, keep=0.1, now=now)
    else:
        store.close()


@pytest.mark.row("SF-05", "F-ST-13")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), steps, st.sampled_from([0.0, 0.2, 2.0])), max_size=25))
def test_whatever_two_workers_write_both_say_what_the_file_says(tmp_path_factory, story):
    path = tmp_path_factory.mktemp("turns") / "s.db"
    workers, now = (SqliteStore(path), SqliteStore(path)), NOW
    for worker, (step, key), later in story:
        _do(step, key, workers[worker], now)
        for store in workers:
            for each in ("a", "b", "c"):
                known = store.get(each, now)
                for version in range(5):
                    assert store.still(each, version, now) == (known is not None and known.version == version)
        now += later
    for store in workers:
        store.close()
