"""Fault-point enumeration (catalogue F-PR-08, F-PR-09): every effect that a flow yields, disturbed in every way that it can be.

:class:`Faults` stands between a middleware's driver and the outside world. It numbers the effects of one step, and disturbs the one it is told to:
with a real answer of the provider or the store that fails, or by cancelling the task of the request. What happens then is the code under test.
"""

import ast
import asyncio
import contextlib
import inspect
import logging
import sys
from pathlib import Path

import httpx

from oidc_middleware import asgi, audit, drive, flows
from oidc_middleware.errors import Unavailable
from oidc_middleware.flows import effects
from oidc_middleware.flows.effects import Claim, Connected, Fetch, Now, Once, Random, ReadBody, Report, Shielded, Sleep, StoreEffect
from oidc_middleware.transports.client import MAX_CONCURRENT

SECRET = "canary-of-a-fault"

#: What a store, of the user's own making too, does instead of what it should: ``before`` it did it, or ``after``.
STORE = {
    "away": ("before", lambda: Unavailable("store_unavailable", "as the test wants it")),
    "full": ("before", lambda: Unavailable("store_full", "as the test wants it")),
    "lost": ("after", lambda: Unavailable("store_unavailable", "the answer was lost")),
    "bug": ("before", lambda: RuntimeError(SECRET)),
    "late": ("after", lambda: TimeoutError(SECRET)),
}
#: What the provider, or the way to it, does. ``lost``: it did what it was asked to.
FETCH = {
    "refused": {"raises": httpx.ConnectError(SECRET)},
    "slow": {"raises": httpx.ReadTimeout(SECRET)},
    "bug": {"raises": RuntimeError(SECRET)},
    "lost": {"edit": lambda _response: (_ for _ in ()).throw(httpx.ReadError(SECRET))},
    "error": {"status": 500, "body": b"{}"},
    "garbage": {"status": 200, "body": SECRET.encode()},
    "huge": {"status": 200, "body": b" " * 3_000_000},
}
#: The task of the request is cancelled while the effect is pending: before it took place, in the middle, and when it had.
CANCELS = ("cancelled before", "cancelled during", "cancelled after")
#: What is much like another one: left out when time is short.
LIKE_OTHERS = {"full", "late", "garbage", "huge", "cancelled during"}
#: From here on, neither the provider nor the store can be reached.
DOWN = "down"
#: Kind of effect -> how it can fail, beside being cancelled. ``None``: there is nothing to fail, and nothing is waited for.
KINDS = {
    Fetch: (*FETCH, DOWN),
    StoreEffect: (*STORE, DOWN),
    Claim: (*STORE, DOWN),
    ReadBody: ("gone",),
    Report: ("bug",),
    Once: (),
    Shielded: (),
    Connected: (),
    Sleep: (),
    Now: None,
    Random: None,
}


def faults_of(effect, world, *, cancels):
    """The names of the faults that *effect* can have in *world*."""
    own = next(faults for kind, faults in KINDS.items() if isinstance(effect, kind))
    if own is None or (isinstance(effect, Claim) and world.store is None):
        return ()
    waits = cancels and not isinstance(effect, Report)
    return (*own, *(CANCELS if waits else ()))


class Faults:
    """Numbers the effects of *stage*'s middleware, and disturbs one: ``disturb(index, fault)``, until ``rest()``."""

    def __init__(self, stage):
        self.stage, self.world = stage, stage.app._world
        self._plain = self.world.act
        self.world.act = self._aact if stage.shell == "asgi" else self._act
        self.task = None
        self.stored = set()
        self.rest()

    def rest(self):
        """Disturb nothing, and count from the beginning."""
        self.seen, self.waits, self._index, self.fault = [], 0, None, None

    def calm(self):
        """The disturbance is over; what it was stays known."""
        self.seen, self._index = [], None

    def disturb(self, index, fault):
        self.rest()
        self._index, self.fault = index, fault

    def points(self, *, cancels, thorough):
        """``(index, fault)`` of all that can happen to the effects seen since the last :meth:`rest`.

        What is come to again and again on one way is disturbed the first and the last time. *thorough*: with faults that are much like others.
        """
        last = {line: index for index, (_, line) in enumerate(self.seen)}
        first = {line: index for index, (_, line) in reversed(list(enumerate(self.seen)))}
        chosen = sorted({*first.values(), *last.values()})
        found = [(index, fault) for index in chosen for fault in faults_of(self.seen[index][0], self.world, cancels=cancels)]
        return [(index, fault) for index, fault in found if thorough or fault not in LIKE_OTHERS]

    def _enter(self, effect):
        """Take note of *effect*. The fault that it is to have."""
        index = len(self.seen)
        self.seen.append((effect, REACHED.note(effect, sys._getframe(2).f_locals["flow"])))
        if isinstance(effect, effects.StoreCreate):
            self.stored.add(effect.key)
        if self._index is not None and index > self._index and self.fault == DOWN and isinstance(effect, (Fetch, StoreEffect, Claim)):
            return DOWN
        if index != self._index:
            return None
        self.disturbed = self.seen[-1]
        return self.fault

    def _act(self, effect, read_body):
        fault = self._enter(effect)
        if isinstance(effect, Sleep):
            self.waits += 1
            return self.stage.clock.advance(effect.seconds)
        if isinstance(effect, ReadBody) and fault:
            return self._plain(effect, lambda limit: b"")  # a client that goes away: the server knows no more of the body
        with self._failing(effect, fault):
            return self._plain(effect, read_body)

    async def _aact(self, effect, read_body):
        fault = self._enter(effect)
        if fault == "cancelled before":
            self.task.cancel()
            await asyncio.sleep(0)
        elif fault == "cancelled during":
            asyncio.get_running_loop().call_soon(self.task.cancel)
        if isinstance(effect, Sleep):
            self.waits += 1
            self.stage.clock.advance(effect.seconds)
            return await asyncio.sleep(0)
        if fault == "gone":
            read_body = _gone
        with self._failing(effect, fault):
            result = await self._plain(effect, read_body)
        if fault == "cancelled after":
            self.task.cancel()
            await asyncio.sleep(0)
        return result

    @contextlib.contextmanager
    def _failing(self, effect, fault):
        """The outside world, with *fault* in it for *effect*."""
        if fault is None or fault.startswith("cancelled") or isinstance(effect, ReadBody):
            yield
        elif isinstance(effect, Fetch):
            self.stage.provider.script(effect.request.purpose, times=1, **FETCH["refused" if fault == DOWN else fault])
            try:
                yield
            finally:
                self.stage.provider.unscript()
        elif isinstance(effect, Report):
            handler = _BrokenHandler()
            audit.logger.addHandler(handler)
            try:
                yield
            finally:
                audit.logger.removeHandler(handler)
        else:
            store = self.world.store
            self.world.store = _Failing(store, *STORE["away" if fault == DOWN else fault], is_async=self.stage.shell == "asgi")
            try:
                yield
            finally:
                self.world.store = store

    # -- nothing is left behind ------------------------------------------------------------------------------------------------------------

    def assert_released(self):
        """No slot for calls, no single flight and no shielded work is left over."""
        assert self.world.flights._runs == {}
        assert not drive._UNFINISHED
        transport = self.world.transport
        own = transport._process.get_own().slots
        assert [own._beginning._value, own._finishing._value] == [MAX_CONCURRENT, MAX_CONCURRENT]
        assert len(self.stage.rp.sockets) == 0


async def _gone(limit):
    async def receive():
        return {"type": "http.disconnect"}

    return await asgi._read_body(receive, limit)


class _BrokenHandler(logging.Handler):
    """A user's own handler that raises, which those of the standard library do not."""

    def emit(self, record):
        raise RuntimeError(SECRET)


class _Failing:
    """*store*, every call of which fails."""

    def __init__(self, store, when, error, *, is_async):
        self._store, self._when, self._error, self._is_async = store, when, error, is_async

    def __getattr__(self, name):
        method = getattr(self._store, name)

        def call(*args, **options):
            if self._when == "after":
                method(*args, **options)
            raise self._error()

        async def acall(*args, **options):
            if self._when == "after":
                await method(*args, **options)
            raise self._error()

        return acall if self._is_async else call


# -- what was reached ------------------------------------------------------------------------------------------------------------------------


class Reached:
    """Which kinds of effects, and which ``yield`` of which flow, the enumeration came to."""

    def __init__(self):
        self.kinds, self.lines = set(), set()

    def note(self, effect, flow):
        """Take note of *effect*, which *flow* yielded. The way to the ``yield``: every line on it."""
        self.kinds.add(type(effect))
        way = []
        while flow is not None:
            way.append((Path(flow.gi_code.co_filename).stem, flow.gi_frame.f_lineno))
            flow = flow.gi_yieldfrom
        self.lines.add(way[-1])
        return tuple(way)

    def missed(self):
        """``module:line: source`` of each ``yield`` in ``flows/`` that was not reached."""
        missed = []
        for path in sorted(Path(flows.__file__).parent.glob("*.py")):
            text = path.read_text(encoding="utf-8")
            places = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Yield)]
            left = [node for node in places if not any((path.stem, line) in self.lines for line in range(node.lineno, node.end_lineno + 1))]
            missed += [f"{path.stem}: {text.splitlines()[node.lineno - 1].strip()}" for node in left]
        return missed


REACHED = Reached()


def all_kinds():
    """Every kind of effect there is."""
    found = {kind for _, kind in inspect.getmembers(effects, inspect.isclass) if kind.__module__ == effects.__name__}
    return {kind for kind in found if kind is not StoreEffect}
