"""Looks after open WebSockets for the ASGI shell (catalogue WS-03, WS-05): one task in each event loop, however many sockets there are.

Sockets take turns. Every second a thirtieth of them is looked at, those of one session together, so that half a minute after a restart has sent
everybody back at once, the store is not asked about everybody at once. Whoever hears that a session ended wakes its sockets before their turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import Any, Final

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from oidc_middleware.drive import AsyncWorld, arun
from oidc_middleware.errors import OIDCError
from oidc_middleware.flows.open_sockets import OpenSockets
from oidc_middleware.flows.sockets import RECHECK_SECONDS, Watch, look

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

#: The close code of a WebSocket whose session ended; the 4000s are for applications (RFC 6455 7.4.2).
SESSION_ENDED: Final = 4401
#: How many turns there are within ``RECHECK_SECONDS``.
TURNS: Final = 30
#: Sessions that are asked about at a time: a store has other things to do.
AT_ONCE: Final = 8
#: Seconds for a client to take the close; one that takes nothing any more holds nobody up.
CLOSE_SECONDS: Final = 2.0


class Socket:
    """An open socket. What the application sends and receives comes through here, until the session ends."""

    __slots__ = ("_receive", "_rounds", "_send", "ended", "turn", "watch")

    def __init__(self, watch: Watch, receive: Receive, send: Send, rounds: _Rounds) -> None:
        self.watch = watch
        self.turn = hash(watch.key) % len(rounds.turns)
        self.ended = False
        self._receive = receive
        self._send = send
        self._rounds = rounds

    @property
    def keys(self) -> tuple[str, ...]:
        """What the session behind it can be ended by."""
        return self.watch.keys

    def wake(self) -> None:
        """Look at once whether the session still counts."""
        self._rounds.wake(self)

    def end(self) -> None:
        """The session was ended by its own browser; with a session in the cookie nobody else would know."""
        self.watch.signed_out = True
        self.wake()

    async def send(self, message: Message) -> None:
        if not self.ended:
            await self._send(message)

    async def receive(self) -> Message:
        message = await self._receive()
        return {"type": "websocket.disconnect", "code": SESSION_ENDED} if self.ended else message

    async def close(self) -> None:
        """Tell the client that the session ended. One that is gone, or takes nothing, is told nothing."""
        with contextlib.suppress(Exception), anyio.move_on_after(CLOSE_SECONDS):
            await self._send({"type": "websocket.close", "code": SESSION_ENDED, "reason": "session ended"})


class Attendance:
    """The open sockets of one middleware."""

    def __init__(self, world: AsyncWorld, sockets: OpenSockets) -> None:
        self._world = world
        self._sockets = sockets
        self._rounds: dict[object, _Rounds] = {}

    async def attend(self, watch: Watch, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Run *app* behind a socket; its messages pass for as long as the session lives."""
        here = anyio.lowlevel.current_token()
        rounds = self._rounds.get(here)
        if rounds is None:
            rounds = self._rounds[here] = _Rounds(self._world)
        socket = Socket(watch, receive, send, rounds)
        self._sockets.add(socket)
        rounds.add(socket)
        try:
            await app(scope, socket.receive, socket.send)
        finally:
            self._sockets.remove(socket)
            if rounds.remove(socket):
                self._rounds.pop(here, None)


class _Rounds:
    """The sockets of one event loop, and the task that looks at them while there are any."""

    def __init__(self, world: AsyncWorld) -> None:
        self.turns: list[set[Socket]] = [set() for _ in range(TURNS)]
        self._world = world
        self._open = 0
        self._woken: set[Socket] = set()
        self._bell = anyio.Event()
        self._away = False
        self._task: object = None  # event loops hold their tasks weakly

    def add(self, socket: Socket) -> None:
        self.turns[socket.turn].add(socket)
        self._open += 1
        if self._task is None:
            self._task = _started(self._run)

    def remove(self, socket: Socket) -> bool:
        """Whether it was the last one."""
        self.turns[socket.turn].discard(socket)
        self._woken.discard(socket)
        self._open -= 1
        if not self._open:
            self._bell.set()
        return not self._open

    def wake(self, socket: Socket) -> None:
        """Look at *socket* at once. From another thread: within a second, when the next turn begins."""
        self._woken.add(socket)
        self._bell.set()

    async def _run(self) -> None:
        try:
            await self._take_turns()
        finally:
            self._task = None

    async def _take_turns(self) -> None:
        pause, turn = RECHECK_SECONDS / len(self.turns), 0
        next_turn = anyio.current_time() + pause
        while self._open:
            with anyio.move_on_after(next_turn - anyio.current_time()):
                await self._bell.wait()
            self._bell = anyio.Event()  # before the look: what ends a session meanwhile is seen next
            woken, self._woken = self._woken, set()
            await self._look(woken)
            if self._away:
                self._woken |= {socket for socket in woken if not socket.ended}  # they have cause to be asked again before their turn
            if anyio.current_time() >= next_turn:
                await self._look(self.turns[turn])
                turn = (turn + 1) % len(self.turns)
                next_turn = max(next_turn + pause, anyio.current_time())

    async def _look(self, sockets: Iterable[Socket]) -> None:
        """Close those of *sockets* whose session is over."""
        self._away = False
        sessions = _by_session(sockets)
        waiting = iter(sessions)
        async with anyio.create_task_group() as group:
            for _ in range(min(AT_ONCE, len(sessions))):
                group.start_soon(self._work, waiting, group)

    async def _work(self, waiting: Iterator[list[Socket]], group: TaskGroup) -> None:
        for sockets in waiting:
            for socket in await self._over(sockets):
                socket.ended = True
                group.start_soon(socket.close)
            if self._away:  # one is enough to know: nobody else is asked about in this turn
                return

    async def _over(self, sockets: list[Socket]) -> list[Socket]:
        """Those of *sockets*, all of one session, that have to end."""
        try:
            verdicts = await arun(look([socket.watch for socket in sockets]), self._world)
        except OIDCError as error:  # a store that is away ends nothing; it is asked again
            self._away = True
            self._world.log.write(self._world.clock.now(), "session.not_checked", logging.WARNING, error.code, error.detail)
            return []
        except Exception as error:  # noqa: BLE001  # a fault of ours or of a rule: nobody gets in, and nobody stays (ER-03)
            self._world.log.fault(self._world.clock.now(), error)
            return sockets
        return [socket for socket, counts in zip(sockets, verdicts, strict=True) if not counts]


def _by_session(sockets: Iterable[Socket]) -> list[list[Socket]]:
    sessions: dict[str, list[Socket]] = {}
    for socket in sockets:
        if not socket.ended:
            sessions.setdefault(socket.watch.key, []).append(socket)
    return list(sessions.values())


def _started(work: Callable[[], Awaitable[None]]) -> object:
    """A task of nobody's in this event loop, which is no part of the request that happens to start it. Result: what keeps it alive."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        import trio  # noqa: PLC0415  # who else would run us

        return trio.lowlevel.spawn_system_task(work, name="oidc_middleware sockets")
    return loop.create_task(_awaited(work), name="oidc_middleware sockets", context=contextvars.Context())


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()


__all__ = ["SESSION_ENDED", "Attendance"]
