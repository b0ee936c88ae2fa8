"""Runs flows: the only place where an effect becomes an action. :func:`run` for WSGI, :func:`arun` for ASGI; everything else is shared."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import PurePath
from typing import Any, Final, NamedTuple, TypeVar

import anyio

from oidc_middleware.audit import AuditLog
from oidc_middleware.clock import Clock, SystemClock, sleep
from oidc_middleware.errors import OIDCError, Unavailable
from oidc_middleware.flows.effects import (
    Claim,
    Connected,
    Effect,
    Fetch,
    Flow,
    Now,
    Once,
    Random,
    ReadBody,
    Report,
    Shielded,
    Sleep,
    StoreEffect,
    StoreGet,
)
from oidc_middleware.stores.base import AsyncStore, SyncStore
from oidc_middleware.transports.base import AsyncTransport, SyncTransport
from oidc_middleware.transports.once import UsedKeys
from oidc_middleware.transports.single_flight import AsyncSingleFlight, SyncSingleFlight

T = TypeVar("T")

#: Effects that are done on the spot, wherever. All a redirect to the provider needs are of these, so no coroutine is made for them.
_AT_ONCE: Final = (Now, Random, Report)


class Known(NamedTuple):
    """The result or error of an effect that was carried out before the flow that wants it was begun."""

    effect: Effect
    result: Any = None
    error: OIDCError | None = None

    def begun(self, flow: Flow[Any], effect: Effect) -> Effect:
        """The next effect of *flow*, which has begun with *effect*: what is known need not be done again."""
        if effect != self.effect:
            return effect
        return flow.send(self.result) if self.error is None else flow.throw(self.error)


class World:
    """What both drivers share: the clock, the log, and what was used up."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.log = AuditLog()
        self.used = UsedKeys()

    def perform(self, effect: Effect) -> Any:
        """The result of an effect that needs no I/O."""
        match effect:
            case Now():
                return self.clock.now()
            case Random():  # the fields are read by name here and below, which patterns do at three times the cost
                return self.clock.random(effect.length)
            case Claim(key, seconds):
                return self.used.claim(key, seconds, self.clock.now())
            case Report():
                return self.log.write(self.clock.now(), effect.event, effect.level, effect.code, effect.detail, effect.correlation_id)
        raise TypeError(f"no driver for the effect {type(effect).__name__}")


class SyncWorld(World):
    """The outside world as a thread sees it."""

    def __init__(self, transport: SyncTransport, clock: Clock | None = None, store: SyncStore | None = None) -> None:
        super().__init__(clock)
        self.transport = transport
        self.store = store
        self.flights = SyncSingleFlight()

    def heard(self, question: StoreGet) -> Known:
        """What the store answers."""
        try:
            return Known(question, question.on(self.store, self.clock.now()))
        except Exception as error:  # noqa: BLE001  # as below
            return Known(question, None, _of_the_store(error))

    def act(self, effect: Effect, read_body: Callable[[int], bytes]) -> Any:
        """Carry *effect* out. Result or error as the effect says."""
        match effect:
            case Fetch(request):
                return self.transport.send(request)
            case Once() | Shielded() | Connected():
                return self._within(effect)
            case ReadBody(max_bytes):
                return read_body(max_bytes)
            case Sleep(seconds):
                return sleep(seconds)
        try:
            match effect:
                case StoreEffect():
                    return effect.on(self.store, self.clock.now())
                case Claim(key, seconds) if self.store is not None:  # used up for all workers
                    return self.store.claim(key, seconds, self.clock.now())
        except Exception as error:  # noqa: BLE001  # whatever a store raises is the surroundings' fault
            raise _of_the_store(error) from None
        return self.perform(effect)

    def _within(self, effect: Once[T] | Shielded[T] | Connected[T]) -> T:
        """The sub-flow of *effect*."""
        if isinstance(effect, Once):
            return self.flights.run(effect.key, lambda: run(effect.flow(), self), effect.threads)
        if isinstance(effect, Shielded):
            return run(effect.flow(), self)  # nobody cancels a thread
        try:
            return run(effect.flow(effect.kept), self)
        finally:
            if effect.kept.connection is not None:
                effect.kept.take().close()


class AsyncWorld(World):
    """The outside world as a coroutine sees it."""

    def __init__(self, transport: AsyncTransport, clock: Clock | None = None, store: AsyncStore | None = None) -> None:
        super().__init__(clock)
        self.transport = transport
        self.store = store
        self.flights = AsyncSingleFlight()

    async def heard(self, question: StoreGet) -> Known:
        """What the store answers."""
        try:
            return Known(question, await question.on(self.store, self.clock.now()))
        except Exception as error:  # noqa: BLE001  # as below
            return Known(question, None, _of_the_store(error))

    async def act(self, effect: Effect, read_body: Callable[[int], Awaitable[bytes]]) -> Any:
        """Carry *effect* out. Result or error as the effect says."""
        match effect:
            case Fetch(request):
                return await self.transport.send(request)
            case Once() | Shielded() | Connected():
                return await self._within(effect)
            case ReadBody(max_bytes):
                return await read_body(max_bytes)
            case Sleep(seconds):
                return await anyio.sleep(seconds)
        try:
            match effect:
                case StoreEffect():
                    return await effect.on(self.store, self.clock.now())
                case Claim(key, seconds) if self.store is not None:  # used up for all workers
                    return await self.store.claim(key, seconds, self.clock.now())
        except Exception as error:  # noqa: BLE001  # whatever a store raises is the surroundings' fault
            raise _of_the_store(error) from None
        return self.perform(effect)

    async def _within(self, effect: Once[T] | Shielded[T] | Connected[T]) -> T:
        """The sub-flow of *effect*."""
        if isinstance(effect, Once):
            return await self.flights.run(effect.key, lambda: arun(effect.flow(), self))
        if isinstance(effect, Shielded):
            return await _shielded(arun(effect.flow(), self))
        try:
            return await arun(effect.flow(effect.kept), self)
        finally:
            if effect.kept.connection is not None:
                await effect.kept.take().aclose()


def _of_the_store(error: Exception) -> OIDCError:
    """Whatever a store raises, a user's own included, is the surroundings' fault, as with the HTTP client (catalogue F-PR-09).

    The detail says what and where. The message is left out: libraries quote keys, values and addresses.
    """
    if isinstance(error, OIDCError):
        return error
    last = traceback.extract_tb(error.__traceback__)[-1]
    return Unavailable("store_unavailable", f"{type(error).__name__} in {last.name}, line {last.lineno} of {PurePath(last.filename).name}")


#: Event loops hold their tasks weakly, so somebody has to keep what goes on after its request has gone.
_UNFINISHED: Final[set[asyncio.Task[Any]]] = set()


async def _shielded(work: Coroutine[Any, Any, T]) -> T:
    """*work*, which goes on when this task is cancelled. anyio's own shield keeps off anyio's scopes alone, and not ``Task.cancel()``."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # Trio has cancel scopes and nothing else
        with anyio.CancelScope(shield=True):
            return await work
    task = asyncio.ensure_future(work)
    _UNFINISHED.add(task)
    task.add_done_callback(_UNFINISHED.discard)
    return await asyncio.shield(task)


async def settled(seconds: float) -> None:
    """Wait for what goes on in this event loop after its request has gone, at most *seconds* (catalogue F-PR-05)."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # as above: there, nothing outlives its request
        return
    unfinished = [task for task in _UNFINISHED if task.get_loop() is loop]
    if unfinished:
        await asyncio.wait(unfinished, timeout=seconds)


def _no_body(_max_bytes: int) -> bytes:
    raise RuntimeError("this flow has no request to read a body from")


async def _no_async_body(max_bytes: int) -> bytes:
    return _no_body(max_bytes)


def run(flow: Flow[T], world: SyncWorld, read_body: Callable[[int], bytes] = _no_body, known: Known | None = None) -> T:
    """Run *flow* to its end in this thread and return its result, or raise its error. *known*: what it is likely to ask first."""
    try:
        effect = next(flow) if known is None else known.begun(flow, next(flow))
        while True:
            try:
                result = world.perform(effect) if isinstance(effect, _AT_ONCE) else world.act(effect, read_body)
            except OIDCError as error:
                effect = flow.throw(error)
            else:
                effect = flow.send(result)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # what a generator returns is not typed
    finally:
        flow.close()


async def arun(flow: Flow[T], world: AsyncWorld, read_body: Callable[[int], Awaitable[bytes]] = _no_async_body, known: Known | None = None) -> T:
    """Run *flow* to its end in this task and return its result, or raise its error. A cancelled task closes the flow. *known*: as above."""
    try:
        effect = next(flow) if known is None else known.begun(flow, next(flow))
        while True:
            try:
                result = world.perform(effect) if isinstance(effect, _AT_ONCE) else await world.act(effect, read_body)
            except OIDCError as error:
                effect = flow.throw(error)
            else:
                effect = flow.send(result)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # what a generator returns is not typed
    finally:
        flow.close()
