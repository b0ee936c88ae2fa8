"""The suite's applications behind real servers: uvicorn, hypercorn, gunicorn and waitress, each on a loopback port in this process.

In this process, so that the tests' clock, their scripted provider and the application's diary are the ones that the server's application has. What
is real is all that lies between: the server's parser, its loop or its threads, its scope or environ, and the bytes on a socket. gunicorn forks its
workers; here one of its threaded workers runs unforked. The workers that it does fork are in tests/interop.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import uvicorn
import waitress.server
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config as HypercornConfig
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, RejectConnection, RejectData, Request, TextMessage

from oidc_middleware.testing import run_async
from oidc_middleware.testing.exchange import Page
from oidc_middleware.testing.servers import AsgiServer, WsgiServer, server_for

#: Which framework of the suite runs behind which server.
SERVED = ("starlette@uvicorn", "fastapi@hypercorn", "flask@gunicorn", "dash@waitress")
THREADS = 64  # a test sends up to sixty requests at once


def listener() -> socket.socket:
    """A listening socket on a free loopback port."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    listening.setblocking(False)  # noqa: FBT003  # the socket module's own way
    return listening


@contextlib.contextmanager
def uvicorn_runs(app, mount, listening) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, root_path=mount, log_level="warning", timeout_graceful_shutdown=5))

    async def start():
        task = asyncio.ensure_future(server.serve(sockets=[listening]))
        while not server.started:
            assert not task.done(), "uvicorn did not start"
            await asyncio.sleep(0.001)
        return task

    async def end(task):
        server.should_exit = True
        await task

    task = run_async(start())
    yield
    run_async(end(task))


@contextlib.contextmanager
def hypercorn_runs(app, mount, listening) -> Iterator[None]:
    config = HypercornConfig()
    config.bind, config.root_path, config.loglevel, config.graceful_timeout = [f"fd://{os.dup(listening.fileno())}"], mount, "WARNING", 5

    async def start():
        asked = asyncio.Event()
        return asked, asyncio.ensure_future(hypercorn_serve(app, config, shutdown_trigger=asked.wait))

    async def end(asked, task):
        asked.set()
        await task

    asked, task = run_async(start())
    yield
    run_async(end(asked, task))


class _Unforked(ThreadWorker):
    """A worker in a thread of ours: signals belong to the process."""

    def init_signals(self):
        pass


@contextlib.contextmanager
def gunicorn_runs(app, mount, listening) -> Iterator[None]:
    class Application(BaseApplication):
        def load_config(self):
            for name, value in {"threads": THREADS, "loglevel": "warning", "graceful_timeout": 5, "limit_request_line": 8190}.items():
                self.cfg.set(name, value)

        def load(self):
            return app

    application = Application()
    worker = _Unforked(0, os.getppid(), [listening], application, 30, application.cfg, Logger(application.cfg))
    thread = threading.Thread(target=worker.init_process, daemon=True)
    thread.start()
    yield
    worker.handle_exit(None, None)
    thread.join(10)
    worker.tmp.close()
    for end in worker.PIPE:
        os.close(end)
    assert not thread.is_alive(), "gunicorn's worker did not end"


@contextlib.contextmanager
def waitress_runs(app, mount, listening) -> Iterator[None]:
    server = waitress.server.create_server(app, sockets=[listening], threads=THREADS, url_prefix=mount, clear_untrusted_proxy_headers=True)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield
    with contextlib.suppress(OSError):  # the loop may have been awake, and be gone before it is woken
        server.trigger.pull_trigger(server.close)
    server.task_dispatcher.shutdown()
    thread.join(10)
    assert not thread.is_alive(), "waitress did not end"


_RUNS: dict[str, Callable] = {"uvicorn": uvicorn_runs, "hypercorn": hypercorn_runs, "gunicorn": gunicorn_runs, "waitress": waitress_runs}


class Sockets:
    """Real servers of one kind, started when an application is first asked for, and ended together by :meth:`close`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._open = contextlib.ExitStack()
        self._ports: dict[tuple[int, str], int] = {}
        self._apps: list[object] = []  # kept alive: their ids are keys
        self._lock = threading.Lock()

    def port(self, app, mount: str) -> int:
        with self._lock:
            key = (id(app), mount)
            if key not in self._ports:
                listening = self._open.enter_context(listener())
                self._ports[key] = listening.getsockname()[1]
                self._apps.append(app)
                self._open.enter_context(_RUNS[self.kind](app, mount, listening))
            return self._ports[key]

    def server_for(self, app):
        """In the place of the function of that name: the server that a browser speaks to."""
        if isinstance(app, OverSocket):
            return app
        in_process = server_for(app)
        speaks = SocketAsgi if isinstance(in_process, AsgiServer) else SocketWsgi
        return speaks(app, self)

    def close(self) -> None:
        self._open.close()


class OverSocket:
    """Sends one request over a connection of its own and waits for the complete answer."""

    app: object

    def __init__(self, app, sockets: Sockets) -> None:
        super().__init__(app)
        self.sockets = sockets

    def wire(self, request):
        """``(port, target, headers)``: what a proxy sends to this kind of server for an app below ``request.mount``."""
        target, headers = request.target, list(request.headers)
        if request.mount and self.sockets.kind == "uvicorn":  # it adds its root_path to what it receives
            target = target.removeprefix(request.mount)
        if request.mount and self.sockets.kind == "gunicorn":
            headers.append(("SCRIPT_NAME", request.mount))
        return self.sockets.port(self.app, request.mount), target, headers

    def __call__(self, request) -> Page:
        port, target, headers = self.wire(request)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value.encode("latin-1"))
            connection.endheaders(request.body or None)
            answer = connection.getresponse()
            page = Page(answer.status, [(name.lower(), value) for name, value in answer.getheaders()], [], request)
            while chunk := answer.read1(1 << 20):
                page.chunks.append(chunk)
            return page
        finally:
            connection.close()


class SocketWsgi(OverSocket, WsgiServer):
    """A WSGI app behind a real server."""


class SocketAsgi(OverSocket, AsgiServer):
    """An ASGI app behind a real server; WebSockets as well."""

    def websocket(self, request, incoming=()):
        """As in process: the messages that the app sent, told from what came over the wire."""
        port, target, headers = self.wire(request)
        ours = ("host", "upgrade", "connection", "sec-websocket-protocol")
        extra = [(name.encode(), value.encode("latin-1")) for name, value in headers if name not in ours]
        offered = [value.strip() for value in request.header("sec-websocket-protocol").split(",") if value]
        client = WSConnection(ConnectionType.CLIENT)
        host = request.header("host") or urlsplit(request.url).netloc
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(client.send(Request(host=host, target=target, extra_headers=extra, subprotocols=offered)))
            return list(_spoken(client, connection, list(incoming)))


def _spoken(client, connection, texts):
    """What the server says, event by event. The browser leaves once each of its *texts* was answered."""
    waiting, left, refusal = None, False, b""
    while data := connection.recv(1 << 16):
        client.receive_data(data)
        for event in client.events():
            if isinstance(event, RejectData):
                refusal += event.data
                if event.body_finished:
                    yield {"type": "websocket.http.response.body", "body": refusal}
                    return
            elif not (left and isinstance(event, CloseConnection)):
                yield from _message(event)
            if isinstance(event, AcceptConnection):
                waiting = len(texts)
                connection.sendall(b"".join(client.send(TextMessage(data=text)) for text in texts))
            elif isinstance(event, TextMessage):
                waiting -= 1
        if waiting == 0 and not left:
            left = True
            connection.sendall(client.send(CloseConnection(code=1001)))


def _message(event):
    match event:
        case AcceptConnection(extra_headers=headers, subprotocol=subprotocol):
            yield {"type": "websocket.accept", "headers": list(headers), "subprotocol": subprotocol}
        case TextMessage(data=text):
            yield {"type": "websocket.send", "text": text}
        case RejectConnection(status_code=status, headers=headers):
            yield {"type": "websocket.http.response.start", "status": status, "headers": list(headers)}
        case CloseConnection(code=code):
            yield {"type": "websocket.close", "code": code}
