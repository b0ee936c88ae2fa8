"""One call over a connection of its own, as httpx's engine makes it. One that is followed by a second call may leave its connection for that.

httpx adds a pool, in which a connection that is used once is of no use, and which costs a third of a call (docs/benchmarks). Proxies and a user's own
client need all of httpx, see :mod:`oidc_middleware.transports.client`.

A connection may be lost just as it is used again, so only a GET is, which may be repeated; never a code or a refresh token (catalogue F-OP-16,
DI-09). And nothing may be in it: what is there before anybody asked is no answer.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import httpcore
import httpx

from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.transports.call import Body, request_headers
from oidc_middleware.transports.streams import AsyncioBackend, Limit, ThreadBackend, Trace

_ASYNCIO: Final = AsyncioBackend()
_ELSEWHERE: Final = httpcore.AnyIOBackend()


async def exchange(request: HttpRequest, tls: ssl.SSLContext, limits: tuple[float, ...], trace: Trace) -> HttpResponse:
    """The complete answer to *request*. *tls*: for https. *limits*: connect, read and write, in seconds. *trace*: hears how far it got.

    There is no total limit here; the caller cancels. Whatever happens, the connection is closed at the end, or left in ``request.kept``. Raises what
    httpx would raise.
    """
    target, host = _address(request.url)
    connection, leave = _taken(request), False
    if connection is not None and not (request.method == "GET" and _is_silent(connection, target)):
        await connection.aclose()
        connection = None
    on_asyncio = _on_asyncio()
    if connection is None:
        connection = httpcore.AsyncHTTPConnection(target.origin, ssl_context=tls, network_backend=_ASYNCIO if on_asyncio else _ELSEWHERE)
    room = request.kept if on_asyncio and request.method == "POST" else None
    timeout = dict(zip(("connect", "read", "write"), limits, strict=False))
    extensions = {"timeout": timeout, "trace": trace}
    try:
        async with connection.stream(
            request.method, target, headers=_headers(request, host, keep=room is not None), content=_content(request), extensions=extensions
        ) as response:
            received = _received(response.headers)
            body = Body(request, received)
            async for chunk in response.aiter_stream():
                body.add(chunk)
            answer = HttpResponse(response.status, received, body.whole())
        if room is not None and answer.status == 200 and connection.is_available():
            room.connection, leave = connection, True
        return answer
    finally:
        if not leave:
            await connection.aclose()


class _Open:
    """A connection of a thread, and the limit of time it goes by."""

    def __init__(self, origin: httpcore.Origin, tls: ssl.SSLContext, limit: Limit) -> None:
        self.backend = ThreadBackend(limit)
        self.connection = httpcore.HTTPConnection(origin, ssl_context=tls, network_backend=self.backend)
        self.close = self.connection.close


def exchange_in_thread(request: HttpRequest, tls: ssl.SSLContext, limit: Limit, trace: Trace) -> HttpResponse:
    """:func:`exchange`, blocking the calling thread for as long as *limit* says."""
    target, host = _address(request.url)
    line, leave = _taken(request), False
    if line is not None and not (request.method == "GET" and _is_silent(line.connection, target)):
        line.close()
        line = None
    if line is None:
        line = _Open(target.origin, tls, limit)
    line.backend.limit = limit
    room = request.kept if request.method == "POST" else None
    try:
        with line.connection.stream(
            request.method, target, headers=_headers(request, host, keep=room is not None), content=_content(request), extensions={"trace": trace}
        ) as response:
            received = _received(response.headers)
            body = Body(request, received)
            for chunk in response.iter_stream():
                body.add(chunk)
            answer = HttpResponse(response.status, received, body.whole())
        if room is not None and answer.status == 200 and line.connection.is_available():
            room.connection, leave = line, True
        return answer
    finally:
        if not leave:
            line.close()


def _on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # Trio: what arrived too early cannot be seen through TLS there, so nothing is kept
        return False
    return True


@lru_cache(64)
def _address(url: str) -> tuple[httpcore.URL, str]:
    """Where to, and what the ``Host`` header says."""
    parsed = httpx.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise httpx.UnsupportedProtocol("nothing to connect to")
    target = httpcore.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path)
    return target, parsed.netloc.decode("ascii")


def _headers(request: HttpRequest, host: str, *, keep: bool) -> dict[str | bytes, str | bytes]:
    headers: dict[str | bytes, str | bytes] = {"Host": host, "User-Agent": "oidc-middleware"}
    if not keep:  # nobody asks anything over this connection afterwards, so the provider need not keep it either (RFC 9112 9.6)
        headers["Connection"] = "close"
    headers.update(request_headers(request).items())
    return headers


def _content(request: HttpRequest) -> bytes | None:
    return request.body if request.method == "POST" else None


def _received(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return dict(httpx.Headers(list(raw)))


def _taken(request: HttpRequest) -> Any:
    """What an earlier call left for this one, to be used or closed."""
    return None if request.kept is None else request.kept.take()


def _is_silent(connection: Any, target: httpcore.URL) -> bool:
    """Whether *connection* leads to *target*, is open, and nothing came over it since the last answer."""
    ready = connection.can_handle_request(target.origin) and connection.is_available() and not connection.has_expired()
    return ready and _unread(connection) == (b"", False)


def _unread(connection: Any) -> Any:
    """What was read together with the last answer and belongs to no answer, and whether the end was: ``None`` where that cannot be known.

    httpcore does not look at it, and h11 would take it for the next answer, though it was there before anybody asked (response smuggling).
    """
    state = getattr(getattr(connection, "_connection", None), "_h11_state", None)
    return getattr(state, "trailing_data", None)
