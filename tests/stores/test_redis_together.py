"""Reads of one turn of the event loop are one command, and still everybody's own."""

from __future__ import annotations

import asyncio

import pytest

from oidc_middleware.errors import Unavailable
from oidc_middleware.stores import Record, open_async
from oidc_middleware.stores import redis_together as module
from oidc_middleware.stores.redis_together import Together
from tests.stores.harness import NOW


def run(url, work):
    """*work(store)* in an event loop, with 150 sessions in the store."""

    async def whole():
        store = open_async(url)
        try:
            for number in range(150):
                await store.create(f"k{number}", b"of %d" % number, ttl=600, indexes=(), issued_at=NOW, now=NOW)
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(whole())


def commands(client):
    stats = client.info("commandstats")
    return {name: stats[f"cmdstat_{name}"]["calls"] for name in ("get", "mget") if f"cmdstat_{name}" in stats}


@pytest.mark.row("F-PR-13", "F-ST-11")
@pytest.mark.parametrize(
    ("callers", "asked"), [(1, {"get": 1}), (2, {"mget": 1}), (100, {"mget": 1}), (101, {"get": 1, "mget": 1}), (150, {"mget": 2})]
)
def test_as_many_as_come_at_once_are_one_command(redis_server, callers, asked):
    with redis_server.client() as client:

        async def work(store):
            client.config_resetstat()
            return await asyncio.gather(*(store.get(f"k{number}", NOW) for number in range(callers)))

        assert run(redis_server.url, work) == [Record(b"of %d" % number, 1) for number in range(callers)]
        assert commands(client) == asked


@pytest.mark.row("F-ST-12")
def test_what_is_not_there_or_not_ours_is_nobody_elses_trouble(redis_server):
    with redis_server.client() as client:
        client.lpush("oidc:s:list", b"foreign")
        client.set("oidc:s:text", b"foreign")

        async def work(store):
            return await asyncio.gather(*(store.get(key, NOW) for key in ("list", "k1", "text", "absent", "k1", "k2")))

        one, two = Record(b"of 1", 1), Record(b"of 2", 1)
        assert run(redis_server.url, work) == [None, one, None, None, one, two]


@pytest.mark.row("F-ST-11")
def test_who_is_cancelled_takes_nothing_from_the_others(redis_server, proxied):
    proxy = proxied(redis_server)

    async def work(store):
        proxy.delay = 0.02
        tasks = [asyncio.create_task(store.get(f"k{number}", NOW)) for number in range(60)]
        await asyncio.sleep(0.005)
        for task in tasks[::3]:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = run(proxy.url, work)
    assert all(isinstance(result, asyncio.CancelledError) for result in results[::3])
    assert [result for number, result in enumerate(results) if number % 3] == [Record(b"of %d" % number, 1) for number in range(60) if number % 3]


@pytest.mark.row("F-ST-01")
def test_all_of_them_hear_of_a_fault_each_for_itself(own_redis):
    server = own_redis()

    async def work(store):
        server.stop()
        return await asyncio.gather(*(store.get(f"k{number}", NOW) for number in range(5)), return_exceptions=True)

    errors = run(server.url, work)
    assert [(type(error), error.code) for error in errors] == [(Unavailable, "store_unavailable")] * 5
    assert len({id(error) for error in errors}) == 5


@pytest.mark.parametrize("turns", range(1, 5))
def test_when_the_loop_ends_nobody_waits_for_ever(turns):
    """Whether it has not begun, waits for company, or for the answer."""
    silent = [True]

    async def send(commands):
        if silent[0]:
            await asyncio.Event().wait()
        return [b"answer"]

    async def whole():
        together = Together(send)
        task = asyncio.create_task(together.read("k1"))
        for _ in range(turns):
            await asyncio.sleep(0)
        (asking,) = together._tasks
        asking.cancel()
        async with asyncio.timeout(20):
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (together._open, together._tasks) == ([], set())
        silent[0] = False
        async with asyncio.timeout(20):
            assert await together.read("k2") == b"answer", "and nobody joins those who are gone"


def test_who_comes_while_the_others_are_collected_comes_along():
    """A turn later than the first: a server reads what has arrived between two turns."""
    sent = []

    async def send(commands):
        sent.append(commands)
        return [[b"1", b"2"]]

    async def whole():
        together = Together(send)
        first = asyncio.create_task(together.read("k1"))
        await asyncio.sleep(0)
        second = asyncio.create_task(together.read("k2"))
        assert await asyncio.gather(first, second) == [b"1", b"2"]
        assert (sent, together._open) == ([[("MGET", "k1", "k2")]], [])

    asyncio.run(whole())


def test_a_request_is_no_part_of_another_ones_context():
    import contextvars

    trace = contextvars.ContextVar("trace", default="")
    seen = []

    async def send(commands):
        seen.append(trace.get())
        return [[b"1", b"2"]] if commands[0][0] == "MGET" else [b"1"]

    async def whole():
        together = Together(send)

        async def one(name):
            trace.set(name)
            return await together.read(name)

        assert await asyncio.gather(one("a"), one("b")) == [b"1", b"2"]

    asyncio.run(whole())
    assert (seen, module._MOST) == ([""], 100)
