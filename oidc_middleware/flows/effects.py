"""The closed list of things the middleware can do to the outside world.

A flow yields one of these and is sent the result, or has the error thrown in. ``drive`` is the only place that carries them out. A flow never
yields in a ``finally``: a cancelled request closes the generator, and nothing may be started then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from oidc_middleware.protocol.messages import HttpRequest, HttpResponse

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fetch:
    """Call the provider. Result: :class:`HttpResponse`. Error: :class:`~oidc_middleware.errors.Unavailable` or ``ProviderError``."""

    request: HttpRequest


@dataclass(frozen=True, slots=True)
class Now:
    """The time. Result: seconds since the epoch (``float``). Asked anew after a call to the provider, which may have taken seconds."""


@dataclass(frozen=True, slots=True)
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

    key: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Once(Generic[T]):
    """Run a sub-flow single-flight: callers that arrive with the same *key* while it runs share its result or its error."""

    key: str
    flow: Callable[[], Generator[Any, Any, T]]


@dataclass(frozen=True, slots=True)
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


Effect = Fetch | Now | Random | ReadBody | Claim | Once[Any] | Report

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
