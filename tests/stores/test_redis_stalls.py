"""An event loop that is held up, by a view that blocks it or by a busy machine: answers that have come meanwhile are no silence of the server's."""

import asyncio
import time

import pytest
import uvloop

from oidc_middleware.errors import Unavailable
from oidc_middleware.stores import open_async
from oidc_middleware.stores import redis as redis_store

LIMIT = 0.3


@pytest.fixture(autouse=True)
def short_limits(monkeypatch):
    for name in ("CONNECT", "READ", "QUEUE"):
        monkeypatch.setattr(redis_store, name, LIMIT)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    def in_loop(work):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(work)

    return in_loop


def keys():
    return [f"s:{number}" for number in range(20)]


@pytest.mark.row("F-ST-01", "F-ST-02")
def test_a_loop_that_is_held_up_makes_no_outage(redis_server, run):
    async def story():
        store = open_async(f"{redis_server.url}?max_connections=5")
        now = time.time()
        assert await store.create("s:7", b"sealed", ttl=60, indexes=(), issued_at=now, now=now)
        for steps in range(1, 9):  # held up at whatever point the calls have come to
            reads = [asyncio.ensure_future(store.get(key, now)) for key in keys()]
            leases = [asyncio.ensure_future(store.acquire(f"{steps} {key}", "me", 60, now)) for key in keys()]
            for _ in range(steps):
                await asyncio.sleep(0)
            time.sleep(1.5 * LIMIT)  # noqa: ASYNC251  # that is what it is about
            found = await asyncio.gather(*reads)
            assert [record is not None for record in found] == [key == "s:7" for key in keys()]
            assert all(await asyncio.gather(*leases)), "a lease that was taken is ours, asked twice or not"
        await store.close()

    run(story())


@pytest.mark.row("F-ST-02")
def test_a_silent_server_is_asked_once(own_redis, run, monkeypatch):
    server, tries = own_redis(), []
    plain = redis_store.AsyncRedisStore._in_turn

    async def counted(self, client, queue, commands):
        tries.append(commands)
        return await plain(self, client, queue, commands)

    monkeypatch.setattr(redis_store.AsyncRedisStore, "_in_turn", counted)

    async def story():
        store = open_async(server.url)
        now = time.time()
        assert await store.get("s:1", now) is None
        tries.clear()
        server.silence()
        try:
            for _ in range(3):
                tries.clear()
                with pytest.raises(Unavailable):
                    await store.claim("x", 60, now)
                if len(tries) == 1:
                    break  # a busy machine may hold the loop up, and then twice is right; not again and again
            assert len(tries) == 1
        finally:
            server.speak()
        await store.close()

    run(story())


@pytest.mark.row("F-ST-11", "F-ST-03")
def test_an_answer_that_comes_too_late_is_nobody_elses(redis_server, proxied, run):
    """A call that was given up leaves no answer behind for the next one, whether it asked for one thing or for many."""

    async def story():
        slow = proxied(redis_server)
        store = open_async(f"{slow.url}?max_connections=1&prefix=late:")
        now = time.time()
        for key in ("s:1", "s:2"):
            assert await store.create(key, key.encode(), ttl=60, indexes=(f"i{key}",), issued_at=now, now=now)
        for given_up in (
            store.get("s:1", now),
            store.replace("s:1", b"new", 1, ttl=60, now=now),
            store.delete_index("i9", issued_until=now, keep=9, now=now),
        ):
            slow.delay = 3 * LIMIT
            with pytest.raises(Unavailable):
                await given_up
            await asyncio.sleep(3 * LIMIT)  # by now the answer is there
            slow.delay = 0.0
            assert (await store.get("s:2", now)).data == b"s:2"

    run(story())
