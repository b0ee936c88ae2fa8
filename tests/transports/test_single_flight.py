"""Callers with the same key share one run, its result or its error; a cancelled leader is replaced; nothing is remembered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import anyio
import pytest

from oidc_middleware.errors import Unavailable
from oidc_middleware.transports import single_flight
from oidc_middleware.transports.once import UsedKeys
from oidc_middleware.transports.single_flight import AsyncSingleFlight, SyncSingleFlight


@pytest.mark.row("JW-08", "F-PR-19")
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("backend", ["asyncio"])
def test_a_thousand_coroutines_one_run(backend, fails):
    flight = AsyncSingleFlight()
    runs, results = [], []

    async def scenario():
        release = anyio.Event()

        async def work():
            runs.append("run")
            await release.wait()
            if fails:
                raise Unavailable("provider_timeout")
            return "metadata"

        async def caller():
            try:
                results.append(await flight.run("discovery", work))
            except Unavailable as error:
                results.append(error.code)

        async with anyio.create_task_group() as group:
            for _ in range(1000):
                group.start_soon(caller)
            await anyio.wait_all_tasks_blocked()
            release.set()
        assert results == ["provider_timeout" if fails else "metadata"] * 1000
        await caller()  # afterwards the work is done anew: neither results nor errors are kept

    anyio.run(scenario, backend=backend)
    assert runs == ["run", "run"]
    assert flight._runs == {}


def test_different_keys_do_not_wait_for_each_other():
    flight = AsyncSingleFlight()

    async def scenario():
        stuck = anyio.Event()

        async def other():
            return "keys"

        async with anyio.create_task_group() as group:
            group.start_soon(flight.run, "discovery", stuck.wait)
            await anyio.wait_all_tasks_blocked()
            assert await flight.run("jwks", other) == "keys"
            stuck.set()

    anyio.run(scenario)


@pytest.mark.row("JW-08", "F-PR-08")
def test_a_cancelled_leader_is_replaced_by_a_waiter():
    flight = AsyncSingleFlight()
    runs, results = [], []

    async def scenario():
        release = anyio.Event()

        async def work():
            runs.append("run")
            await release.wait()
            return "metadata"

        async def caller(scope):
            with scope:
                results.append(await flight.run("discovery", work))

        scopes = [anyio.CancelScope() for _ in range(5)]
        async with anyio.create_task_group() as group:
            for scope in scopes:
                group.start_soon(caller, scope)
                await anyio.wait_all_tasks_blocked()
            scopes[0].cancel()  # the leader
            scopes[3].cancel()  # and one that waits
            await anyio.wait_all_tasks_blocked()
            assert runs == ["run", "run"]
            release.set()
        assert results == ["metadata"] * 3

    anyio.run(scenario)
    assert runs == ["run", "run"]
    assert flight._runs == {}


@pytest.mark.row("JW-09", "F-PR-07")
def test_each_event_loop_does_its_own_work():
    flight = AsyncSingleFlight()
    inside = threading.Barrier(3, timeout=10)
    results = []

    async def work():
        inside.wait()  # passes only when all three loops are at it at the same time
        return "metadata"

    threads = [threading.Thread(target=lambda: results.append(anyio.run(flight.run, "discovery", work))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == ["metadata"] * 3


class Crowd:
    """Threads that all call at once, and a way to see that all but one wait."""

    def __init__(self, size: int, call: Callable[[], object]) -> None:
        self.results: list[object] = []
        self._call = call
        self.threads = [threading.Thread(target=self._run) for _ in range(size)]
        for thread in self.threads:
            thread.start()

    def _run(self) -> None:
        try:
            self.results.append(self._call())
        except BaseException as error:
            self.results.append(error)

    def join(self) -> None:
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()


@pytest.mark.row("JW-08", "F-PR-07")
@pytest.mark.parametrize("fails", [False, True])
def test_fifty_threads_one_run(fails):
    flight = SyncSingleFlight()
    entered, release = threading.Event(), threading.Event()
    waiting = threading.Semaphore(0)
    runs = []

    def work():
        runs.append("run")
        entered.set()
        release.wait(10)
        if fails:
            raise Unavailable("provider_timeout")
        return "metadata"

    def call():
        waiting.release()
        return flight.run("discovery", work)

    crowd = Crowd(50, call)
    assert entered.wait(10)
    for _ in range(50):
        assert waiting.acquire(timeout=10)
    release.set()
    crowd.join()
    # A thread may have been stopped between the semaphore and the call, and then have done the work again: what matters is that results are shared.
    assert len(runs) < 50
    assert {getattr(result, "code", result) for result in crowd.results} == {"provider_timeout" if fails else "metadata"}
    assert flight._runs == {}


@pytest.mark.row("F-OP-05", "DS-06")
def test_only_so_many_threads_wait_for_what_hangs(monkeypatch):
    """The others are free again for whoever is signed in; who waits, and who comes while nothing hangs yet, gets the result."""
    monkeypatch.setattr(single_flight, "STILL_SECONDS", 0.2)
    flight = SyncSingleFlight()
    entered, release = threading.Event(), threading.Event()

    def work():
        entered.set()
        release.wait(20)
        return "metadata"

    leader = Crowd(1, lambda: flight.run("metadata", work, threads=3))
    assert entered.wait(10)
    crowd = Crowd(10, lambda: flight.run("metadata", work, threads=3))
    deadline = time.monotonic() + 20
    while len(crowd.results) < 7:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert {(result.code, result.sent) for result in crowd.results} == {("provider_busy", False)}
    with pytest.raises(Unavailable) as refused:  # at once, now
        flight.run("metadata", work, threads=3)
    assert refused.value.code == "provider_busy"
    assert not leader.results
    release.set()
    crowd.join()
    leader.join()
    assert leader.results + crowd.results[7:] == ["metadata"] * 4
    assert flight._runs == {}
    assert flight.run("metadata", work, threads=3) == "metadata", "nobody is turned away once it is over"


@pytest.mark.row("F-PR-08")
def test_a_leading_thread_that_is_ended_is_replaced():
    flight = SyncSingleFlight()
    entered, release = threading.Event(), threading.Event()
    runs = []

    def work():
        runs.append("run")
        if len(runs) == 1:
            entered.set()
            release.wait(10)
            raise SystemExit
        return "metadata"

    leader = Crowd(1, lambda: flight.run("discovery", work))
    assert entered.wait(10)
    waiter = Crowd(1, lambda: flight.run("discovery", work))
    release.set()
    leader.join()
    waiter.join()
    assert [type(result) for result in leader.results] == [SystemExit]
    assert waiter.results == ["metadata"]


def test_a_key_is_used_once_until_it_expires():
    keys = UsedKeys()
    assert keys.claim("state", 600, now=1000.0)
    assert not keys.claim("state", 600, now=1000.0)
    assert not keys.claim("state", 600, now=1599.0)
    assert keys.claim("other", 600, now=1599.0)
    assert keys.claim("state", 600, now=1600.0)


def test_a_clock_set_back_frees_nothing():
    keys = UsedKeys()
    assert keys.claim("state", 600, now=1000.0)
    assert not keys.claim("state", 600, now=-1e9)
    assert not keys.claim("state", 600, now=1001.0)


@pytest.mark.row("F-PR-11")
def test_used_keys_are_bounded_and_the_oldest_go_first():
    keys = UsedKeys(capacity=100)
    assert all(keys.claim(f"state-{number}", 600, now=1000.0) for number in range(250))
    assert len(keys) == 100
    assert not keys.claim("state-249", 600, now=1000.0)
    assert not keys.claim("state-150", 600, now=1000.0)


def test_only_one_of_many_threads_gets_the_key():
    keys = UsedKeys()
    start = threading.Barrier(20, timeout=10)

    def call():
        start.wait()
        return [keys.claim(f"state-{number}", 600, now=1000.0) for number in range(100)]

    crowd = Crowd(20, call)
    crowd.join()
    assert [sum(column) for column in zip(*crowd.results, strict=True)] == [1] * 100
