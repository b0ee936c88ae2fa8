"""The memory store: bounded, quick to clean up, one process's own."""

from __future__ import annotations

import gc
import os
import time
import tracemalloc
from collections import OrderedDict

import pytest

from oidc_middleware.errors import Unavailable
from oidc_middleware.stores import Record, memory
from tests.stores.harness import NOW, new


@pytest.mark.row("F-ST-14")
def test_the_longest_idle_makes_room_and_is_counted(opened):
    store = opened("memory://?max_sessions=3")
    for key in ("k1", "k2", "k3"):
        new(store, key)
    store.get("k1", NOW)
    new(store, "k4")
    assert [key for key in ("k1", "k2", "k3", "k4") if store.get(key, NOW)] == ["k1", "k3", "k4"]
    assert store.evicted == 1
    assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) == 3
    assert store.evicted == 1


@pytest.mark.row("F-ST-14")
def test_a_session_that_is_written_again_needs_no_room(opened):
    store = opened("memory://?max_sessions=2")
    new(store, "k1")
    new(store, "k2")
    assert store.replace("k1", b"two", 1, ttl=60, now=NOW)
    assert store.get("k2", NOW)
    assert store.evicted == 0


def test_what_may_not_be_forgotten_is_refused_when_there_is_too_much(opened):
    store = opened("memory://?max_sessions=2")
    for number in range(4):
        assert store.claim(f"jti-{number}", 60, NOW)
        store.mark(f"sub-{number}", issued_until=NOW, keep=60, now=NOW)
    for call in (
        lambda: store.claim("jti-9", 60, NOW),
        lambda: store.acquire("lease", "one", 60, NOW),
        lambda: store.mark("sub-9", issued_until=NOW, keep=60, now=NOW),
    ):
        with pytest.raises(Unavailable) as caught:
            call()
        assert caught.value.code == "store_full"
    store.mark("sub-0", issued_until=NOW + 1, keep=60, now=NOW)
    assert store.marks(("sub-0",), NOW) == NOW + 1
    assert not store.claim("jti-0", 60, NOW)
    assert store.claim("jti-9", 60, NOW + 200), "the old ones expired"


def test_nothing_is_left_of_sessions_that_are_gone(opened):
    store = opened("memory://?max_sessions=30")
    for number in range(60):
        new(store, f"k{number}", ttl=10 + number % 3, indexes=(f"sid-{number}", "sub-1"))
    store.delete("k59", keep=1, now=NOW)
    store.delete_index("sid-58", issued_until=NOW, keep=1, now=NOW)
    for number in range(20):
        new(store, f"later-{number}", indexes=("sub-2",), now=NOW + 200)
    assert list(store._members.values()) == [{f"later-{number}" for number in range(20)}]
    assert len(store._sessions) == 20


def test_indexes_that_share_a_number_are_not_each_other(opened, monkeypatch):
    """In the table of members a number stands for an index, and numbers meet."""
    monkeypatch.setattr(memory, "_short", lambda _index: 7)
    store = opened("memory://")
    for number in range(4):
        new(store, f"k{number}", indexes=(f"sid-{number}", f"sub-{number % 2}"))
    assert store.delete_index("sid-0", issued_until=NOW, keep=60, now=NOW) == 1
    assert store.delete_index("sub-9", issued_until=NOW, keep=60, now=NOW) == 0
    assert [key for key in ("k0", "k1", "k2", "k3") if store.get(key, NOW)] == ["k1", "k2", "k3"]
    assert [store.holds(index, NOW) for index in ("sid-0", "sub-0", "sid-1", "sub-9")] == [False, True, True, False]
    assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) == 2
    assert [key for key in ("k0", "k1", "k2", "k3") if store.get(key, NOW)] == ["k2"]
    assert store.delete("k2", keep=60, now=NOW)
    assert not store._members


def test_tombstones_are_bounded(opened):
    store = opened("memory://?max_sessions=2")
    for number in range(10):
        store.delete(f"k{number}", keep=60, now=NOW)
    assert not new(store, "k9")
    assert new(store, "k0"), "forgotten"


@pytest.mark.row("F-ST-15")
def test_each_store_has_a_name_of_its_own(opened, shell):
    names = {opened("memory://", shell).instance for _ in range(3)}
    assert len(names) == 3
    assert all(name.isalnum() for name in names)


@pytest.mark.row("F-ST-15", "F-PR-06")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_starts_empty_under_another_name(opened):
    store = opened("memory://")
    new(store)
    name = store.instance
    child = os.fork()
    if child == 0:
        os._exit(0 if store.get("k1", NOW) is None and new(store) and store.instance != name else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (store.get("k1", NOW), store.instance) == (Record(b"sealed", 1), name)


def _longest(calls):
    """The third longest of many calls, in seconds of this thread's own: the machine is shared."""
    lengths = []
    for call in calls:
        began = time.thread_time()
        call()
        lengths.append(time.thread_time() - began)
    return sorted(lengths)[-3]


@pytest.mark.row("F-PR-13", "F-ST-14")
@pytest.mark.slow
def test_a_hundred_thousand_sessions(opened):
    store = opened("memory://")
    gc.disable()
    try:
        tracemalloc.start()
        for number in range(5_000):
            new(store, f"{number:064}", b"%0500d" % number, indexes=(f"{number:064}-sid", f"{number % 900:064}-sub"))
        assert tracemalloc.get_traced_memory()[0] / 5_000 < 500 + 2_000
        tracemalloc.stop()
        few = _longest(lambda n=n: store.get(f"{n % 5_000:064}", NOW) for n in range(20_000))
        pause = _longest(lambda n=n: new(store, f"k{n}", b"x", ttl=600, indexes=(f"i{n}",)) for n in range(95_000))
        assert store.evicted == 0
        many = _longest(lambda n=n: store.get(f"k{n}", NOW) for n in range(20_000))
        assert many < max(4 * few, 0.001)
        # All of them expire at once; others come.
        later = NOW + 700
        pause = max(pause, _longest(lambda n=n: new(store, f"later{n}", indexes=(), now=later) for n in range(20_000)))
        assert pause < 0.010
        assert repr(store) == "<MemoryStore of 20000 sessions>"
    finally:
        gc.enable()


@pytest.mark.row("F-PR-14")
def test_many_logouts_of_one_account(opened):
    store = opened("memory://")
    for number in range(10_000):
        new(store, f"k{number}")
    assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) == 10_000
    began = time.perf_counter()
    for _ in range(1_000):
        store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW)
    assert (time.perf_counter() - began) / 1_000 < 0.005


def test_a_session_that_another_thread_ends_while_one_looks_is_over():
    """The look takes no lock: between its two steps, whatever others do is done."""
    store = memory.MemoryStore()
    assert new(store)
    assert store.still("k1", 1, NOW)

    class Meanwhile(OrderedDict):
        def get(self, key, default=None):
            found = super().get(key, default)
            self.pop(key, None)
            return found

    store._sessions.entries = Meanwhile(store._sessions.entries)
    assert not store.still("k1", 1, NOW)
