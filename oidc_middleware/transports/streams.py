"""Bytes to the provider and back, below httpcore: for a thread, where one limit of time holds for the whole call, and for asyncio.

httpcore's own streams limit each read, so that a thread has no total limit. For asyncio they keep, where nobody can look, what arrived before it was
asked for; it must not pass for the answer to what is asked next (see :mod:`oidc_middleware.transports.wire`). And they take a quarter more time.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from socket import socket
from typing import Any, Final, cast

import httpcore

from oidc_middleware.transports.dial import dial, readable

#: Bytes that wait here to be taken; then the provider has to wait.
_MUCH: Final = 262_144


@contextlib.contextmanager
def _told(on_time: type[Exception], otherwise: type[Exception]) -> Iterator[None]:
    """What the operating system raises, as httpcore says it."""
    try:
        yield
    except TimeoutError as error:
        raise on_time(error) from error
    except OSError as error:  # with SSLError
        raise otherwise(error) from error


# -- for threads -------------------------------------------------------------------------------------------------------------------------------


class Limit:
    """How long one call may take: *seconds* for all of it, from now on, and *connect* for a connection with TLS, from when that begins."""

    def __init__(self, seconds: float, connect: float) -> None:
        self._until = time.monotonic() + seconds
        self._connect = connect

    def left(self) -> float:
        """Seconds. Raises ``TimeoutError`` when there are none."""
        return _left(self._until)

    def connected(self) -> float:
        """Until when a connection that begins now has to be there, by the clock of ``time.monotonic``."""
        return min(self._until, time.monotonic() + self._connect)


def _left(until: float) -> float:
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("the call takes too long")
    return seconds


class ThreadBackend(httpcore.NetworkBackend):
    """Connects for a thread. ``limit`` holds for what is done from now on, and httpcore's own for nothing."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.connected = 0.0

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  # httpcore's
        local_address: str | None = None,  # noqa: ARG002  # httpcore's
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002  # httpcore's
    ) -> httpcore.NetworkStream:
        self.connected = self.limit.connected()
        with _told(httpcore.ConnectTimeout, httpcore.ConnectError):
            return _ThreadStream(dial(host, port, _left(self.connected)), self)


class _ThreadStream(httpcore.NetworkStream):
    def __init__(self, sock: socket, backend: ThreadBackend) -> None:
        self._sock = sock
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002  # httpcore's limit, as above
        with _told(httpcore.ReadTimeout, httpcore.ReadError):
            self._sock.settimeout(self._backend.limit.left())
            return self._sock.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002  # as above
        with _told(httpcore.WriteTimeout, httpcore.WriteError):
            self._sock.settimeout(self._backend.limit.left())
            self._sock.sendall(buffer)

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002  # as above
    ) -> httpcore.NetworkStream:
        with _told(httpcore.ConnectTimeout, httpcore.ConnectError):
            try:
                self._sock.settimeout(_left(self._backend.connected))
                return _ThreadStream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname), self._backend)
            except BaseException:
                self._sock.close()
                raise

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
        if info == "is_readable":
            return readable(self._sock) or (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0)
        return None


# -- for asyncio ---------------------------------------------------------------------------------------------------------------------------------


class AsyncioBackend(httpcore.AsyncNetworkBackend):
    """Connects for a task of asyncio. Whoever calls limits the time as a whole; httpcore's limits hold for the connection and for TLS."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's
        local_address: str | None = None,  # noqa: ARG002  # httpcore's
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002  # httpcore's
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        with _told(httpcore.ConnectTimeout, httpcore.ConnectError):
            async with asyncio.timeout(timeout):
                if _is_address(host):
                    transport, received = await loop.create_connection(_Received, host, port)
                else:
                    sock = await _dialled(host, port, timeout or 60.0)
                    transport, received = await loop.create_connection(_Received, sock=sock)
        return _AsyncioStream(transport, received)


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


async def _dialled(host: str, port: int, seconds: float) -> socket:
    """:func:`dial`, in a thread as every lookup of a name is. If nobody waits for it any more, what it connects is closed."""
    lock, wanted, connected = threading.Lock(), True, list[socket]()

    def work() -> None:
        sock = dial(host, port, seconds)
        with lock:
            if wanted:
                connected.append(sock)
            else:
                sock.close()

    try:
        await asyncio.get_running_loop().run_in_executor(None, work)
    except BaseException:
        with lock:
            wanted = False
            for sock in connected:
                sock.close()
        raise
    return connected[0]


class _Received(asyncio.Protocol):
    """What arrived and was not taken yet."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.over = False
        self.lost = False
        self.error: Exception | None = None
        self.writable: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._arrives: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > _MUCH and self._transport is not None:
            self._transport.pause_reading()
        _wake(self._arrives)

    def eof_received(self) -> None:
        self.over = True
        _wake(self._arrives)

    def connection_lost(self, exc: Exception | None) -> None:
        self.over, self.lost, self.error = True, True, exc
        _wake(self._arrives)
        _wake(self.writable)

    def pause_writing(self) -> None:
        self.writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        _wake(self.writable)
        self.writable = None

    def now_over(self, transport: asyncio.Transport) -> None:
        """What arrives comes through TLS from here on."""
        self._transport = transport

    async def take(self, max_bytes: int) -> bytes:
        """As much as there is; nothing at the end."""
        while not self.data and not self.over:
            self._arrives = asyncio.get_running_loop().create_future()
            if self._transport is not None and not self._transport.is_reading():
                self._transport.resume_reading()
            await self._arrives
        if not self.data and self.error is not None:
            raise httpcore.ReadError(self.error) from self.error
        taken = bytes(self.data[:max_bytes])
        del self.data[:max_bytes]
        return taken


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


class _AsyncioStream(httpcore.AsyncNetworkStream):
    def __init__(self, transport: asyncio.Transport, received: _Received) -> None:
        self._transport = transport
        self._received = received

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, ASYNC109  # httpcore's; see AsyncioBackend
        return await self._received.take(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109  # as above
        self._transport.write(buffer)
        if self._received.writable is not None:
            await self._received.writable
        if self._transport.is_closing():
            raise httpcore.WriteError("the connection ended")

    async def aclose(self) -> None:
        if not self._received.lost:  # asyncio would stumble over a transport that sent its last bytes after the other side's end
            self._transport.abort()  # without a farewell over TLS, for which the other side could keep us waiting
        await asyncio.sleep(0)  # the event loop closes the socket in its next turn

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        with _told(httpcore.ConnectTimeout, httpcore.ConnectError):
            try:
                async with asyncio.timeout(timeout):
                    transport = await loop.start_tls(self._transport, self._received, ssl_context, server_hostname=server_hostname)
            except BaseException:
                await self.aclose()
                raise
        if transport is None:  # it was lost meanwhile
            raise httpcore.ConnectError("the connection ended")
        self._received.now_over(transport)
        return _AsyncioStream(transport, self._received)

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._transport.get_extra_info("ssl_object")
        if info == "is_readable":
            return bool(self._received.data) or self._received.over or readable(self._transport.get_extra_info("socket"))
        return None


Trace = Callable[[str, dict[str, Any]], Any]
