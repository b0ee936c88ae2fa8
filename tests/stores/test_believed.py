"""What a worker believes without asking: against a model that knows when everything was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oidc_middleware.stores import believed as module
from oidc_middleware.stores.believed import Believed
from tests.stores.harness import NOW, new

SECONDS = 3


class World:
    """Three keys, each in the index of its parity, written to from here and from elsewhere, and asked for in between."""

    def __init__(self):
        self.believed, self.now = Believed(SECONDS), NOW
        self.versions = [1, 1, 1]
        #: When another process wrote last.
        self.elsewhere = [float("-inf")] * 3
        self.under_way = []

    def ask(self, key, _number):
        self.under_way.append((key, self.believed.begin(), self.versions[key], self.now))

    def answer(self, _key, number):
        if self.under_way:
            key, begun, version, asked = self.under_way.pop(number % len(self.under_way))
            self.believed.keep(begun, f"k{key}", version, expires=asked + 2, indexes=(f"i{key % 2}",), asked=asked)

    def write(self, key, _number):
        self.versions[key] += 1
        self.believed.doubt(f"k{key}")

    def end_index(self, key, _number):
        for member in range(key % 2, 3, 2):
            self.versions[member] += 1
        self.believed.doubt(f"i{key % 2}")

    def write_elsewhere(self, key, _number):
        self.versions[key] += 1
        self.elsewhere[key] = self.now

    def tick(self, _key, number):
        self.now += number

    def look(self, key, _number):
        for version in range(1, self.versions[key]):  # out of date: because of another process, and for so long at most, or not at all
            assert not self.believed.still(f"k{key}", version, self.now) or self.now - self.elsewhere[key] < SECONDS


STEPS = sorted(name for name in vars(World) if not name.startswith("_"))


@pytest.mark.row("CK-06", "LT-17")
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 2), st.integers(0, 2)), max_size=60))
def test_never_after_a_write_from_here_and_never_long_after_one_from_elsewhere(steps):
    world = World()
    for step, key, number in steps:
        getattr(world, step)(key, number)
        world.look(key, number)


@pytest.mark.row("CK-06")
def test_an_answer_that_was_on_its_way_while_the_session_ended():
    believed = Believed(SECONDS)
    begun = believed.begin()
    believed.doubt("i1")
    believed.keep(begun, "k1", 1, expires=NOW + 9, indexes=("i0", "i1"), asked=NOW)
    assert not believed.still("k1", 1, NOW)
    believed.keep(believed.begin(), "k1", 1, expires=NOW + 9, indexes=("i0", "i1"), asked=NOW)
    assert believed.still("k1", 1, NOW)


@pytest.mark.row("CK-07")
def test_it_ends_with_the_seconds_the_record_and_a_clock_that_goes_back():
    believed = Believed(SECONDS)
    believed.keep(believed.begin(), "k1", 1, expires=NOW + 9, indexes=(), asked=NOW)
    believed.keep(believed.begin(), "k2", 1, expires=NOW + 1, indexes=(), asked=NOW)
    assert [believed.still("k1", 1, NOW + second) for second in (-0.1, 0, 2.9, 3)] == [False, True, True, False]
    assert [believed.still("k2", 1, NOW + second) for second in (0.9, 1)] == [True, False]
    assert not believed.still("k1", 2, NOW)
    assert not believed.still("k3", 1, NOW)


@pytest.mark.row("F-PR-11")
def test_it_is_bounded_and_forgets_no_doubt(monkeypatch):
    monkeypatch.setattr(module, "_LIMIT", 10)
    believed = Believed(SECONDS)
    begun = believed.begin()
    believed.doubt("k0")
    for number in range(100):
        believed.doubt(f"other{number}")
        believed.keep(believed.begin(), f"k{number}", 1, expires=NOW + 9, indexes=(), asked=NOW)
        assert len(believed._doubted) <= 10
        assert len(believed._answers) <= 10
    assert believed.still("k99", 1, NOW)
    believed.keep(begun, "k0", 1, expires=NOW + 9, indexes=(), asked=NOW)
    assert not believed.still("k0", 1, NOW), "the answer is older than the write that was forgotten"


@pytest.mark.row("CK-06", "SF-05")
@pytest.mark.parametrize(("kind", "sure"), [("memory", True), ("sqlite", True), ("redis", False), ("redis-local", True)])
def test_every_store_tells_at_once_or_not_at_all(opened, target_of, shell, kind, sure):
    local = "?local_seconds=3" if kind == "redis-local" else ""
    store = opened(target_of(kind.removesuffix("-local")) + local, shell)

    def still(key="k1", version=1, now=NOW):
        return store.still(key, version, now)

    for key in ("k1", "k2", "k3", "k4"):
        new(store, key, indexes=(f"of-{key}",), ttl=2)
        assert store.get(key, NOW)
    assert (still(), still("k2"), still("k3"), still("absent"), still(version=2), still("k4", now=NOW + 2)) == (sure, sure, sure, False, False, False)
    store.replace("k1", b"two", 1, ttl=60, now=NOW)
    assert (still(), still("k2")) == (False, sure)
    assert store.get("k1", NOW).version == 2
    assert still(version=2) is sure
    store.delete("k1", keep=60, now=NOW)
    assert (still(version=2), still("k2")) == (False, sure)
    store.delete_index("of-k2", issued_until=NOW, keep=60, now=NOW)
    assert (still("k2"), still("k3")) == (False, sure)
