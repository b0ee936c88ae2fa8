"""Two very small servers that call an app in the test process: one speaks ASGI, one WSGI (optionally under ``wsgiref.validate``)."""

from __future__ import annotations

import asyncio
import inspect
import io
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote_to_bytes, urlsplit
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

from oidc_middleware.testing.exchange import Page, Sent

T = TypeVar("T")


class InterfaceViolation(AssertionError):
    """The app broke the rules of ASGI or WSGI."""


def _demand(condition: object, problem: str) -> None:
    if not condition:
        raise InterfaceViolation(problem)


class Server(Protocol):
    """Sends one request to an app and waits for the complete answer. Exceptions of the app come through."""

    def __call__(self, request: Sent) -> Page: ...


class _Loop:
    """One event loop in a daemon thread for the whole process, as a server has: an app's objects never meet a second one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, daemon=True, name="testing-loop").start()
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)


_LOOP = _Loop()


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run *work* in the event loop in which :class:`AsgiServer` calls its apps."""
    return _LOOP.run(work)


def path_parts(request: Sent) -> tuple[str, bytes, bytes]:
    """``(decoded path, raw path, query)`` of a request, as servers hand them to an app."""
    raw, _, query = request.target.partition("?")
    return unquote_to_bytes(raw).decode("utf-8", "surrogateescape"), raw.encode("latin-1"), query.encode("latin-1")


class AsgiServer:
    """Calls an ASGI app. ``path`` includes ``root_path``, as the ASGI specification says."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, request: Sent) -> Page:
        return run_async(self.call(request))

    def scope(self, request: Sent, kind: str = "http") -> dict[str, Any]:
        """The connection scope for *request*."""
        parts, (path, raw_path, query) = urlsplit(request.url), path_parts(request)
        default_port = 443 if parts.scheme in ("https", "wss") else 80
        return {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": "1.1",
            **({"method": request.method} if kind == "http" else {"subprotocols": [], "extensions": {"websocket.http.response": {}}}),
            "scheme": parts.scheme,
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": request.mount,
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers],
            "client": (request.peer, 50000),
            "server": (parts.hostname, parts.port or default_port),
            "state": {},
        }

    async def call(self, request: Sent) -> Page:
        """As calling, for tests that are async themselves or send several requests at once (in the loop of :func:`run_async`)."""
        page, done, unread = Page(0, [], [], request), asyncio.Event(), [request.body]

        async def receive() -> dict[str, Any]:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            await done.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                _demand(page.status == 0, "http.response.start was sent twice")
                page.status = message["status"]
                page.headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in message.get("headers", ())]
            elif message["type"] == "http.response.body":
                _demand(page.status, "a body without a start")
                page.chunks += [message["body"]] if message.get("body") else []
                if not message.get("more_body", False):
                    done.set()

        await self.app(self.scope(request), receive, send)
        _demand(done.is_set(), "the app returned without finishing its answer")
        return page

    def websocket(self, request: Sent, incoming: Iterable[str] = ()) -> list[dict[str, Any]]:
        """Open a WebSocket, send the texts *incoming*, then leave. Returns the messages that the app sent."""
        return run_async(self._websocket(request, list(incoming)))

    async def _websocket(self, request: Sent, incoming: list[str]) -> list[dict[str, Any]]:
        waiting: list[dict[str, Any]] = [{"type": "websocket.connect"}]
        waiting += [{"type": "websocket.receive", "text": text} for text in incoming]
        messages: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return waiting.pop(0) if waiting else {"type": "websocket.disconnect", "code": 1001}

        async def send(message: dict[str, Any]) -> None:
            messages.append(dict(message))

        await self.app(self.scope(request, "websocket"), receive, send)
        return messages


class WsgiServer:
    """Calls a WSGI app; with *validate* under the checks of ``wsgiref.validate`` (PEP 3333)."""

    def __init__(self, app: Any, *, validate: bool = True) -> None:
        self.app = app
        self._called = validator(app) if validate else app

    def environ(self, request: Sent) -> dict[str, Any]:
        """The environ for *request*."""
        parts, (path, _, query) = urlsplit(request.url), path_parts(request)
        wire = path.encode("utf-8", "surrogateescape").decode("latin-1")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": request.mount,
            "PATH_INFO": wire.removeprefix(request.mount),
            "QUERY_STRING": query.decode("latin-1"),
            "REQUEST_URI": request.target,
            "SERVER_NAME": parts.hostname or "",
            "SERVER_PORT": str(parts.port or (443 if parts.scheme == "https" else 80)),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": request.peer,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": parts.scheme,
            "wsgi.input": io.BytesIO(request.body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
        }
        for name, value in request.headers:
            key = name.upper().replace("-", "_")
            key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
            separator = "; " if key == "HTTP_COOKIE" else ","
            environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value
        return environ

    def __call__(self, request: Sent) -> Page:
        page = Page(0, [], [], request)

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
            _demand(page.status == 0 or exc_info, "start_response was called twice")
            page.status, page.headers = int(status[:3]), [(name.lower(), value) for name, value in headers]
            return page.chunks.append

        result = self._called(self.environ(request), start_response)
        try:
            for chunk in result:
                _demand(page.status or not chunk, "a body before start_response")
                page.chunks += [chunk] if chunk else []
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        _demand(page.status, "the app returned without an answer")
        return page


def server_for(app: Any) -> AsgiServer | WsgiServer:
    """The server that *app* wants: coroutine functions (and objects with an async ``__call__``) speak ASGI."""
    call = app if inspect.isfunction(app) or inspect.ismethod(app) else type(app).__call__
    return AsgiServer(app) if inspect.iscoroutinefunction(inspect.unwrap(call)) else WsgiServer(app)
