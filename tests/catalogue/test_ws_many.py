"""Many open WebSockets (catalogue WS-03, WS-05): what each costs, and that looking at them again comes down on nobody all at once."""

import asyncio
import contextvars
import gc
import tracemalloc

import pytest

from oidc_middleware import attendance
from oidc_middleware.errors import Unavailable
from oidc_middleware.testing import run_async, session_set_cookies
from tests.catalogue.helpers import Stage
from tests.catalogue.probe import signed_in
from tests.catalogue.test_ws_open import Socket, echoing, settled, sign_out

LEAVES = {"type": "websocket.disconnect", "code": 1000}


@pytest.fixture
def stage(caplog):
    return Stage("asgi", caplog)


@pytest.fixture
def quickly(monkeypatch):
    """A turn every hundredth of a second instead of every second."""
    monkeypatch.setattr(attendance, "RECHECK_SECONDS", 0.01 * attendance.TURNS)


async def waiting(scope, receive, send):
    """An application whose sockets are open and silent."""
    while (await receive())["type"] != "websocket.disconnect":
        pass


def crowd(stage, count, **options):
    """An application as above; the Cookie headers of *count* people."""
    stage._asgi_probe = waiting
    stage.restart(**options)
    return [session_set_cookies(stage.app, f"user-{number}", name="Ada", email="ada@example.com")[0].partition(";")[0] for number in range(count)]


class Client:
    """As little as a server can keep of a socket: its scope, and one future for what comes in."""

    def __init__(self, app, cookie):
        self.closed = []
        self.incoming = asyncio.get_running_loop().create_future()
        headers = [(b"host", b"app.example.com"), (b"origin", b"https://app.example.com"), (b"cookie", cookie)]
        scope = {"type": "websocket", "path": "/ws", "raw_path": b"/ws", "query_string": b"", "headers": headers, "scheme": "wss"}
        self.task = asyncio.ensure_future(app(scope, self.receive, self.send))

    async def receive(self):
        return await self.incoming

    async def send(self, message):
        assert message["type"] == "websocket.close"
        self.closed.append(message["code"])
        self.leave()

    def leave(self):
        if not self.incoming.done():
            self.incoming.set_result(LEAVES)


async def opened(app, cookies):
    clients = [Client(app, cookie.encode()) for cookie in cookies]
    await settled()
    return clients


async def left(clients):
    for client in clients:
        client.leave()
    await asyncio.gather(*(client.task for client in clients))
    await settled()


@pytest.mark.row("WS-05", "F-PR-11")
@pytest.mark.parametrize("people", [1, 200])
def test_ws_05_an_idle_socket_costs_little_memory_and_no_task_of_its_own(stage, mode, people):
    """Measured with 20,000 sockets: 2.5 kB for one person's, 4.2 kB for as many people's, the person included."""
    cookies = crowd(stage, people, **mode) * (200 // people)

    async def bytes_for_each(app):
        gc.collect()
        before, tasks = tracemalloc.get_traced_memory()[0], len(asyncio.all_tasks())
        clients = await opened(app, cookies)
        gc.collect()
        used, more = tracemalloc.get_traced_memory()[0] - before, len(asyncio.all_tasks()) - tasks
        await left(clients)
        return used / len(cookies), more

    tracemalloc.start(1)
    try:
        run_async(bytes_for_each(stage.app))  # what is loaded or made once is not what a socket costs
        bare, bare_tasks = run_async(bytes_for_each(waiting))
        ours, tasks = run_async(bytes_for_each(stage.app))
    finally:
        tracemalloc.stop()
    assert tasks == bare_tasks + 1, "one task looks after all of them"
    assert ours - bare < 8_000, (ours, bare)
    assert (len(stage.rp.sockets), stage.rp.sockets._watches, stage.app._attendance._rounds) == (0, {}, {})


class Asked:
    """The store's ``get``, counted: how often for each key, and how many at a time."""

    def __init__(self, stage, monkeypatch):
        self.counts, self.now, self.most, self.away = {}, 0, 0, False
        self._get = stage.app._world.store.get
        monkeypatch.setattr(stage.app._world.store, "get", self, raising=False)

    async def __call__(self, key, now):
        self.counts[key] = self.counts.get(key, 0) + 1
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1
        if self.away:
            raise Unavailable("store_unavailable")
        return await self._get(key, now)

    @property
    def total(self):
        return sum(self.counts.values())


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # what is waited for is in the code under test, which tells nobody
            await asyncio.sleep(0.005)


@pytest.mark.row("WS-05", "WS-03")
def test_ws_05_sockets_of_one_session_are_looked_at_together(stage, quickly, monkeypatch):
    judged = []
    cookies = crowd(stage, 3, store="memory://", allow=lambda user: judged.append(user.identity) or True)

    async def story():
        clients = await opened(stage.app, cookies * 50)
        judged.clear()
        asked = Asked(stage, monkeypatch)
        await until(lambda: len(asked.counts) == 3 and min(asked.counts.values()) >= 3)
        gets = asked.total - asked.now
        assert len(judged) in (50 * gets, 50 * (gets - 1)), "every socket is judged, and the store asked once for fifty"
        monkeypatch.undo()
        await left(clients)

    run_async(story())


@pytest.mark.row("WS-05", "F-PR-19")
def test_ws_05_a_crowd_that_came_at_once_is_looked_at_in_turns(stage, quickly, monkeypatch):
    looks, plain = [], attendance._Rounds._look

    async def noted(self, sockets):
        looks.append(len(sockets))
        await plain(self, sockets)

    cookies = crowd(stage, 600, store="memory://")

    async def story():
        clients = await opened(stage.app, cookies)
        assert len(stage.rp.sockets) == 600
        asked = Asked(stage, monkeypatch)
        monkeypatch.setattr(attendance._Rounds, "_look", noted)
        await until(lambda: len(asked.counts) == 600)
        assert max(looks) < 100, "with thirty turns, twenty each are to be expected"
        assert asked.most <= attendance.AT_ONCE
        monkeypatch.undo()
        await left(clients)

    run_async(story())


@pytest.mark.row("F-ST-01", "WS-03")
def test_a_store_that_is_away_is_not_asked_about_everybody(stage, monkeypatch):
    monkeypatch.setattr(attendance, "RECHECK_SECONDS", 0.3)
    monkeypatch.setattr(attendance, "TURNS", 1)
    cookies = crowd(stage, 100, store="memory://")

    async def story():
        clients = await opened(stage.app, cookies)
        asked = Asked(stage, monkeypatch)
        asked.away = True
        await until(lambda: asked.total and not asked.now)
        assert asked.total <= attendance.AT_ONCE
        assert all(client.closed == [] for client in clients)
        asked.away = False
        await until(lambda: len(asked.counts) == 100)
        await left(clients)

    run_async(story())
    assert "session.not_checked" in stage.caplog.text


@pytest.mark.row("F-ST-01", "WS-03")
def test_who_was_woken_while_the_store_was_away_is_asked_about_again_soon(stage, monkeypatch):
    monkeypatch.setattr(attendance, "RECHECK_SECONDS", 3600)
    monkeypatch.setattr(attendance, "TURNS", 360_000)
    cookies = crowd(stage, 1, store="memory://")

    async def story():
        (client,) = await opened(stage.app, cookies)
        stage.clock.advance(1)
        asked = Asked(stage, monkeypatch)
        asked.away = True
        await stage.app.sign_out_everywhere("user-0")
        await until(lambda: asked.total >= 3)
        assert client.closed == []
        asked.away = False
        await asyncio.wait_for(client.task, 30)
        assert client.closed == [4401]

    run_async(story())


@pytest.mark.row("WS-03")
def test_a_client_that_takes_nothing_holds_nobody_up(stage, mode, monkeypatch):
    monkeypatch.setattr(attendance, "CLOSE_SECONDS", 0.05)
    echoing(stage, [], **mode)
    browser = signed_in(stage)
    stage.clock.advance(1)
    other = signed_in(stage)

    async def story():
        stuck, mine, theirs = Socket(stage, browser), Socket(stage, browser), Socket(stage, other)
        cancelled = []

        async def never(message):
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(message["code"])

        await settled()
        first = next(found for watches in stage.rp.sockets._watches.values() for found in watches if found._send == stuck.send)
        first._send = never
        await sign_out(stage, browser)
        await asyncio.wait_for(mine.task, 30)
        await sign_out(stage, other)
        await asyncio.wait_for(theirs.task, 30)
        assert (mine.closed, theirs.closed, cancelled) == ([4401], [4401], [4401])
        await stuck.says("still there?")
        await asyncio.wait_for(stuck.task, 30)

    run_async(story())


@pytest.mark.row("ER-03", "WS-03")
def test_a_rule_that_breaks_while_a_socket_is_open_lets_nobody_stay(stage, quickly, mode):
    broken = []

    def rule(user):
        if broken and user.identity == "user-0":
            raise LookupError("of the rule")
        return True

    cookies = crowd(stage, 2, allow=rule, **mode)

    async def story():
        mine, theirs = await opened(stage.app, cookies)
        broken.append(True)
        await asyncio.wait_for(mine.task, 30)
        assert (mine.closed, theirs.closed) == ([4401], [])
        await left([theirs])

    run_async(story())


def test_looking_after_sockets_is_no_part_of_the_request_that_began_it(stage, quickly):
    request, seen = contextvars.ContextVar("request"), []
    cookies = crowd(stage, 1, allow=lambda user: seen.append(request.get("none")) or True)

    async def story():
        request.set("of the first socket")
        clients = await opened(stage.app, cookies)
        assert seen == ["of the first socket"]
        await until(lambda: len(seen) >= 2)
        assert set(seen[1:]) == {"none"}
        await left(clients)

    run_async(story())


@pytest.mark.row("F-PR-07")
def test_f_pr_07_each_event_loop_looks_after_its_own_and_takes_it_along_when_it_ends(stage):
    cookies = crowd(stage, 1)

    async def leaves_it_open():
        await opened(stage.app, cookies)
        assert len(stage.app._attendance._rounds) == 1

    for _ in range(3):
        asyncio.run(leaves_it_open())
        assert (len(stage.rp.sockets), stage.app._attendance._rounds) == (0, {})
