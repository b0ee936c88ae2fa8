"""An endpoint of the provider that asked us to wait is left alone until then (RFC 6585 4, RFC 9110 10.2.3; catalogue F-OP-07, DI-08).

One that did not answer raises the question whether the provider is there at all: :attr:`Patience.life` (F-OP-02).

For the calls whose answers are not kept: tokens, UserInfo, revocation. Metadata and keys have a memory of their own, in ``metadata``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from oidc_middleware.errors import OIDCError, Unavailable
from oidc_middleware.flows.effects import Flow, current_time, fetch
from oidc_middleware.flows.remembered import FAILURE_SECONDS, Memory
from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.protocol.responses import asks_to_wait, retry_after

#: How a call ends that nobody answered. A provider that is busy, or says no, is there.
_SILENCE: Final = frozenset({"provider_unreachable", "provider_timeout"})
#: While nobody answers, one is sent to the provider this often all the same: the address that we ask may be away alone (catalogue F-OP-03).
TRIAL_SECONDS: Final = 60.0


def is_silence(error: OIDCError) -> bool:
    """Whether *error* says that nobody answered."""
    return error.code in _SILENCE


def _sign_of_life() -> Memory[bool]:
    return Memory(fresh=FAILURE_SECONDS, stale=FAILURE_SECONDS)


@dataclass(slots=True)
class Patience:
    """Which endpoint is not to be called: by purpose, ``(error code, when it said so, seconds that it named)``."""

    _waits: dict[str, tuple[str, float, int]] = field(default_factory=dict)
    #: Whether the provider answers. It has a ``failure`` from the call that nobody answered until one that somebody does, whatever it says.
    life: Memory[bool] = field(default_factory=_sign_of_life)
    _tried_at: float = float("-inf")

    def heard(self) -> None:
        """Somebody answered."""
        self.life.failure = None

    def unheard(self, error: Unavailable, now: float) -> None:
        """A call ended with *error*."""
        if is_silence(error):
            if self.life.failure is None:
                self._tried_at = now
            self.life.suspect(error)

    def may_try(self, now: float) -> bool:
        """Whether it is time that somebody goes there to see; whoever is told so does."""
        if abs(now - self._tried_at) < TRIAL_SECONDS:
            return False
        self._tried_at = now
        return True

    def note(self, request: HttpRequest, response: HttpResponse, now: float) -> None:
        """Take in an answer."""
        code = asks_to_wait(response)
        if code is not None:
            seconds = retry_after(response)
            self._waits[request.purpose] = (code, now, seconds)

    def check(self, purposes: Iterable[str], now: float) -> None:
        """Raises ``Unavailable`` when one of *purposes* is to be left alone. A clock that is set back lengthens no wait."""
        if not self._waits:
            return
        for purpose in purposes:
            code, since, seconds = self._waits.get(purpose, ("", 0.0, 0))
            if abs(now - since) < seconds:
                raise Unavailable(code, f"{purpose}: not called, the provider asked to wait {seconds} s", retry_after=seconds, sent=False)


def ask(patience: Patience, request: HttpRequest) -> Flow[HttpResponse]:
    """:func:`~oidc_middleware.flows.effects.fetch`, unless the provider wants to be left alone: ``Unavailable`` then, and nothing was sent."""
    now = yield from current_time()
    patience.check((request.purpose,), now)
    try:
        response = yield from fetch(request)
    except Unavailable as error:
        patience.unheard(error, now)
        raise
    patience.heard()
    now = yield from current_time()
    patience.note(request, response, now)
    return response
