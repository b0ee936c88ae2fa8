"""How many calls to the provider are under way at the same time, and who waits for a place among them."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import anyio

from oidc_middleware.protocol.messages import HttpRequest
from oidc_middleware.transports.call import busy

#: The calls that come after the code was spent: failing them would cost the user the login.
_FINISHING: Final = frozenset({"jwks", "userinfo"})
#: A provider that has neither finished nor taken up a call for this long hangs, and there is nothing to wait for (catalogue DS-06).
STILL_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.02


class Slots:
    """Counts calls under way. Who comes to finish a login, whose code is spent, waits for a place.

    Who comes with something new waits as long as the provider answers others, so that a crowd that comes at once signs in at once (catalogue
    F-PR-19), and is sent away as soon as it answers nobody (DS-06). Half of the time that the call may take is left for the call.
    """

    def __init__(self, limit: int) -> None:
        self._beginning = threading.BoundedSemaphore(limit)
        self._finishing = threading.BoundedSemaphore(limit)
        self._moved = time.monotonic()

    @contextmanager
    def taken(self, request: HttpRequest, patience: float) -> Iterator[None]:
        """For threads. *patience*: seconds the call may take, the wait included. Error: ``Unavailable("provider_busy")``."""
        slots, until = self._of(request), self._until(request, patience)
        while not slots.acquire(timeout=_LOOK_SECONDS):
            self._insist(slots, until, request)
        with self._counted(slots):
            yield

    @asynccontextmanager
    async def ataken(self, request: HttpRequest, patience: float) -> AsyncIterator[None]:
        """For coroutines of any event loop, hence no waiting queue of one loop, but a look now and then."""
        slots, until = self._of(request), self._until(request, patience)
        while not slots.acquire(blocking=False):
            self._insist(slots, until, request)
            await anyio.sleep(_LOOK_SECONDS)
        with self._counted(slots):
            yield

    @contextmanager
    def _counted(self, slots: threading.BoundedSemaphore) -> Iterator[None]:
        self._move(slots)
        try:
            yield
        finally:
            slots.release()
            self._move(slots)

    def _move(self, slots: threading.BoundedSemaphore) -> None:
        if slots is self._beginning:
            self._moved = time.monotonic()

    def _insist(self, slots: threading.BoundedSemaphore, until: float, request: HttpRequest) -> None:
        """There is no place now. Raises when waiting for one makes no sense."""
        now = time.monotonic()
        if now >= until or (slots is self._beginning and now - self._moved > STILL_SECONDS):
            raise busy(request)

    def _until(self, request: HttpRequest, patience: float) -> float:
        return time.monotonic() + (patience if self._of(request) is self._finishing else patience / 2)

    def _of(self, request: HttpRequest) -> threading.BoundedSemaphore:
        return self._finishing if request.purpose in _FINISHING else self._beginning
