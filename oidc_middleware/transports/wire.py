"""One call over a connection of its own: HTTP/1.1 (RFC 9112) as h11 speaks it, over what anyio connects.

A pool, hooks and locks are of no use to a connection that is used once, and cost three times what the call itself does (docs/benchmarks). Proxies
are the HTTP library's business, see :mod:`oidc_middleware.transports.client`.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

import anyio
import h11
from anyio.abc import ByteStream

from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.transports.call import Body, Progress, request_headers

#: The header of an answer, at most (catalogue DI-14); as much as httpx reads.
_MAX_HEADER_BYTES: Final = 100 * 1024
_READ_BYTES: Final = 65_536
_PORTS: Final = {"http": 80, "https": 443}
_SAFE_IN_TARGET: Final = "%/:?@!$&'()*+,;=~[]"


# Errors are told apart by their names, which are httpx's: see call.py. What h11 raises has these names as well.


class InvalidURL(Exception):
    """Nothing to connect to."""


class ConnectTimeout(Exception):
    """No connection in time."""


class ConnectError(Exception):
    """No connection."""


class ReadError(Exception):
    """The connection broke."""


async def exchange(request: HttpRequest, tls: ssl.SSLContext, connect: float, progress: Progress) -> HttpResponse:
    """The complete answer to *request*. *tls*: for https. *connect*: seconds for TCP and TLS together (catalogue DI-07).

    There is no total limit here; the caller cancels. Whatever happens, the connection is closed at the end.
    """
    url = urlsplit(request.url)
    if url.scheme not in _PORTS or not url.hostname or not request.url.isascii():
        raise InvalidURL
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEADER_BYTES)
    written = _written(connection, request, url)
    progress.note("connect_tcp.started")
    stream = await _connected(url, tls, connect)
    try:
        progress.note("send_request_headers.started")
        with contextlib.suppress(anyio.BrokenResourceError):  # who refuses may answer and close before everything was sent
            await stream.send(written)
        return await _received(connection, stream, request, progress)
    finally:
        await anyio.aclose_forcefully(stream)


def _written(connection: h11.Connection, request: HttpRequest, url: SplitResult) -> bytes:
    host = url.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    headers = [
        ("Host", shown if url.port in (None, _PORTS[url.scheme]) else f"{shown}:{url.port}"),
        ("User-Agent", "oidc-middleware"),
        ("Connection", "close"),
        *request_headers(request).items(),
    ]
    if request.body or request.method == "POST":
        headers.append(("Content-Length", str(len(request.body))))
    target = quote((url.path or "/") + (f"?{url.query}" if url.query else ""), safe=_SAFE_IN_TARGET)
    parts = [connection.send(h11.Request(method=request.method, target=target, headers=headers))]
    if request.body:
        parts.append(connection.send(h11.Data(data=request.body)))
    parts.append(connection.send(h11.EndOfMessage()))
    return b"".join(part for part in parts if part)


async def _connected(url: SplitResult, tls: ssl.SSLContext, seconds: float) -> ByteStream:
    host, port = url.hostname or "", url.port or _PORTS[url.scheme]
    try:
        with anyio.fail_after(seconds):
            if url.scheme == "http":
                return await anyio.connect_tcp(host, port)
            # HTTP says how long an answer is, so the end of the TLS connection need not be announced (RFC 9112 9.8).
            return await anyio.connect_tcp(host, port, ssl_context=tls, tls_standard_compatible=False)
    except TimeoutError as error:
        raise ConnectTimeout from error
    except (OSError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
        raise ConnectError from error


async def _received(connection: h11.Connection, stream: ByteStream, request: HttpRequest, progress: Progress) -> HttpResponse:
    status, headers, body = 0, dict[str, str](), Body(request, {})
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await _read(stream))
        elif isinstance(event, h11.Response):
            progress.note("receive_response_headers.complete")
            for name, value in event.headers:
                shown = name.decode("latin-1")
                headers[shown] = f"{headers[shown]}, {value.decode('latin-1')}" if shown in headers else value.decode("latin-1")
            status, body = event.status_code, Body(request, headers)
        elif isinstance(event, h11.Data):
            body.add(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            return HttpResponse(status, headers, body.whole())
        elif not isinstance(event, h11.InformationalResponse):
            raise ReadError


async def _read(stream: ByteStream) -> bytes:
    try:
        return await stream.receive(_READ_BYTES)
    except anyio.EndOfStream:
        return b""
    except anyio.BrokenResourceError as error:
        raise ReadError from error
