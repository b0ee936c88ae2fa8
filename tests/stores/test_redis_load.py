"""Redis under many calls at once: queues, cancelled requests, forks, event loops, many logouts."""

from __future__ import annotations

import asyncio
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from oidc_middleware.errors import Unavailable
from oidc_middleware.stores import Record, open_async, open_sync
from tests.stores.harness import NOW, new


@pytest.mark.row("F-ST-10")
def test_more_callers_than_connections_wait(opened, redis_server):
    store = opened(f"{redis_server.url}?max_connections=4")
    new(store)
    with redis_server.client() as client, ThreadPoolExecutor(40) as pool:
        assert set(pool.map(lambda _: store.get("k1", NOW), range(400))) == {Record(b"sealed", 1)}
        assert len(client.client_list()) <= 4 + 1

    async def run():
        store = open_async(f"{redis_server.url}?max_connections=4")
        results = await asyncio.gather(*(store.get("k1", NOW) for _ in range(1_000)))
        await store.close()
        return set(results)

    assert asyncio.run(run()) == {Record(b"sealed", 1)}


@pytest.mark.row("F-ST-10")
@pytest.mark.slow
def test_those_who_waited_too_long_are_told(opened, own_redis):
    server = own_redis()
    store = opened(f"{server.url}?max_connections=2")
    new(store)
    server.silence()

    def code(_):
        try:
            return store.get("k1", NOW)
        except Unavailable as error:
            return error.code

    async def run():
        store = open_async(f"{server.url}?max_connections=2")
        results = await asyncio.gather(*(store.get("k1", NOW) for _ in range(20)), return_exceptions=True)
        await store.close()
        return {error.code for error in results}

    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(code, range(20))) == {"store_unavailable"}
    assert asyncio.run(run()) == {"store_unavailable"}
    assert time.monotonic() - began < 12
    server.speak()
    assert store.get("k1", NOW) == Record(b"sealed", 1)


@pytest.mark.row("F-ST-11")
@pytest.mark.slow
def test_cancelled_requests_never_leave_an_answer_to_the_next(redis_server, proxied):
    """CVE-2023-28858, CVE-2023-28859."""
    proxy = proxied(redis_server)
    draw = random.Random(7)

    async def read(store, number):
        record = await store.get(f"k{number}", NOW)
        return number, record

    async def one(store):
        task = asyncio.create_task(read(store, draw.randrange(50)))
        if draw.random() < 0.5:
            await asyncio.sleep(draw.random() * 0.008)
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return None

    async def run():
        store = open_async(f"{proxy.url}?max_connections=8")
        for number in range(50):
            await store.create(f"k{number}", b"of %d" % number, ttl=600, indexes=(), issued_at=NOW, now=NOW)
        proxy.delay = 0.005
        results = [result for _ in range(40) for result in await asyncio.gather(*(one(store) for _ in range(40)))]
        await store.close()
        return results

    results = asyncio.run(run())
    finished = [result for result in results if result]
    assert {(number, record) for number, record in finished} <= {(number, Record(b"of %d" % number, 1)) for number in range(50)}
    assert len(finished) > 300
    assert results.count(None) > 300


@pytest.mark.row("F-ST-03")
def test_the_event_loop_goes_on_while_redis_is_slow(redis_server, proxied):
    proxy = proxied(redis_server)

    async def run():
        store = open_async(proxy.url)
        assert await store.get("k1", NOW) is None
        proxy.delay = 0.3
        call = asyncio.create_task(store.get("k1", NOW))
        ticks = 0
        while not call.done():
            await asyncio.sleep(0.01)
            ticks += 1
        await store.close()
        return ticks

    assert asyncio.run(run()) >= 5


@pytest.mark.row("F-PR-07")
def test_event_loops_one_after_the_other(redis_server):
    store = open_async(redis_server.url)
    assert asyncio.run(store.create("k1", b"sealed", ttl=60, indexes=(), issued_at=NOW, now=NOW))
    for _ in range(3):
        assert asyncio.run(store.get("k1", NOW)) == Record(b"sealed", 1)
    with redis_server.client() as client:
        assert len(client.client_list()) == 1, "each event loop's connections went with it"


@pytest.mark.row("F-PR-06")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(opened, redis_server):
    store = opened(redis_server.url)
    for number in range(50):
        new(store, f"k{number}", b"of %d" % number)

    def right():
        return all(store.get(f"k{number}", NOW) == Record(b"of %d" % number, 1) for _ in range(4) for number in range(50))

    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            os._exit(0 if right() else 1)
        children.append(child)
    assert right()
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    assert right()


@pytest.mark.row("F-PR-14", "DS-09")
def test_many_logouts_cost_little_each_and_nothing_is_scanned(opened, redis_server, shell):
    store = opened(redis_server.url, shell)
    for number in range(1_000):
        new(store, f"k{number}", indexes=(f"sid-{number}", f"sub-{number // 10}"))
    with redis_server.client() as client:
        client.config_resetstat()
        began = time.monotonic()
        deleted = [store.delete_index(f"sid-{number}", issued_until=NOW, keep=60, now=NOW) for number in range(500)]
        deleted += [store.delete_index("sub-70", issued_until=NOW, keep=60, now=NOW) for _ in range(200)]
        each = (time.monotonic() - began) / 700
        commands = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
    assert deleted == [1] * 500 + [10] + [0] * 199
    assert each < 0.05
    assert not {name for name in commands if "scan" in name or name in {"keys", "sort", "smembers"}}


@pytest.mark.row("LT-19")
def test_an_index_does_not_grow_for_ever(opened, redis_server, shell):
    """An account that many share signs in again and again."""
    store = opened(redis_server.url, shell)
    for number in range(200):
        new(store, f"k{number}", ttl=60, issued_at=NOW + number)
        if number < 190:
            store.delete(f"k{number}", keep=0.001, now=NOW)
    with redis_server.client() as client:
        assert client.zcard("oidc:i:sub-1") < 50
    assert store.delete_index("sub-1", issued_until=NOW + 200, keep=60, now=NOW) == 10


def test_everything_has_a_time_to_live_and_the_prefix(opened, redis_server, shell):
    store = opened(f"{redis_server.url}?prefix=app1:", shell)
    other = opened(f"{redis_server.url}?prefix=app2:", shell)
    new(store, ttl=60)
    store.replace("k1", b"two", 1, ttl=60, now=NOW)
    store.delete("k2", keep=60, now=NOW)
    store.mark("sub-2", issued_until=NOW, keep=60, now=NOW)
    store.claim("jti", 60, NOW)
    store.acquire("lease", "one", 60, NOW)
    store.check()
    with redis_server.client() as client:
        names = client.keys("*")
        assert len(names) >= 6
        assert all(name.startswith(b"app1:") for name in names)
        assert all(0 < client.pttl(name) <= 4_000_000 for name in names)
    assert other.get("k1", NOW) is None
    assert other.claim("jti", 60, NOW)


def test_no_password_is_shown(redis_server):
    url = f"redis://app:secret-horse@127.0.0.1:{redis_server.port}/0?sentinel_password=other-horse"
    assert "horse" not in repr(open_sync(url)) + repr(open_async(url))
