"""Open WebSockets end with their session (catalogue 1.13, WS-03 to WS-05)."""

import asyncio

import pytest

from oidc_middleware import attendance
from oidc_middleware.errors import Unavailable
from oidc_middleware.flows.open_sockets import OpenSockets
from oidc_middleware.sessions.session import Session
from oidc_middleware.testing import Sent, run_async
from tests.catalogue.helpers import BASE_URL, Stage
from tests.catalogue.probe import signed_in


class Socket:
    """A WebSocket as a server keeps it: what the application sent, and a queue of what the client sends."""

    def __init__(self, stage, browser, path="/ws"):
        self.sent, self.incoming, self.seen = [], asyncio.Queue(), []
        server = browser._sites[0][1]
        cookie = browser.cookies.header(BASE_URL + "/x", stage.clock.now())
        headers = (("host", "app.example.com"), ("origin", BASE_URL), *((("cookie", cookie),) if cookie else ()))
        self.scope = server.scope(Sent("GET", "wss://app.example.com" + path, headers=headers), "websocket")
        self.incoming.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.ensure_future(stage.app(self.scope, self.incoming.get, self.send))

    async def send(self, message):
        self.sent.append(message)
        if message["type"] == "websocket.close":
            # What a client sent before the close reached it comes first, as with real servers.
            self.incoming.put_nowait({"type": "websocket.receive", "text": "on its way"})
            self.incoming.put_nowait({"type": "websocket.disconnect", "code": 1006})

    async def says(self, text):
        self.incoming.put_nowait({"type": "websocket.receive", "text": text})
        await settled()

    @property
    def closed(self):
        return [message["code"] for message in self.sent if message["type"] == "websocket.close"]


async def settled():
    for _ in range(50):
        await asyncio.sleep(0)


def echoing(stage, heard, **options):
    """An application that keeps what it hears and answers it; it ends when the client is gone."""

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})
            return
        while True:
            message = await receive()
            heard.append(message["type"].removeprefix("websocket.") + ":" + message.get("text", ""))
            if message["type"] == "websocket.connect":
                await send({"type": "websocket.accept"})
            elif message["type"] == "websocket.receive":
                if message["text"] == "break":
                    raise LookupError("of the app")
                await send({"type": "websocket.send", "text": message["text"]})
            else:
                return

    stage._asgi_probe = app
    stage.restart(**options)


@pytest.fixture
def stage(caplog):
    return Stage("asgi", caplog)


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(attendance, "RECHECK_SECONDS", 0.01)
    monkeypatch.setattr(attendance, "TURNS", 1)


@pytest.mark.row("WS-03")
def test_a_sign_out_in_another_tab_closes_the_socket_at_once(stage, mode):
    heard = []
    echoing(stage, heard, **mode)
    browser = signed_in(stage)
    stage.clock.advance(1)
    other = signed_in(stage)

    async def scenario():
        mine, theirs = Socket(stage, browser), Socket(stage, other)
        await mine.says("hello")
        assert (len(stage.rp.sockets), mine.closed) == (2, [])
        await sign_out(stage, browser)
        await settled()
        assert mine.closed == [4401]
        await mine.says("still there?")
        assert theirs.closed == []
        await theirs.says("I am")
        theirs.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.gather(mine.task, theirs.task)

    run_async(scenario())
    assert [text for text in heard if text.startswith("receive")] == ["receive:hello", "receive:I am"], "no frame reached the app after the end"
    assert len(stage.rp.sockets) == 0


async def sign_out(stage, browser):
    """The sign-out as a request in the same event loop as the socket."""
    server = browser._sites[0][1]
    cookie = browser.cookies.header(BASE_URL + "/x", stage.clock.now())
    headers = (("host", "app.example.com"), ("origin", BASE_URL), ("sec-fetch-site", "same-origin"), ("content-length", "0"), ("cookie", cookie))
    page = await server.call(Sent("POST", BASE_URL + "/oidc/logout", headers=headers))
    assert page.status == 303


@pytest.mark.row("WS-03")
@pytest.mark.parametrize("mode", [{"revocation": "memory://"}, {"store": "memory://"}], ids=["cookie and list", "store"])
def test_signing_a_user_out_everywhere_closes_their_sockets_and_nobody_elses(stage, mode):
    echoing(stage, [], **mode)
    browser = signed_in(stage)
    stage.provider.user["sub"] = "somebody-else"
    other = signed_in(stage)
    stage.clock.advance(1)

    async def scenario():
        mine, theirs = Socket(stage, browser), Socket(stage, other)
        await settled()
        await stage.app.sign_out_everywhere("user-subject-1234531")
        await settled()
        assert (mine.closed, theirs.closed) == ([4401], [])
        theirs.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.gather(mine.task, theirs.task)

    run_async(scenario())


@pytest.mark.row("WS-03")
def test_the_absolute_end_and_a_changed_rule_are_seen_at_the_next_look(stage, mode, soon):
    for change in ("time", "rule"):
        heard, admitted = [], [True]
        echoing(stage, heard, allow=lambda user: admitted[0], **mode)  # noqa: B023  # called within this turn of the loop
        browser = signed_in(stage)

        async def scenario():
            socket = Socket(stage, browser)  # noqa: B023  # likewise
            await asyncio.sleep(0.05)
            assert socket.closed == []
            if change == "time":  # noqa: B023  # likewise
                stage.clock.advance(8 * 3600 + 1)
            else:
                admitted[0] = False  # noqa: B023  # likewise
            await asyncio.wait_for(socket.task, 10)
            assert socket.closed == [4401]

        run_async(scenario())


@pytest.mark.row("WS-03", "F-ST-01")
def test_a_store_that_is_away_closes_nothing(stage, soon, monkeypatch):
    echoing(stage, [], store="memory://")
    browser = signed_in(stage)

    async def scenario():
        socket = Socket(stage, browser)
        await settled()
        store, gets, asked = stage.app._world.store, [], asyncio.Event()

        async def away(*args, **options):
            gets.append(1)
            if len(gets) == 3:
                asked.set()
            raise Unavailable("store_unavailable")

        monkeypatch.setattr(store, "get", away, raising=False)
        await asyncio.wait_for(asked.wait(), 30)
        assert socket.closed == []
        monkeypatch.undo()
        await socket.says("hello")
        socket.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(socket.task, 10)

    run_async(scenario())
    assert "session.not_checked" in stage.caplog.text


@pytest.mark.row("WS-04")
def test_an_open_socket_is_use_of_a_session_on_the_server(stage, soon):
    echoing(stage, [], store="memory://")
    browser = signed_in(stage)

    async def scenario():
        socket = Socket(stage, browser)
        for _ in range(5):
            stage.clock.advance(1800)
            await asyncio.sleep(0.05)
        assert socket.closed == [], "two and a half hours, an idle time of one"
        socket.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(socket.task, 10)

    run_async(scenario())
    assert browser.fetch("/api").status == 200


@pytest.mark.row("AS-01", "WS-03")
def test_an_exception_of_the_app_comes_through_as_it_is(stage, mode):
    echoing(stage, [], **mode)
    browser = signed_in(stage)

    async def scenario():
        socket = Socket(stage, browser)
        await socket.says("break")
        with pytest.raises(LookupError, match="of the app"):
            await socket.task

    run_async(scenario())
    assert len(stage.rp.sockets) == 0


@pytest.mark.row("WS-05")
def test_a_thousand_idle_sockets_cost_a_bounded_amount_and_leave_nothing(stage):
    echoing(stage, [])
    browser = signed_in(stage)

    async def scenario():
        sockets = [Socket(stage, browser) for _ in range(1000)]
        await settled()
        assert len(stage.rp.sockets) == 1000
        await sign_out(stage, browser)
        await asyncio.gather(*(socket.task for socket in sockets))
        assert all(socket.closed == [4401] for socket in sockets)

    run_async(scenario())
    assert (len(stage.rp.sockets), stage.rp.sockets._watches) == (0, {})


@pytest.mark.row("WS-09", "F-PR-11")
def test_what_is_remembered_of_sign_outs_is_bounded():
    sockets = OpenSockets()
    for number in range(2500):
        sockets.end(Session(issuer="https://op.example", subject=str(number), claims_json="{}", created=1.0, seen=1.0, expires=2.0))
    assert 0 < len(sockets._ended) <= 1000
