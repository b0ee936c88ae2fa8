"""An open WebSocket outlives the access token it began with (catalogue WS-04): with sessions on the server it gets fresh ones."""

import asyncio

import pytest

from oidc_middleware import attendance
from oidc_middleware.errors import OIDCError
from oidc_middleware.testing import run_async
from oidc_middleware.testing.servers import server_for
from tests.catalogue.helpers import Stage
from tests.catalogue.test_ws_open import Socket, sign_out
from tests.conformance.tokens import LIFE, keeps_tokens, refreshes, signed_in, token_of


@pytest.fixture
def stage(caplog):
    return Stage("asgi", caplog)


def keeps_tokens_for_sockets(stage, **options):
    """The application of ``keeps_tokens``, which answers each frame of a socket with the user's access token, or with the error that came instead."""

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await http(scope, receive, send)
            return
        while (message := await receive())["type"] != "websocket.disconnect":
            if message["type"] == "websocket.connect":
                await send({"type": "websocket.accept"})
                continue
            try:
                answer = await scope["user"].access_token()
            except OIDCError as error:
                answer = error.code
            await send({"type": "websocket.send", "text": answer})

    keeps_tokens(stage, **options)
    http, stage.app.app = stage.app.app, app


async def answers(*sockets):
    """What each of *sockets* gets for a frame sent to all of them at once."""
    before = [len(socket.sent) for socket in sockets]
    for socket in sockets:
        socket.incoming.put_nowait({"type": "websocket.receive", "text": "token?"})
    async with asyncio.timeout(30):
        while any(len(socket.sent) == count for socket, count in zip(sockets, before, strict=True)):  # noqa: ASYNC110  # a server tells nobody
            await asyncio.sleep(0.01)
    return [socket.sent[count]["text"] for socket, count in zip(sockets, before, strict=True)]


async def opened(stage, *browsers):
    sockets = [Socket(stage, browser) for browser in browsers]
    async with asyncio.timeout(30):
        while not all(socket.sent for socket in sockets):  # noqa: ASYNC110  # likewise
            await asyncio.sleep(0.01)
    return sockets


async def left(*sockets):
    for socket in sockets:
        socket.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.gather(*(socket.task for socket in sockets))


@pytest.mark.row("WS-04", "RF-01")
def test_ws_04_an_open_socket_gets_fresh_tokens(stage):
    keeps_tokens_for_sockets(stage)
    browser, first = signed_in(stage)
    known = {first}

    async def story():
        sockets = await opened(stage, browser, browser, browser)
        assert await answers(*sockets) == [first] * 3
        for number in range(1, 6):
            stage.clock.advance(LIFE)
            stage.provider.script("token", delay=0.05, times=1)
            (token,) = set(await answers(*sockets))
            assert token not in known
            known.add(token)
            assert refreshes(stage) == number, "one redeem for all three"
        assert all(message["type"] in ("websocket.accept", "websocket.send") for socket in sockets for message in socket.sent)
        await left(*sockets)
        return token

    token = run_async(story())
    assert token_of(browser)["token"] == token, "the next request has the same one"
    assert (refreshes(stage), stage.provider.complaints) == (5, []), "no refresh token was used twice"
    assert browser.fetch("/api").status == 200


@pytest.mark.row("WS-04", "RF-02")
def test_ws_04_a_request_may_have_been_quicker(stage, tmp_path):
    store = f"sqlite:///{tmp_path}/sessions.db"
    keeps_tokens_for_sockets(stage, store=store)
    worker = server_for(stage.worker(store=store, keep_tokens=True))
    browser, first = signed_in(stage)

    async def begin():
        return await opened(stage, browser)

    (socket,) = run_async(begin())
    stage.clock.advance(LIFE)
    token = token_of(browser, worker)["token"]
    assert token != first
    assert run_async(answers(socket)) == [token], "another worker has refreshed; the socket takes what is there"
    stage.clock.advance(LIFE)
    (newer,) = run_async(answers(socket))
    assert newer not in (first, token)
    assert (refreshes(stage), stage.provider.complaints) == (2, [])
    run_async(left(socket))


@pytest.mark.row("WS-04", "WS-03", "RF-05")
def test_ws_04_a_definite_no_ends_the_socket_with_the_session(stage, monkeypatch):
    monkeypatch.setattr(attendance, "RECHECK_SECONDS", 3600)  # at once, and not when its turn comes
    keeps_tokens_for_sockets(stage)
    browser, _ = signed_in(stage)
    stage.provider.user["sub"] = "somebody-else"
    other, kept = signed_in(stage)

    async def story():
        mine, second, theirs = await opened(stage, browser, browser, other)
        stage.clock.advance(LIFE - 61)
        assert await answers(theirs) == [kept]
        stage.clock.advance(61)
        stage.provider.script("token", status=400, json={"error": "invalid_grant"}, times=1)
        mine.incoming.put_nowait({"type": "websocket.receive", "text": "token?"})
        await asyncio.wait_for(asyncio.gather(mine.task, second.task), 30)
        assert (mine.closed, second.closed, theirs.closed) == ([4401], [4401], [])
        # The answer of the application and the close are on their way together.
        assert {message["text"] for message in mine.sent if message["type"] == "websocket.send"} <= {"refresh_refused"}
        assert refreshes(stage) == 1
        (token,) = await answers(theirs)
        assert token in stage.provider.tokens
        await left(theirs)

    run_async(story())
    assert browser.fetch("/api").status == 401
    assert other.fetch("/api").status == 200


@pytest.mark.row("WS-04", "WS-03")
def test_ws_04_after_a_sign_out_the_socket_gets_no_token(stage):
    keeps_tokens_for_sockets(stage)
    browser, _ = signed_in(stage)
    users = []
    plain = stage.app.app

    async def noting(scope, receive, send):
        users.append(scope["user"])
        await plain(scope, receive, send)

    stage.app.app = noting

    async def story():
        (socket,) = await opened(stage, browser)
        user = users[-1]
        stage.clock.advance(LIFE)
        await sign_out(stage, browser)
        await asyncio.wait_for(socket.task, 30)
        assert socket.closed == [4401]
        with pytest.raises(OIDCError, match="refresh_refused"):
            await user.access_token()

    run_async(story())
    assert refreshes(stage) == 0


@pytest.mark.row("WS-04", "RF-06")
def test_ws_04_a_provider_that_is_away_closes_no_socket(stage):
    keeps_tokens_for_sockets(stage)
    browser, first = signed_in(stage)

    async def story():
        (socket,) = await opened(stage, browser)
        stage.clock.advance(LIFE - 50)
        stage.provider.script("token", status=503, body=b"")
        assert await answers(socket) == [first]
        stage.clock.advance(51)
        assert (await answers(socket))[0] in ("provider_unavailable", "token_expired")
        stage.provider.unscript()
        stage.clock.advance(30)
        (token,) = await answers(socket)
        assert token not in (first, "provider_unavailable", "token_expired")
        await left(socket)

    run_async(story())


@pytest.mark.row("WS-04", "RF-07")
@pytest.mark.parametrize("mode", [{}, {"revocation": "memory://"}], ids=["cookie", "cookie and list"])
def test_ws_04_with_the_session_in_the_cookie_there_are_no_tokens(stage, mode):
    """A socket cannot set a cookie, so a rotated refresh token would be lost: there is none to rotate."""
    keeps_tokens_for_sockets(stage, **{"store": None, "keep_tokens": False, **mode})
    browser = stage.browser()
    assert browser.login("/start").status == 200

    async def story():
        (socket,) = await opened(stage, browser)
        stage.clock.advance(LIFE)
        assert await answers(socket) == ["config_invalid"]
        await left(socket)

    run_async(story())
    assert refreshes(stage) == 0
    assert browser.fetch("/api").status == 200
