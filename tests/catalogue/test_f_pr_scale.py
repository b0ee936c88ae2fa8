"""Many sessions, many logouts (catalogue F-PR-13, F-PR-14). Nothing is timed: what is counted are steps, and what each of them touches."""

import gc
import sys

import pytest

from oidc_middleware.stores.base import BATCH
from oidc_middleware.stores.memory import MemoryStore, _short
from oidc_middleware.stores.shelf import Shelf
from oidc_middleware.stores.sqlite import SqliteStore
from oidc_middleware.stores.sqlite_schema import MEMBERS, SWEEP
from tests.catalogue.many import CALLS, FEW, LOGOUTS, MANY, filled
from tests.stores.harness import NOW, new

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


# -- memory -------------------------------------------------------------------------------------------------------------------------------


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
    assert not [key for key in store._sessions.entries if key.startswith("k")]


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
