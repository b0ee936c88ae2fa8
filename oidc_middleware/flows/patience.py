"""An endpoint of the provider that asked us to wait is left alone until then (RFC 6585 4, RFC 9110 10.2.3; catalogue F-OP-07, DI-08).

For the calls whose answers are not kept: tokens, UserInfo, revocation. Metadata and keys have a memory of their own, in ``metadata``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from oidc_middleware.errors import Unavailable
from oidc_middleware.flows.effects import Flow, current_time, fetch
from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.protocol.responses import asks_to_wait, retry_after


@dataclass(slots=True)
class Patience:
    """Which endpoint is not to be called: by purpose, ``(error code, when it said so, seconds that it named)``."""

    _waits: dict[str, tuple[str, float, int]] = field(default_factory=dict)

    def note(self, request: HttpRequest, response: HttpResponse, now: float) -> None:
        """Take in an answer."""
        code = asks_to_wait(response)
        if code is not None:
            seconds = retry_after(response)
            self._waits[request.purpose] = (code, now, seconds)

    def check(self, purposes: Iterable[str], now: float) -> None:
        """Raises ``Unavailable`` when one of *purposes* is to be left alone. A clock that is set back lengthens no wait."""
        for purpose in purposes:
            code, since, seconds = self._waits.get(purpose, ("", 0.0, 0))
            if abs(now - since) < seconds:
                raise Unavailable(code, f"{purpose}: not called, the provider asked to wait {seconds} s", retry_after=seconds, sent=False)


def ask(patience: Patience, request: HttpRequest) -> Flow[HttpResponse]:
    """:func:`~oidc_middleware.flows.effects.fetch`, unless the provider wants to be left alone: ``Unavailable`` then, and nothing was sent."""
    now = yield from current_time()
    patience.check((request.purpose,), now)
    response = yield from fetch(request)
    now = yield from current_time()
    patience.note(request, response, now)
    return response
