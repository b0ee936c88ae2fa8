"""A worker ends while its refresh is on the way: killed without a word, or asked to finish."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest
import redis

from oidc_middleware.flows.tokens import LEASE_SECONDS
from tests.interop.farm.farm import LIFE, farm

pytestmark = [pytest.mark.interop, pytest.mark.slow]

#: Requests to each of the other workers.
OTHERS = 5


class Held:
    """The provider keeps the next refresh waiting: with *consumed* after it took the old token and made new ones, else before it looked at it."""

    def __init__(self, workers, *, consumed):
        self.workers, self.reached, self._go = workers, threading.Event(), threading.Event()
        if consumed:
            workers.provider.script("token", edit=self._wait, times=1)
        else:
            workers.provider.script("token", before=self._wait, status=503, body=b"", times=1)

    def _wait(self, answer=None):
        self.reached.set()
        assert self._go.wait(120)
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._go.set()

    async def is_reached(self):
        assert await asyncio.to_thread(self.reached.wait, 30), self.workers.log

    release = __exit__


@pytest.fixture
def store(request, kind, tmp_path):
    """A store's address, and what makes the lease that somebody holds in it end: its time passes."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path}/sessions.db", lambda workers: workers.clock.advance(LEASE_SECONDS)
    url = request.getfixturevalue("redis_url")

    def pass_time(workers):
        with redis.Redis.from_url(url) as client:
            (lease,) = [key for key in client.scan_iter(f"{tmp_path.name}:*") if b"rt:" in key]
            assert 0 < client.pttl(lease) <= 1000 * LEASE_SECONDS, "it ends by itself"
            client.pexpire(lease, 1)

    return f"{url}?prefix={tmp_path.name}:", pass_time


async def killed_while_refreshing(workers, lines, cookie, held):
    """The first worker is killed while the provider has its refresh request."""
    asking = asyncio.ensure_future(lines[0].ask("/token", cookie))
    await held.is_reached()
    workers.programs[0][0].kill()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asking
    assert workers.refreshes == 1


async def asked_meanwhile(workers, lines, cookie, pass_time):
    """What all others get who ask while the dead worker's lease lasts, once it ends."""
    waiting = [asyncio.ensure_future(line.ask("/token", cookie)) for line in lines[OTHERS:]]
    done, _ = await asyncio.wait(waiting, timeout=1)
    assert (len(done), workers.refreshes) == (0, 1), "as long as the lease lasts, they wait"
    pass_time(workers)
    return await asyncio.gather(*waiting)


def tokens_in(answers):
    return {answer.get("token") for answer in answers}


#: Starting processes is what these tests cost, so not everything is combined with everything.
SURROUNDINGS = [("uvicorn", "redis"), ("waitress", "sqlite"), ("uvicorn", "sqlite"), ("waitress", "redis")]


@pytest.mark.row("RF-03")
@pytest.mark.parametrize(
    ("server", "kind", "consumed"),
    [*((*pair, False) for pair in SURROUNDINGS[:2]), *((*pair, True) for pair in SURROUNDINGS[2:])],
    ids=lambda value: value if isinstance(value, str) else "consumed, with grace" if value else "not consumed",
)
def test_rf_03_the_lease_holder_is_killed_and_nobody_is_signed_out(server, store, tmp_path, consumed):
    url, pass_time = store

    async def story():
        workers.provider.refresh_grace = 60 if consumed else -1
        cookie = workers.sign_in()
        async with workers.lines(OTHERS) as lines:
            first = await lines[-1].ask("/token", cookie)
            workers.clock.advance(LIFE)
            with Held(workers, consumed=consumed) as held:
                await killed_while_refreshing(workers, lines, cookie, held)
                answers = await asked_meanwhile(workers, lines, cookie, pass_time)
            assert len(tokens_in(answers)) == 1, (answers, workers.log)
            assert tokens_in(answers).isdisjoint({first["token"], None})
            assert (workers.refreshes, workers.provider.complaints) == (2, [])
            workers.clock.advance(LIFE)
            again = await asyncio.gather(*(line.ask("/token", cookie) for line in lines[OTHERS:]))
            assert tokens_in(again) <= workers.provider.tokens.keys()
            assert tokens_in(again).isdisjoint(tokens_in(answers))
            assert (workers.refreshes, workers.provider.complaints) == (3, [])

    with farm(server, url, tmp_path, count=3) as workers:
        asyncio.run(story())


@pytest.mark.row("RF-03", "RF-04", "RF-05")
@pytest.mark.parametrize(("server", "kind"), SURROUNDINGS[:2])
def test_rf_03_a_token_that_died_with_its_worker_costs_one_redirect(server, store, tmp_path):
    """The provider gave new tokens to a dead process and knows no grace: nobody can have them, and using the old one is a theft to it."""
    url, pass_time = store

    async def story():
        workers.provider.refresh_grace = -1
        cookie, bystander = workers.sign_in(), workers.sign_in()
        async with workers.lines(OTHERS) as lines:
            workers.clock.advance(LIFE)
            with Held(workers, consumed=True) as held:
                await killed_while_refreshing(workers, lines, cookie, held)
                answers = await asked_meanwhile(workers, lines, cookie, pass_time)
            refused = {"error": "refresh_refused", "kind": "LoginError"}
            assert all(answer.items() >= refused.items() or answer == {"status": 401} for answer in answers), answers
            assert any(answer.items() >= refused.items() for answer in answers)
            assert workers.refreshes == 2, "no storm: the old token was tried once more"
            assert workers.provider.complaints == ["token request: refresh token used twice"]
            assert await lines[-1].ask("/token", cookie) == {"status": 401}
            others = await asyncio.gather(*(line.ask("/token", bystander) for line in lines[OTHERS:]))
            assert len(tokens_in(others) - {None}) == 1, "another session goes on"
            again = workers.sign_in(port=workers.ports[-1])
            assert (await lines[-1].ask("/token", again))["token"] in workers.provider.tokens
            assert workers.refreshes == 3

    with farm(server, url, tmp_path, count=3) as workers:
        asyncio.run(story())


@pytest.mark.row("RF-03")
def test_rf_03_a_lease_ends_by_itself_and_who_has_a_good_token_does_not_wait_for_that(redis_url, tmp_path):
    """Nothing is hurried here: 12 s until a token that is still good is given out, 20 s until another worker refreshes."""

    async def story():
        cookie = workers.sign_in()
        async with workers.lines(OTHERS) as lines:
            first = await lines[-1].ask("/token", cookie)
            workers.clock.advance(LIFE - 1)
            with Held(workers, consumed=False) as held:
                await killed_while_refreshing(workers, lines, cookie, held)
                answers = await asyncio.gather(*(line.ask("/token", cookie) for line in lines[OTHERS:]))
                assert tokens_in(answers) == {first["token"]}
                assert workers.refreshes == 1
                workers.clock.advance(1)
                answers = await asyncio.gather(*(line.ask("/token", cookie) for line in lines[OTHERS:]))
            assert len(tokens_in(answers)) == 1, answers
            assert tokens_in(answers).isdisjoint({first["token"], None})
            assert (workers.refreshes, workers.provider.complaints) == (2, [])

    with farm("uvicorn", f"{redis_url}?prefix={tmp_path.name}:", tmp_path, count=3) as workers:
        asyncio.run(story())


@pytest.mark.row("F-PR-05")
@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
def test_f_pr_05_a_worker_that_is_asked_to_end_finishes_its_refresh(server, redis_url, tmp_path):
    async def story():
        cookie = workers.sign_in()
        async with workers.lines(1) as lines:
            first, *others = [(await line.ask("/token", cookie))["pid"] for line in lines]
            workers.clock.advance(LIFE)
            gate = threading.Event()
            workers.provider.script("token", gate=gate, times=1)
            asking = asyncio.ensure_future(lines[0].ask("/token", cookie))
            while workers.refreshes == 0:  # noqa: ASYNC110  # the provider of a test tells nobody when it is asked
                await asyncio.sleep(0.01)
            os.kill(first, signal.SIGTERM)
            waiting = [asyncio.ensure_future(line.ask("/token", cookie)) for line in lines[1:]]
            await asyncio.wait(waiting, timeout=0.5)
            gate.set()
            answers = await asyncio.gather(asking, *waiting)
            assert len(tokens_in(answers)) == 1, answers
            assert None not in tokens_in(answers)
            assert {answer["pid"] for answer in answers[1:]} == set(others)
            assert (workers.refreshes, workers.provider.complaints) == (1, [])

    with farm(server, f"{redis_url}?prefix={tmp_path.name}:", tmp_path, count=2) as workers:
        asyncio.run(story())
