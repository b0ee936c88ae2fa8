"""The scripted provider of the tests on a socket, for relying parties in other processes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from oidc_middleware.testing import ScriptedProvider


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a connection that a worker keeps open holds nobody up
    provider: ScriptedProvider


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _answer(self) -> None:
        length = int(self.headers.get("content-length", "0"))
        provider = self.server.provider
        request = httpx.Request(self.command, provider.issuer + self.path, headers=list(self.headers.items()), content=self.rfile.read(length))
        try:
            answer = provider._handle(request)
        except httpx.TransportError:  # scripted: the connection breaks
            self.close_connection = True
            return
        with contextlib.suppress(OSError):  # whoever asked may be dead by now
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name != "content-length":
                    self.send_header(name, value)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

    do_GET = do_POST = _answer  # noqa: N815  # the names that the library looks for

    def log_message(self, *_: object) -> None:
        """The provider keeps a record itself."""


@contextlib.contextmanager
def on_a_socket(provider: ScriptedProvider) -> Iterator[ScriptedProvider]:
    """*provider* at a free port of 127.0.0.1, under the issuer that fits, for as long as the block lasts."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.provider = provider
        provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, name="scripted provider")
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
