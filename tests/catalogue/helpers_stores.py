"""A store in front of a real one that writes down its calls and fails on command, and what tests of sessions on the server do with it."""

import contextlib
import hashlib
import threading

import anyio.to_thread

from oidc_middleware.errors import Unavailable
from oidc_middleware.flows.stored import store_key
from oidc_middleware.stores.base import METHODS
from oidc_middleware.testing.keys import b64url
from tests.conformance.party import assert_strict, codes_on

#: What changes a store. Reading is no offence, writing before a login is (catalogue DS-03).
WRITES = frozenset(METHODS) - {"get", "marks", "holds", "check", "close"}


class Recorder:
    """Calls *inner*, a synchronous store. ``calls``: ``(method, arguments, named arguments)`` of each call.

    ``down[method]``: the code of the ``Unavailable`` that it raises instead, ``"*"`` is for all; ``lost``: methods that do what they should, and
    whose answer is lost; ``pauses[method]``: a :class:`Pause`, once.
    """

    def __init__(self, inner):
        self.inner = inner
        self.calls, self.down, self.lost, self.pauses = [], {}, set(), {}

    def names(self):
        """The methods that were called, in order."""
        return [name for name, *_ in self.calls]

    def writes(self):
        """Those of them that change something."""
        return [name for name in self.names() if name in WRITES]

    def _perform(self, name, args, options):
        self.calls.append((name, args, options))
        code = self.down.get(name, self.down.get("*"))
        if code:
            raise Unavailable(code, "as the test wants it")
        result = getattr(self.inner, name)(*args, **options)
        if name in self.lost:
            raise Unavailable("store_unavailable", "the answer was lost")
        return result


class SyncRecorder(Recorder):
    """For WSGI."""


class AsyncRecorder(Recorder):
    """For ASGI."""


def _add(name):
    def call(self, *args, **options):
        if name in self.pauses:
            self.pauses.pop(name).take()
        return self._perform(name, args, options)

    async def acall(self, *args, **options):
        if name in self.pauses:
            await anyio.to_thread.run_sync(self.pauses.pop(name).take)
        return self._perform(name, args, options)

    setattr(SyncRecorder, name, call)
    setattr(AsyncRecorder, name, acall)


for _name in METHODS:
    _add(_name)


class Pause:
    """A place where one thread waits until the test lets it go on."""

    def __init__(self):
        self._reached, self._go = threading.Event(), threading.Event()

    def take(self):
        self._reached.set()
        assert self._go.wait(20), "the test forgot to go on"

    def reached(self):
        assert self._reached.wait(20), "nobody came to this call"

    def go(self):
        self._go.set()


@contextlib.contextmanager
def held(store, method, step):
    """Run *step()* in a thread up to its next call of *method*; after the block it goes on, and ``result[0]`` is what it returned."""
    pause = store.pauses[method] = Pause()
    result = []
    thread = threading.Thread(target=lambda: result.append(step()))
    thread.start()
    try:
        pause.reached()
        yield result
    finally:
        pause.go()
        thread.join(20)
    assert len(result) == 1


def session_id(stage, browser):
    """The value of the session cookie of *browser*: the id."""
    (value,) = stage.session_of(browser).values()
    return value


def key_of(stage, browser):
    """Where the session of *browser* is kept; worked out independently of the code under test."""
    key = "s:" + b64url(hashlib.sha256(session_id(stage, browser).encode()).digest())
    assert key == store_key(session_id(stage, browser))
    return key


def record_of(stage, store, browser):
    """The record behind *browser*, or ``None``."""
    return store.inner.get(key_of(stage, browser), stage.clock.now())


def assert_503(stage, page, code="store_unavailable"):
    """The answer while the store is away: nobody is let in, no cookie is touched."""
    assert (page.status, codes_on(page)) == (503, [code])
    assert int(page.header("retry-after")) > 0
    assert page.all("set-cookie") == []
    assert_strict(page)
