"""A provider on a loopback socket that answers as badly as a test tells it to, and every way of calling it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

import anyio
import httpx

from oidc_middleware.protocol.messages import HttpRequest
from oidc_middleware.transports.client import AsyncHttp, SyncHttp

#: Limits that no call of a busy machine meets by accident; short ones are for the tests about limits.
AMPLE = 20.0
DEADLINE = 0.5
CONNECT = 0.3
#: What a call may take at most when its deadline is DEADLINE; generous, because the machine is shared.
PATIENCE = 3.0


class Peer:
    """One accepted connection, seen from the provider's side."""

    def __init__(self, sock: socket.socket, over: threading.Event) -> None:
        self.sock = sock
        self.over = over

    def read_request(self) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.sock.recv(65536)
            if not piece:
                return data
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        while len(body) < length:
            body += self.sock.recv(65536)
        return head + b"\r\n\r\n" + body

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, every: float) -> None:
        """One byte, then a pause, until the test is over or the other side gives up."""
        for byte in data:
            self.sock.sendall(bytes([byte]))
            if self.over.wait(every):
                return

    def wait(self) -> None:
        self.over.wait(30)


class Provider:
    """Runs *script* once for each connection, in a thread; ended by its handle."""

    def __init__(self, script: Callable[[Peer], None], tls: ssl.SSLContext | None = None, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.script = script
        self.tls = tls
        self.requests: list[bytes] = []
        self.connections = 0
        self._over = threading.Event()
        self._listener = socket.create_server(address, backlog=64)
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}/endpoint"

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            self.script(Peer(sock, self._over))
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()

    def close(self) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        for sock in self._open:
            sock.close()


def get(url: str, max_bytes: int = 1_000_000, purpose: str = "discovery") -> HttpRequest:
    return HttpRequest(purpose, "GET", url, max_bytes=max_bytes)


def post(url: str, body: bytes = b"code=the-secret-code&client_secret=hush") -> HttpRequest:
    return HttpRequest("token", "POST", url, {"content-type": "application/x-www-form-urlencoded", "authorization": "Basic aHVzaA=="}, body)


def reply(body: bytes = b"{}", head: str = "", status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body


class Caller:
    """Calls in one of the seven ways. ``cuts_headers``: whether a dripping header meets the total deadline; ``keeps_nothing``: each call has a
    connection of its own."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.cuts_headers = kind != "users-sync-client-wsgi"
        self.keeps_nothing = kind.startswith("own")

    def __call__(self, *requests: HttpRequest, **options: float) -> list[object]:
        """The answers (or the errors) of *requests*, one after the other, in one process and one event loop."""
        options = {"deadline": AMPLE, "connect": AMPLE, **options}
        match self.kind:
            case "own-asgi" | "own-proxied-asgi":
                return anyio.run(self._async, None, requests, options)
            case "users-async-client-asgi":
                return anyio.run(self._async, httpx.AsyncClient, requests, options)
            case "users-sync-client-asgi":
                return anyio.run(self._async, httpx.Client, requests, options)
            case "own-wsgi" | "own-proxied-wsgi":
                return self._sync(None, requests, options)
            case _:
                with httpx.Client(follow_redirects=True) as client:
                    return self._sync(client, requests, options)

    async def _async(self, kind, requests, options):
        if kind is httpx.AsyncClient:
            async with httpx.AsyncClient(follow_redirects=True) as client:
                return await self._each(AsyncHttp(client, trust_env=False, **options), requests)
        if kind is httpx.Client:
            with httpx.Client(follow_redirects=True) as client:
                return await self._each(AsyncHttp(client, trust_env=False, **options), requests)
        http = AsyncHttp(None, trust_env=False, **options)
        http._process.get_own().proxied = self.kind == "own-proxied-asgi"  # httpx as it is asked where there is a proxy, and none on the way
        return await self._each(http, requests)

    @staticmethod
    async def _each(http, requests):
        results = []
        for request in requests:
            try:
                results.append(await http.send(request))
            except Exception as error:
                results.append(error)
        return results

    def _sync(self, client, requests, options):
        http = SyncHttp(client, trust_env=False, **options)
        http._process.get_own().proxied = self.kind == "own-proxied-wsgi"
        results = []
        for request in requests:
            try:
                results.append(http.send(request))
            except Exception as error:
                results.append(error)
        return results
