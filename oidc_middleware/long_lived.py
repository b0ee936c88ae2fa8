"""Long answers outlive the request that began them, and end with its session: the part of the shells that waits.

What is asked, and when a session counts, is in :mod:`~oidc_middleware.flows.sockets`. WebSockets are looked after in bulk, by
:mod:`~oidc_middleware.attendance`.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.abc

from oidc_middleware.drive import AsyncWorld, SyncWorld, World, arun, run
from oidc_middleware.errors import OIDCError
from oidc_middleware.flows.gate import watch_answer
from oidc_middleware.flows.messages import Request
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.flows.sockets import RECHECK_SECONDS, Watch

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Seconds that an application has to return after it was told that a long answer is over; then it is cancelled.
GRACE: Final = 0.5
#: The one kind of answer that is complete whenever it ends. All others are broken off, so that half a file does not pass for a whole one.
_EVENTS: Final = "text/event-stream"
#: The server would send a whole file by itself, and nobody could stop it.
_PATHSEND: Final = "http.response.pathsend"


def _not_checked(world: World, error: OIDCError) -> None:
    """A store that is away ends nothing; it is asked again."""
    world.log.write(world.clock.now(), "session.not_checked", logging.WARNING, error.code, error.detail)


# -- ASGI -----------------------------------------------------------------------------------------------------------------------------------


async def _until_ended(watch: Watch, world: AsyncWorld) -> None:
    """Look now, then every half minute, and whenever there is reason to."""
    while True:
        woken = _alarm(watch)  # before the look: what ends the session meanwhile is seen next
        try:
            if not await arun(watch.still_open(), world):
                return
        except OIDCError as error:
            _not_checked(world, error)
        with anyio.move_on_after(RECHECK_SECONDS):
            await woken.wait()


def _alarm(watch: Watch) -> anyio.Event:
    woken = anyio.Event()
    watch.on_wake = woken.set
    return woken


async def attend_answer(
    app: ASGIApp, rp: RelyingParty, world: AsyncWorld, request: Callable[[], Request], scope: Scope, receive: Receive, send: Send
) -> None:
    """Run the application and cut its answer off when the session ends meanwhile (catalogue WS-09). Answers in one piece cost next to nothing."""
    extensions = scope.get("extensions") or {}
    if _PATHSEND in extensions:
        scope = {**scope, "extensions": {name: value for name, value in extensions.items() if name != _PATHSEND}}
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        answer = _Answer(rp, world, request, receive, send, group)
        try:
            await app(scope, answer.received, answer.outgoing)
        except Exception as error:  # noqa: BLE001  # the application's own: it goes on below, not wrapped in a group
            failure = error
        if answer.long:
            group.cancel_scope.cancel()
    if not answer.over:
        if failure is not None:
            raise failure
    elif answer.is_events:  # whatever it raised, it was told to stop
        with anyio.move_on_after(GRACE):
            await send({"type": "http.response.body", "body": b""})


class _Answer:
    """One answer under way. ``long``: it comes in pieces. ``over``: its session ended before it did."""

    __slots__ = ("_group", "_headers", "_listening", "_receive", "_request", "_rp", "_send", "_world", "long", "over")

    def __init__(
        self, rp: RelyingParty, world: AsyncWorld, request: Callable[[], Request], receive: Receive, send: Send, group: anyio.abc.TaskGroup
    ) -> None:
        self._rp, self._world, self._request = rp, world, request
        self._receive, self._send, self._group = receive, send, group
        self._listening: set[anyio.CancelScope] = set()
        self._headers: Iterable[tuple[bytes, bytes]] = ()
        self.long = self.over = False

    @property
    def is_events(self) -> bool:
        return any(name.lower() == b"content-type" and _is_events(value.decode("latin-1")) for name, value in self._headers)

    async def received(self) -> Message:
        if not self.over:
            with anyio.CancelScope() as listening:
                self._listening.add(listening)
                try:
                    return await self._receive()
                finally:
                    self._listening.discard(listening)
        return {"type": "http.disconnect"}

    async def outgoing(self, message: Message) -> None:
        if self.over:
            return
        if message["type"] == "http.response.start":
            self._headers = message.get("headers", ())
        elif not self.long and message.get("more_body"):
            self.long = True
            self._group.start_soon(self._look_after)
        await self._send(message)

    async def _look_after(self) -> None:
        watch = await self._found()
        if watch is not None:
            _alarm(watch)
            self._rp.sockets.add(watch)
            try:
                await _until_ended(watch, self._world)
            finally:
                self._rp.sockets.remove(watch)
        self.over = True
        for listening in self._listening:
            listening.cancel()
        await anyio.sleep(GRACE)
        self._group.cancel_scope.cancel()

    async def _found(self) -> Watch | None:
        while True:
            try:
                return await arun(watch_answer(self._request(), self._rp), self._world)
            except OIDCError as error:
                _not_checked(self._world, error)
            await anyio.sleep(RECHECK_SECONDS)


def _is_events(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == _EVENTS


# -- WSGI -----------------------------------------------------------------------------------------------------------------------------------


class EndingBody:
    """The pieces of an answer, until the session ends (catalogue WS-09). Looked at between pieces: an application that waits cannot be woken.

    What an application sends through ``write()`` (PEP 3333 keeps it for old ones) does not come by here.
    """

    def __init__(self, rp: RelyingParty, world: SyncWorld, request: Callable[[], Request], start_response: StartResponse) -> None:
        self._rp, self._world, self._request, self._start = rp, world, request, start_response
        self._body: Iterable[bytes] = ()
        self._pieces: Iterator[bytes] = iter(())
        self._events = self._begun = False
        self._watch: Watch | None = None
        self._woken = True
        self._looked = 0.0

    def start_response(self, status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
        """The server's, with a look at what is sent."""
        self._events = any(name.lower() == "content-type" and _is_events(value) for name, value in headers)
        return self._start(status, headers, *exc_info)

    def of(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """*body*, looked after unless it is there already."""
        if isinstance(body, (list, tuple)):
            return body
        self._body, self._pieces = body, iter(body)
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = next(self._pieces)
        if not self._begun:
            self._begun = True
        elif self._ended():
            if self._events:
                raise StopIteration
            # What servers know as a connection that is gone: they close it, and do not pretend that the answer was complete.
            raise ConnectionResetError(errno.ECONNRESET, "session ended")
        return piece

    def close(self) -> None:
        """The server is done with it, in whatever way."""
        if self._watch is not None:
            self._rp.sockets.remove(self._watch)
        close = getattr(self._body, "close", None)
        if close is not None:
            close()

    def _wake(self) -> None:
        self._woken = True

    def _ended(self) -> bool:
        now = self._world.clock.now()
        if not self._woken and abs(now - self._looked) < RECHECK_SECONDS:
            return False
        self._woken, self._looked = False, now  # before the look: what ends the session meanwhile is seen next
        try:
            if self._watch is None:
                self._watch = run(watch_answer(self._request(), self._rp), self._world)
                if self._watch is None:
                    return True
                self._watch.on_wake = self._wake
                self._rp.sockets.add(self._watch)
            return not run(self._watch.still_open(), self._world)
        except OIDCError as error:
            _not_checked(self._world, error)
            return False
