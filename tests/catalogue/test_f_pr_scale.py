"""Many sessions, many logouts (catalogue F-PR-13, F-PR-14). Nothing is timed: what is counted are steps, and what each of them touches.

``make bench-scale`` (``SCALE=1``) runs the same with the numbers of the catalogue; here there are fewer.
"""

import gc
import os
import sys

import pytest
import redis

from oidc_middleware.stores import open_sync
from oidc_middleware.stores.base import BATCH
from oidc_middleware.stores.memory import MemoryStore, _short
from oidc_middleware.stores.shelf import Shelf
from oidc_middleware.stores.sqlite import SqliteStore
from oidc_middleware.stores.sqlite_schema import MEMBERS, SWEEP
from oidc_middleware.testing import REMOVE
from tests.conformance.backchannel import assert_done, lives, send_logout, signs_in
from tests.stores.harness import NOW, new

LONG = os.environ.get("SCALE", "") not in ("", "0")
#: Few and many sessions, and logouts.
FEW, MANY = (1_000, 100_000) if LONG else (100, 3_000)
LOGOUTS = 10_000 if LONG else 1_200
#: What runs over all that there is, instead of asking for what is meant.
SCANS = {"scan", "sscan", "hscan", "zscan", "keys", "sort", "smembers", "hgetall", "randomkey"}
#: An entry thrown out, or looked at, by one call at most.
SWEPT = 16


def lines_of(call):
    """How many lines of Python *call* runs: what it costs, on any machine, whatever else that does."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += event == "line"
        return trace

    before, collects = sys.gettrace(), gc.isenabled()
    gc.disable()  # it may run finalizers, which have lines as well
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
        if collects:
            gc.enable()
    return count


def filled(store, number, *, ttl=600.0, start=0, now=NOW):
    for each in range(start, start + number):
        assert new(store, f"k{each}", b"sealed", ttl=ttl, indexes=(f"sid-{each}", f"sub-{each}"), now=now)
    return store


# -- memory -------------------------------------------------------------------------------------------------------------------------------


CALLS = {
    "get": lambda store, key: store.get(key, NOW),
    "still": lambda store, key: store.still(key, 1, NOW),
    "replace": lambda store, key: store.replace(key, b"two", 1, ttl=600, now=NOW),
    "delete": lambda store, key: store.delete(key, keep=60, now=NOW),
    "delete_index": lambda store, key: store.delete_index(f"sid-{key[1:]}", issued_until=NOW, keep=60, now=NOW),
    "holds": lambda store, key: store.holds(f"sid-{key[1:]}", NOW) or store.holds("sid-none", NOW),
    "create": lambda store, key: new(store, f"new-{key}", now=NOW),
}


@pytest.mark.row("F-PR-13")
def test_f_pr_13_memory_takes_as_many_steps_with_many_sessions_as_with_few():
    few, many = filled(MemoryStore(), FEW), filled(MemoryStore(), MANY)
    for number, (name, call) in enumerate(CALLS.items()):
        steps = [lines_of(lambda store=store: call(store, f"k{number}")) for store in (few, many)]  # noqa: B023  # called at once
        assert steps[0] == steps[1] > 0, name


@pytest.mark.row("F-PR-13")
def test_f_pr_13_memory_never_stops_to_clean_up():
    """All sessions expire at once; each call throws out a few, and in the end nothing is left of any."""
    store, dropped = MemoryStore(), []
    shelf = store._sessions
    filled(store, MANY)
    told = shelf._dropped
    shelf._dropped = lambda key, *rest: (dropped.append(key), told(key, *rest))
    later = NOW + 700
    calls = 0
    while dropped == [] or len(store._sessions) > calls:
        before = len(dropped)
        assert new(store, f"later-{calls}", now=later, indexes=(f"later-{calls}",))
        calls += 1
        assert len(dropped) - before <= SWEPT
        assert calls <= MANY, "nobody cleans up"
    assert len(dropped) == MANY
    assert calls <= MANY // SWEPT + 60, "and it is done by as few calls as that takes"
    assert set(store._members) == {_short(f"later-{each}") for each in range(calls)}
    assert not [key for key in store._sessions._entries if key.startswith("k")]


@pytest.mark.row("F-PR-13")
def test_f_pr_13_a_shelf_cleans_up_a_few_at_a_time_wherever_they_expire():
    shelf = Shelf(10 * MANY)
    for each in range(MANY):
        shelf.put(f"k{each}", (NOW + each % 977, each), NOW)
    steps = [lines_of(lambda: shelf.sweep(NOW + 2_000)) for _ in range(MANY // SWEPT)]
    assert max(steps) <= 20 * SWEPT
    left = len(shelf)
    assert left <= SWEPT * 20, left


@pytest.mark.row("F-PR-14")
def test_f_pr_14_memory_ends_one_account_in_batches_and_lets_others_in_between(monkeypatch):
    store = MemoryStore()
    for each in range(LOGOUTS):
        assert new(store, f"k{each}", indexes=(f"sid-{each}", "sub-1"))
    lock, held = store._lock, []

    class Counted:
        def __enter__(self):
            lock.acquire()
            self.before = len(store._sessions)

        def __exit__(self, *error):
            held.append(self.before - len(store._sessions))
            lock.release()

    store._lock = Counted()
    assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) == LOGOUTS
    assert (sum(held), max(held)) == (LOGOUTS, BATCH), "whoever waits for the lock waits for one batch"
    again = [lines_of(lambda: store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW)) for _ in range(3)]
    assert max(again) < 100, "the other logouts of that account find nothing"


# -- SQLite -------------------------------------------------------------------------------------------------------------------------------


def connection(store):
    store.get("k0", NOW)
    return store._mine.open.connection


def virtual_steps(store, call):
    """How many instructions of SQLite's machine *call* takes, in tens."""
    count = 0

    def tick():
        nonlocal count
        count += 1
        return 0

    db = connection(store)
    db.set_progress_handler(tick, 10)
    try:
        call()
    finally:
        db.set_progress_handler(None, 10)
    return count


@pytest.mark.row("F-PR-13")
def test_f_pr_13_sqlite_takes_as_many_steps_with_many_sessions_as_with_few(tmp_path):
    stores = [filled(SqliteStore(tmp_path / f"{number}.db"), number) for number in (FEW, MANY)]
    for number, (name, call) in enumerate(CALLS.items()):
        few, many = (virtual_steps(store, lambda store=store: call(store, f"k{number}")) for store in stores)  # noqa: B023  # called at once
        assert many <= few + 10, name
    for store in stores:
        store.close()


@pytest.mark.row("F-PR-13")
@pytest.mark.parametrize("statement", SWEEP)
def test_f_pr_13_sqlite_looks_for_what_expired_in_an_index(tmp_path, statement):
    store = SqliteStore(tmp_path / "s.db")
    plan = [row[3] for row in connection(store).execute(f"EXPLAIN QUERY PLAN {statement}", (NOW,))]
    store.close()
    assert any("_expires (expires<?)" in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN")], plan


@pytest.mark.row("F-PR-13")
def test_f_pr_13_sqlite_never_stops_to_clean_up(tmp_path):
    store = filled(SqliteStore(tmp_path / "s.db"), MANY)
    db, later, calls = connection(store), NOW + 700, 0
    left = [MANY]
    while left[-1]:
        assert new(store, f"later-{calls}", now=later, indexes=(f"later-{calls}",))
        calls += 1
        left.append(db.execute("SELECT count(*) FROM session WHERE expires <= ?", (later,)).fetchone()[0])
        assert 0 < left[-2] - left[-1] <= SWEPT
    assert calls == -(-MANY // SWEPT)
    (members,) = db.execute("SELECT count(*) FROM member").fetchone()
    store.close()
    assert members == calls


@pytest.mark.row("F-PR-14")
def test_f_pr_14_sqlite_ends_one_account_in_batches_and_lets_others_write_in_between(tmp_path):
    store = SqliteStore(tmp_path / "s.db")
    for each in range(LOGOUTS):
        assert new(store, f"k{each}", indexes=(f"sid-{each}", "sub-1"))
    statements, ended = [], []
    connection(store).set_trace_callback(lambda text: statements.append(text.split()[0]))
    ended.append(store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW))
    transactions = statements.count("BEGIN")
    assert (ended, transactions) == ([LOGOUTS], 1 + -(-LOGOUTS // BATCH) + 1)
    connection(store).set_trace_callback(None)
    assert virtual_steps(store, lambda: ended.append(store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW))) < 50
    assert ended[1:] == [0]
    plan = [row[3] for row in connection(store).execute(f"EXPLAIN QUERY PLAN {MEMBERS}", ("sub-1", NOW, NOW, BATCH))]
    store.close()
    assert not [step for step in plan if step.startswith("SCAN")], plan


# -- Redis --------------------------------------------------------------------------------------------------------------------------------


class Watch:
    """What a Redis executed."""

    def __init__(self, url):
        self.client = redis.Redis.from_url(url)

    def calls(self, call):
        """``(result, {command: how often})`` of *call*, what scripts run included."""
        self.client.config_resetstat()
        result = call()
        stats = self.client.info("commandstats")
        return result, {name.removeprefix("cmdstat_"): stats[name]["calls"] for name in stats if "config" not in name and "info" not in name}


@pytest.fixture
def watch(redis_url):
    watch = Watch(redis_url)
    watch.client.flushall()
    yield watch
    watch.client.flushall()
    watch.client.close()


@pytest.mark.row("F-PR-13", "DS-09")
def test_f_pr_13_redis_is_asked_as_much_with_many_sessions_as_with_few(watch, redis_url):
    asked = []
    for number in (FEW, MANY):
        watch.client.flushall()
        store = filled(open_sync(redis_url), number)
        asked.append({name: watch.calls(lambda: call(store, f"k{FEW // 2}"))[1] for name, call in CALLS.items()})  # noqa: B023  # called at once
        store.close()
    assert asked[0] == asked[1]
    assert asked[0]["get"] == {"get": 1}
    assert not {command for calls in asked for counts in calls.values() for command in counts} & SCANS


@pytest.mark.row("F-PR-13")
def test_f_pr_13_redis_forgets_by_itself_and_keeps_sessions_in_its_compact_form(stage, watch, redis_url):
    stage.kept = {"store": redis_url}
    stage.restart()
    browser = signs_in(stage, "ada", "s-1")
    names = [name.decode() for name in watch.client.keys("oidc:*")]
    indexes = [name for name in names if name.startswith("oidc:i:")]
    assert len(indexes) == 3
    assert {watch.client.object("encoding", name) for name in indexes} <= {b"listpack", b"ziplist"}, "ten times the size otherwise"
    assert all(watch.client.pttl(name) > 0 for name in names)
    data = len(watch.client.get(next(name for name in names if name.startswith("oidc:s:"))))
    assert sum(watch.client.memory_usage(name) for name in names if "oidc:c:" not in name) < 1.3 * data + 1_200
    assert lives(browser)


@pytest.mark.row("F-PR-14", "DS-09")
def test_f_pr_14_redis_ends_distinct_sessions_with_a_few_commands_each(watch, redis_url):
    store = filled(open_sync(redis_url), LOGOUTS)
    steps, sent = [], store._send
    store._send = lambda commands: (steps.append(len(commands)), sent(commands))[1]

    def end():
        return [store.delete_index(f"sid-{each}", issued_until=NOW, keep=60, now=NOW) for each in range(LOGOUTS)]

    ended, executed = watch.calls(end)
    store.close()
    assert ended == [1] * LOGOUTS
    assert (len(steps), sum(steps)) == (5 * LOGOUTS, 5 * LOGOUTS), "mark, look, bury, forget, look again"
    assert max(executed.values()) <= 2 * LOGOUTS
    assert not set(executed) & SCANS


@pytest.mark.row("F-PR-14", "DS-09")
def test_f_pr_14_redis_ends_one_account_in_batches(watch, redis_url):
    """No command, and no pipeline, is longer than a batch; the logouts after the first find nothing."""
    store = open_sync(redis_url)
    for each in range(LOGOUTS):
        assert new(store, f"k{each}", indexes=(f"sid-{each}", "sub-1"))
    assert new(store, "stranger", indexes=("sub-2",))
    steps, sent = [], store._send
    store._send = lambda commands: (steps.append((len(commands), max(map(len, commands)))), sent(commands))[1]
    ended, executed = watch.calls(lambda: store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW))
    assert ended == LOGOUTS
    batches = -(-LOGOUTS // BATCH)
    assert len(steps) == 2 + 3 * batches
    assert (max(length for length, _ in steps), max(width for _, width in steps)) == (BATCH, BATCH + 2)
    assert not set(executed) & SCANS
    steps.clear()
    rest, executed = watch.calls(lambda: [store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) for _ in range(LOGOUTS - 1)])
    assert (rest, len(steps)) == ([0] * (LOGOUTS - 1), 2 * (LOGOUTS - 1))
    assert store.get("stranger", NOW)
    store.close()


@pytest.mark.row("F-PR-14", "LT-12")
@pytest.mark.parametrize("place", ["memory", "sqlite", "redis"])
def test_f_pr_14_whole_logouts_end_what_they_name_and_nothing_else(stage, place, tmp_path, request):
    """Logout tokens through the endpoint: distinct ones, and many for one account. Each is exactly 200."""
    number = 200 if LONG else 6
    urls = {"memory": lambda: "memory://", "sqlite": lambda: f"sqlite:///{tmp_path}/s.db"}
    inner = urls.get(place, lambda: f"{request.getfixturevalue('redis_url')}?prefix=whole-{stage.shell}:")()
    stage.kept = {"store": inner}
    stage.restart()
    distinct = [signs_in(stage, f"user-{each}", f"sid-{each}") for each in range(number)]
    shared = [signs_in(stage, "everybody", f"shared-{each}") for each in range(number)]
    stranger = signs_in(stage, "eve", "s-eve")
    stage.clock.advance(1)
    for each in range(number):
        assert_done(send_logout(stage, stage.provider.logout_token(sub=f"user-{each}", sid=f"sid-{each}")))
    assert [lives(browser) for browser in distinct] == [False] * number
    assert [lives(browser) for browser in (*shared, stranger)] == [True] * (number + 1)
    for _ in range(number):
        assert_done(send_logout(stage, stage.provider.logout_token(sub="everybody", sid=REMOVE)))
    assert [lives(browser) for browser in (*shared, stranger)] == [False] * number + [True]
