"""One call over a connection of its own, as httpx's engine makes it.

httpx adds a pool, in which a connection that is used once is of no use, and which costs a third of a call (docs/benchmarks). Proxies and a user's own
client need all of httpx, see :mod:`oidc_middleware.transports.client`.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, Final

import httpcore
import httpx

from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.transports.call import Body, request_headers

#: For asyncio and Trio alike.
_BACKEND: Final = httpcore.AnyIOBackend()


async def exchange(request: HttpRequest, tls: ssl.SSLContext, limits: tuple[float, ...], trace: Callable[..., Any]) -> HttpResponse:
    """The complete answer to *request*. *tls*: for https. *limits*: connect, read and write, in seconds. *trace*: hears how far it got.

    There is no total limit here; the caller cancels. Whatever happens, the connection is closed at the end. Raises what httpx would raise.
    """
    url = httpx.URL(request.url)
    if url.scheme not in ("http", "https") or not url.host:
        raise httpx.UnsupportedProtocol("nothing to connect to")
    target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    # The connection is for this call alone, so the provider need not keep it either (RFC 9112 9.6).
    headers: dict[str | bytes, str | bytes] = {"Host": url.netloc, "User-Agent": "oidc-middleware", "Connection": "close"}
    headers.update(request_headers(request).items())
    timeout = dict(zip(("connect", "read", "write"), limits, strict=False))
    async with (
        httpcore.AsyncHTTPConnection(target.origin, ssl_context=tls, network_backend=_BACKEND) as connection,
        connection.stream(
            request.method,
            target,
            headers=headers,
            content=request.body if request.method == "POST" else None,
            extensions={"timeout": timeout, "trace": trace},
        ) as response,
    ):
        received = httpx.Headers(response.headers)
        body = Body(request, received)
        async for chunk in response.aiter_stream():
            body.add(chunk)
        return HttpResponse(response.status, dict(received), body.whole())
