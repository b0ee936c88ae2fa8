"""The SQLite store: one file for several processes, and what can be wrong with it."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import sqlite3
import stat
import threading
import warnings
from pathlib import Path

import pytest

from oidc_middleware.errors import Unavailable
from oidc_middleware.stores import Record, open_async, open_sync
from oidc_middleware.stores.sqlite import SqliteStore
from tests.stores.harness import NOW, new


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


@pytest.fixture
def store(opened, path, shell):
    return opened(f"sqlite:///{path}", shell)


def refusal(call):
    with pytest.raises(Unavailable) as caught:
        call()
    assert caught.value.__cause__ is None
    return caught.value.code


@pytest.mark.row("F-ST-05")
def test_sessions_outlive_the_process(opened, path, shell):
    first = opened(f"sqlite:///{path}", shell)
    new(first)
    first.close()
    assert opened(f"sqlite:///{path}", shell).get("k1", NOW) == Record(b"sealed", 1)


def test_only_its_owner_reads_the_file(store, path):
    new(store)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(("sessions.db", "sessions.db-wal", "sessions.db-shm"), 0o600)


@pytest.mark.row("F-PR-06")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_a_connection_of_its_own(opened, path):
    store = opened(f"sqlite:///{path}")
    new(store)
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            done = store.get("k1", NOW) is not None and all(new(store, f"k-{number}-{n}") for n in range(50))
            store.close()
            os._exit(0 if done else 1)
        children.append(child)
    assert all(new(store, f"parent-{n}") for n in range(50))
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) == 201


def _work(url, number, start, won):
    store = open_sync(url)
    start.wait(30)
    for n in range(60):
        if new(store, f"k{n}", b"by %d" % number):
            won.put(n)
        assert store.get(f"k{n}", NOW) is not None
    store.close()


@pytest.mark.slow
def test_processes_that_begin_together_share_a_new_file(path):
    context = multiprocessing.get_context("spawn")
    start, won = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_work, args=(f"sqlite:///{path}", number, start, won)) for number in range(4)]
    for process in processes:
        process.start()
    winners = [won.get(timeout=60) for _ in range(60)]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert sorted(winners) == list(range(60))


def test_threads_that_begin_together_share_a_new_file(opened, tmp_path):
    for turn in range(10):
        store, start = opened(f"sqlite:///{tmp_path}/{turn}.db"), threading.Barrier(6)
        results = []

        def run(number, store=store, start=start, results=results):
            start.wait(20)
            results.append(new(store, f"k{number}"))

        threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert results == [True] * 6


class Writer:
    """Another process that writes and does not finish."""

    def __init__(self, path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.execute("BEGIN IMMEDIATE")

    def finish(self) -> None:
        self.db.execute("ROLLBACK")
        self.db.close()


@pytest.mark.row("F-ST-02")
@pytest.mark.slow
def test_another_process_writes_and_does_not_finish(store, path):
    new(store)
    writer = Writer(path)
    assert store.get("k1", NOW) == Record(b"sealed", 1), "readers do not wait"
    assert refusal(lambda: new(store, "k2")) == "store_unavailable"
    writer.finish()
    assert new(store, "k2")


@pytest.mark.row("F-ST-03")
def test_the_event_loop_goes_on_while_another_process_writes(path):
    async def run():
        store = open_async(f"sqlite:///{path}")
        await store.create("k1", b"sealed", ttl=60, indexes=(), issued_at=NOW, now=NOW)
        writer = Writer(path)
        call = asyncio.create_task(store.replace("k1", b"two", 1, ttl=60, now=NOW))
        ticks = 0
        while ticks < 10:
            await asyncio.sleep(0.01)
            assert not call.done()
            ticks += 1
        writer.finish()
        assert await call
        assert await store.get("k1", NOW) == Record(b"two", 2)
        await store.close()

    asyncio.run(run())


@pytest.mark.row("F-ST-07")
def test_full(opened, path, shell):
    store = opened(f"sqlite:///{path}?max_megabytes=1", shell)
    stored = 0
    with pytest.raises(Unavailable) as caught:
        while stored < 1_000:
            new(store, f"k{stored}", os.urandom(20_000))
            stored += 1
    assert caught.value.code == "store_full"
    assert 20 < stored < 60
    assert store.get("k0", NOW) is not None
    assert store.delete("k0", keep=1, now=NOW), "signing out works"
    assert store.get("k0", NOW) is None
    assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) == stored - 1
    assert new(store, "again", os.urandom(20_000), issued_at=NOW + 1)


@pytest.mark.row("F-ST-12")
@pytest.mark.parametrize("content", [b"no database at all, only text" * 100, b"SQLite format 3\0" + b"\xff" * 4_000], ids=["text", "broken"])
def test_a_file_that_is_no_database(store, path, content):
    path.write_bytes(content)
    assert refusal(lambda: store.get("k1", NOW)) == "store_unavailable"
    assert refusal(store.check) == "store_unavailable"
    assert path.read_bytes() == content


@pytest.mark.row("F-ST-12")
@pytest.mark.parametrize(
    ("statement", "said"), [("CREATE TABLE users (name TEXT)", "another program"), ("PRAGMA user_version = 7", "another version")]
)
def test_the_database_of_somebody_else(opened, path, shell, statement, said):
    if "user_version" in statement:
        first = opened(f"sqlite:///{path}", shell)
        new(first)
        first.close()
    db = sqlite3.connect(path)
    db.execute(statement)
    db.commit()
    before = db.execute("SELECT sql FROM sqlite_master").fetchall()
    store = opened(f"sqlite:///{path}", shell)
    assert refusal(lambda: new(store)) == "store_unavailable"
    (problem,) = store.check()
    assert said in problem
    assert db.execute("SELECT sql FROM sqlite_master").fetchall() == before
    db.close()


@pytest.mark.row("F-ST-12", "CK-25")
@pytest.mark.parametrize("value", ["text", 7, 1.5])
def test_values_of_another_type_are_absent(store, path, value):
    new(store, "k1")
    new(store, "k2")
    db = sqlite3.connect(path)
    db.execute("UPDATE session SET data = ? WHERE key = 'k1'", (value,))
    db.execute("INSERT INTO mark VALUES ('sub-9', 'x', 9e99)")
    db.commit()
    db.close()
    assert store.get("k1", NOW) is None
    assert store.marks(("sub-9",), NOW) is None
    assert store.get("k2", NOW) == Record(b"sealed", 1)


@pytest.mark.row("F-ST-09")
def test_a_place_where_nothing_can_be_written(opened, tmp_path, shell):
    assert refusal(lambda: opened(f"sqlite:///{tmp_path}/none/x.db", shell).get("k1", NOW)) == "store_unavailable"
    assert refusal(opened(f"sqlite:///{tmp_path}", shell).check) == "store_unavailable"


def test_a_file_system_without_shared_memory_is_told(store, path, monkeypatch):
    new(store)
    db = sqlite3.connect(path)
    store.close()
    db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    assert "network drive" in store.check()[0]


def test_expired_rows_are_removed_little_by_little(store, path):
    for number in range(100):
        new(store, f"k{number}", ttl=10)
        store.claim(f"jti-{number}", 10, NOW)
        store.mark(f"sub-{number}", issued_until=NOW - 9, keep=10, now=NOW)
    for number in range(8):
        new(store, f"later-{number}", now=NOW + 20)
    db = sqlite3.connect(path)
    counts = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("session", "member", "mark", "owner")]
    db.close()
    assert counts == [8, 8, 0, 0]


@pytest.mark.row("F-PR-07")
def test_a_thread_that_ends_closes_its_connection(opened, path):
    store = opened(f"sqlite:///{path}")
    new(store)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        thread = threading.Thread(target=store.get, args=("k1", NOW))
        thread.start()
        thread.join()
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors + 2
    assert store.get("k1", NOW) == Record(b"sealed", 1)
    assert "sessions.db" in repr(store)


def test_a_store_that_was_dropped_without_being_closed_closes_its_file(tmp_path):
    """An application's objects refer to each other, so they are found as a cycle, in which the connection may be the first to go."""
    path = tmp_path / "sessions.db"

    def open_files():
        return [name for name in Path("/proc/self/fd").iterdir() if name.exists() and name.resolve() == path]

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(20):
            store = SqliteStore(path)
            store.get("k", NOW)
            store.itself = store
        assert open_files()
        del store
        gc.collect()
    assert open_files() == []
    assert told == []
