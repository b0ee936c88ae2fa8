"""The closed list of things the middleware can do to the outside world.

A flow yields one of these and is sent the result, or has the error thrown in. ``drive`` is the only place that carries them out. A flow never
yields in a ``finally``: a cancelled request closes the generator, and nothing may be started then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from oidc_middleware.protocol.messages import HttpRequest, HttpResponse, KeptConnection

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fetch:
    """Call the provider. Result: :class:`HttpResponse`. Error: :class:`~oidc_middleware.errors.Unavailable` or ``ProviderError``."""

    request: HttpRequest


@dataclass(frozen=True, slots=True)
class Now:
    """The time. Result: seconds since the epoch (``float``). Asked anew after a call to the provider, which may have taken seconds."""


@dataclass(slots=True)  # not frozen: every redirect makes one, and filling what is frozen takes seven times as long
class Random:
    """Unguessable bytes. Result: ``bytes`` of the given length."""

    length: int


@dataclass(frozen=True, slots=True)
class ReadBody:
    """Read the request's body. Result: ``bytes``. Error: ``LoginError("body_too_large")`` past *max_bytes*."""

    max_bytes: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Take *key* for *seconds*; whoever asks first gets ``True``, everybody after that ``False``. Makes a login's state usable once."""

    key: str = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True)
class Once(Generic[T]):
    """Run a sub-flow single-flight: callers that arrive with the same *key* while it runs share its result or its error.

    *threads*: where a caller that waits holds a thread, as many wait for what hangs, and the others get ``Unavailable("provider_busy")``. Signed-in
    users need threads as well (catalogue F-OP-05).
    """

    key: str
    flow: Callable[[], Generator[Any, Any, T]]
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Shielded(Generic[T]):
    """Run a sub-flow to its end, even when the request that wants it is cancelled. Result or error: the sub-flow's.

    For what is lost unless it is stored once it was received: a rotated refresh token (catalogue RF-13).
    """

    flow: Callable[[], Generator[Any, Any, T]]


@dataclass(frozen=True, slots=True)
class Connected(Generic[T]):
    """Run a sub-flow, one call of which may leave its connection for the next. At its end, whatever that is, nothing is open any more.

    For the token request and UserInfo of one sign-in (catalogue F-OP-16). Result or error: the sub-flow's.
    """

    flow: Callable[[KeptConnection], Generator[Any, Any, T]]
    kept: KeptConnection = field(default_factory=KeptConnection)


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait. Result: ``None``."""

    seconds: float


@dataclass(slots=True)  # not frozen: every redirect makes one, and filling what is frozen takes seven times as long
class Report:
    """Tell the log what happened. Result: ``None``.

    *event* is a stable name (``login.failed``), *code* one of the error codes, *correlation_id* what the user's page shows too. *detail* may
    describe hostile input; the driver escapes and shortens it. No field ever holds a secret.
    """

    event: str
    level: int = logging.INFO
    code: str = ""
    detail: str = ""
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class StoreEffect:
    """Something to do in the store of sessions. Error: ``Unavailable``, which never means "no such session".

    ``on`` names the store's method; with an asynchronous store its result is awaited.
    """

    def on(self, store: Any, now: float) -> Any:
        """Do it. *now* is in seconds since the epoch."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class StoreGet(StoreEffect):
    """Read a stored session. Result: ``(data, version)`` or ``None``."""

    key: str

    def on(self, store: Any, now: float) -> Any:
        return store.get(self.key, now)


@dataclass(frozen=True, slots=True)
class StoreCreate(StoreEffect):
    """Store a new session for *ttl* seconds. Result: ``False`` when a logout at or after *issued_at* came first (catalogue LT-16)."""

    key: str
    data: bytes
    ttl: float
    indexes: tuple[str, ...]
    issued_at: float

    def on(self, store: Any, now: float) -> Any:
        return store.create(self.key, self.data, ttl=self.ttl, indexes=self.indexes, issued_at=self.issued_at, now=now)


@dataclass(frozen=True, slots=True)
class StoreReplace(StoreEffect):
    """Write a stored session back, unless somebody else did, or deleted it. Result: whether it was written."""

    key: str
    data: bytes
    version: int
    ttl: float

    def on(self, store: Any, now: float) -> Any:
        return store.replace(self.key, self.data, self.version, ttl=self.ttl, now=now)


@dataclass(frozen=True, slots=True)
class StoreDelete(StoreEffect):
    """Delete a stored session for good: nothing that comes later brings it back within *keep* seconds. Result: whether there was one."""

    key: str
    keep: float

    def on(self, store: Any, now: float) -> Any:
        return store.delete(self.key, keep=self.keep, now=now)


@dataclass(frozen=True, slots=True)
class StoreEnd(StoreEffect):
    """End everything under *index* that was issued until *issued_until*, and what comes too late, for *keep* seconds. Result: how many ended."""

    index: str
    issued_until: float
    keep: float

    def on(self, store: Any, now: float) -> Any:
        return store.delete_index(self.index, issued_until=self.issued_until, keep=self.keep, now=now)


@dataclass(frozen=True, slots=True)
class StoreMarks(StoreEffect):
    """Until when sessions under any of *indexes* were ended. Result: seconds since the epoch, or ``None``."""

    indexes: tuple[str, ...]

    def on(self, store: Any, now: float) -> Any:
        return store.marks(self.indexes, now)


@dataclass(frozen=True, slots=True)
class StoreHolds(StoreEffect):
    """Whether a session lives that *index* finds. Result: ``bool``."""

    index: str

    def on(self, store: Any, now: float) -> Any:
        return store.holds(self.index, now)


@dataclass(frozen=True, slots=True)
class StoreAcquire(StoreEffect):
    """Take the lease of *key* for *seconds*, or prolong it. Result: whether *owner* has it. It ends by itself: whoever holds it may die."""

    key: str
    owner: str
    seconds: float

    def on(self, store: Any, now: float) -> Any:
        return store.acquire(self.key, self.owner, self.seconds, now)


@dataclass(frozen=True, slots=True)
class StoreRelease(StoreEffect):
    """Give the lease of *key* back, if *owner* still has it. Result: ``None``."""

    key: str
    owner: str

    def on(self, store: Any, now: float) -> Any:  # noqa: ARG002  # a lease that is given back is over at any time
        return store.release(self.key, self.owner)


Effect = Fetch | Now | Random | ReadBody | Claim | Once[Any] | Shielded[Any] | Connected[Any] | Sleep | Report | StoreEffect

#: A generator that yields effects and returns ``T``.
Flow = Generator[Effect, Any, T]


def fetch(request: HttpRequest) -> Flow[HttpResponse]:
    """``response = yield from fetch(request)``, with its type known."""
    response: HttpResponse = yield Fetch(request)
    return response


def current_time() -> Flow[float]:
    """``now = yield from current_time()``."""
    now: float = yield Now()
    return now
