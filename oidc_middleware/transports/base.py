"""What ``drive`` needs of an HTTP client: one call, whole answer or typed error."""

from __future__ import annotations

from typing import Protocol

from oidc_middleware.protocol.messages import HttpRequest, HttpResponse


class AsyncTransport(Protocol):
    """Calls the provider from ASGI."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The complete answer, whatever its status. Errors: ``Unavailable`` (not reached, too slow, broken off), ``ProviderError`` (too large)."""
        ...


class SyncTransport(Protocol):
    """Calls the provider from WSGI."""

    def send(self, request: HttpRequest) -> HttpResponse:
        """The same, blocking the calling thread."""
        ...
