"""Requests whose effects are stepped by hand, so that a test chooses the interleaving; a model of who may see what beside them.

A :class:`Task` is a request under way: the generator of its flow, and what it waits for. An effect is two half-steps, for what happens out there and
what is heard of it here are two moments. Single flight and shielding are done as the drivers do them (``tests/flows/test_drive`` and
``tests/transports/test_single_flight`` hold those to it).
"""

from dataclasses import dataclass, field
from typing import Any

from oidc_middleware.drive import Known
from oidc_middleware.errors import OIDCError
from oidc_middleware.flows.effects import Connected, Fetch, Once, ReadBody, Shielded, Sleep
from oidc_middleware.flows.gate import gate
from oidc_middleware.flows.lane import Lane, Unsure
from oidc_middleware.flows.messages import PassThrough, Respond
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.stores import instant


class Flight:
    """Work that several tasks of a worker wait for. ``outcome``: ``("send", value)`` or ``("throw", error)``; ``None`` when it was given up."""

    def __init__(self):
        self.over, self.outcome = False, None

    def land(self, outcome):
        self.over, self.outcome = True, outcome


@dataclass
class Frame:
    flow: Any
    flight: Flight | None = None
    key: str = ""
    shield: bool = False


@dataclass
class Task:
    """One request (or call of the operator) in *worker*. ``result`` or ``error`` once it is ``over``."""

    worker: Any
    flow: Any
    name: str
    body: bytes = b""
    before_fetch: Any = lambda: None
    result: Any = None
    error: Any = None
    over: bool = False
    detached: bool = False
    effect: Any = None
    ready: Any = ("send", None)
    waits_for: Flight | None = None
    frames: list = field(default_factory=list)

    def __post_init__(self):
        self.frames = [Frame(self.flow)]

    def half_step(self):
        """Let one thing happen. Whether one could."""
        if self.waits_for is not None:
            if not self.waits_for.over:
                return False
            outcome, self.waits_for = self.waits_for.outcome, None
            if outcome is not None:
                self.ready, self.effect = outcome, None
        elif self.effect is None:
            self._go_on()
        else:
            self._perform(self.effect)
        return True

    def _perform(self, effect):
        match effect:
            case Once(key, flow):
                flight = self.worker.flights.setdefault(key, mine := Flight())
                if flight is mine:
                    self._enter(Frame(flow(), flight=mine, key=key))
                else:
                    self.waits_for = flight
                return
            case Shielded(flow):
                self._enter(Frame(flow(), shield=True))
                return
            case Connected(flow, kept):
                self._enter(Frame(flow(kept)))
                return
            case Sleep(seconds):
                self.ready = ("send", self.worker.clock.advance(seconds))
            case ReadBody():
                self.ready = ("send", self.body)
            case _:
                if isinstance(effect, Fetch):
                    self.before_fetch()
                try:
                    self.ready = ("send", self.worker.world.act(effect, None))
                except OIDCError as error:
                    self.ready = ("throw", error)
        self.effect = None

    def _enter(self, frame):
        self.frames.append(frame)
        self.ready, self.effect = ("send", None), None

    def _go_on(self):
        while True:
            how, what = self.ready
            try:
                self.effect = getattr(self.frames[-1].flow, how)(what)
            except StopIteration as stop:
                self.ready = ("send", stop.value)
            except OIDCError as error:
                self.ready = ("throw", error)
            else:
                return
            frame = self.frames.pop()
            if frame.flight is not None:
                del self.worker.flights[frame.key]
                frame.flight.land(self.ready)
            if not self.frames:
                how, what = self.ready
                self.result, self.error, self.over = (what, None, True) if how == "send" else (None, what, True)
                return

    def cancel(self):
        """The client goes away: everything ends at once but what is shielded, which goes on without anybody there for its result."""
        shield = next((index for index, frame in enumerate(self.frames) if frame.shield), len(self.frames))
        for frame in reversed(self.frames[:shield]):
            frame.flow.close()
            if frame.flight is not None:
                del self.worker.flights[frame.key]
                frame.flight.land(None)
        self.frames = self.frames[shield:]
        self.detached, self.over = True, not self.frames


class Worker:
    """One process: a middleware, whose lane and gate are asked as its shell does."""

    def __init__(self, app, clock):
        self.app, self.clock, self.world = app, clock, app._world
        self.restart()

    def restart(self):
        """The process starts again: what it remembered is gone."""
        # The flow of access_token() is stepped by hand as well.
        self.rp = RelyingParty(self.app._rp.settings, drive=lambda flow: flow, still=instant(self.world.store))
        self.lane, self.flights = Lane(self.rp), {}


def asked(worker, request):
    """What *worker* says to *request*, as a flow of the steps that a shell takes: the lane, perhaps a look into the store, then the gate."""
    recalled, known = worker.lane.recall(request.cookie, request.path, request.now), None
    if isinstance(recalled, Unsure):
        try:
            known = Known(recalled.question, (yield recalled.question))
        except OIDCError as error:
            known = Known(recalled.question, None, error)
        recalled = recalled.settled(known.result)
    if recalled is not None:
        return recalled
    outcome = gate(request, worker.rp)
    return outcome if isinstance(outcome, (PassThrough, Respond)) else (yield from _knowing(known, outcome))


def _knowing(known, flow):
    """*flow*, whose first question need not be asked again if it is the one that is *known*."""
    if known is None:
        return (yield from flow)
    try:
        effect = known.begun(flow, next(flow))
        while True:
            try:
                result = yield effect
            except OIDCError as error:
                effect = flow.throw(error)
            else:
                effect = flow.send(result)
    except StopIteration as end:
        return end.value
    finally:
        flow.close()


@dataclass
class Session:
    """What the model knows of a session, by its ``sid``."""

    sid: str
    person: str
    browser: int
    issued: float | None = None
    used: float = 0.0
    newest_token: int = -1
    cookies: set = field(default_factory=set)


@dataclass
class End:
    """An order to end sessions that was carried out: ``ends(session)`` tells which; ``tick`` is when in the order of things."""

    ends: Any
    tick: int
    time: float
    worker: Any
