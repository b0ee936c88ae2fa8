"""The scripted provider on a real loopback socket, where a test decides about each byte; and the middleware with its own client in front of it."""

import contextlib
import socket
import struct

import httpx

from oidc_middleware.asgi import OIDCMiddleware as AsgiMiddleware
from oidc_middleware.wsgi import OIDCMiddleware as WsgiMiddleware
from tests.catalogue.helpers import BASE_URL, Stage
from tests.conformance.party import SECRET_KEY
from tests.transports.harness import AMPLE, Provider

PATHS = {"/.well-known/openid-configuration": "discovery", "/jwks": "jwks", "/token": "token", "/userinfo": "userinfo"}


def reset(peer):
    """End the connection with RST instead of FIN."""
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.sock.close()


class Wire:
    """Listens, passes requests on to ``stage.provider``, and its answers back, but for ``bent``: endpoint to *script(peer, answer)*.

    ``on_accept(peer)`` comes before anything is read; ``calls``: the endpoints that were asked, in order. ``keep_alive``: whether a connection is
    good for more than one request.
    """

    def __init__(self, stage, tls=None, host="127.0.0.1", address=("127.0.0.1", 0)):
        self.stage, self.bent, self.calls, self.on_accept, self.keep_alive = stage, {}, [], None, True
        self.server = Provider(self._serve, tls, address)
        self.host = host

    @property
    def port(self):
        return int(self.server.url.rsplit(":", 1)[1].partition("/")[0])

    @property
    def issuer(self):
        return f"{'https' if self.server.tls else 'http'}://{self.host}:{self.port}"

    def _serve(self, peer):
        if self.on_accept is not None:
            self.on_accept(peer)
        while request := peer.read_request():
            head, _, body = request.partition(b"\r\n\r\n")
            first, *headers = head.decode("latin-1").split("\r\n")
            method, path, _ = first.split(" ")
            self.calls.append(PATHS.get(path, path))
            pairs = [header.partition(": ")[::2] for header in headers]
            answer = self.stage.provider._handle(httpx.Request(method, self.issuer + path, headers=pairs, content=body))
            bend = self.bent.get(self.calls[-1])
            if bend is not None:
                bend(peer, raw(answer))
                return
            peer.send(raw(answer))
            if not self.keep_alive:
                return

    def close(self):
        self.server.close()


def raw(answer, *, framing="length"):
    """*answer* as bytes; *framing*: how its end is told: by ``length``, ``chunked``, or when the connection is ``closed``."""
    body = answer.content
    told = {"length": f"Content-Length: {len(body)}\r\n", "chunked": "Transfer-Encoding: chunked\r\n", "closed": "Connection: close\r\n"}[framing]
    head = f"HTTP/1.1 {answer.status_code} X\r\nContent-Type: {answer.headers.get('content-type', '')}\r\n{told}\r\n".encode()
    if framing == "chunked":
        middle = len(body) // 2
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:middle], body[middle:])) + b"0\r\n\r\n"
    return head + body


class WireStage(Stage):
    """A stage whose middleware calls the provider itself, over sockets."""

    def __init__(self, shell, caplog, *, tls=None, host="127.0.0.1", **options):
        self.wire = None
        self.wire = Wire(self, tls, host)
        self.options = options
        super().__init__(shell, caplog)

    def restart(self, *, registration=None, **options):
        return super().restart(registration={"issuer": self.wire.issuer, **(registration or {})}, **{**self.options, **options})

    def worker(self, **options):
        given = {**self.provider.options(), "base_url": BASE_URL, "secret_key": SECRET_KEY, "clock": self.clock, "trust_env": False, **self.kept}
        given |= options
        app = AsgiMiddleware(self._asgi_probe, **given) if self.shell == "asgi" else WsgiMiddleware(self._wsgi_probe, **given)
        self._limit(app, AMPLE)  # a busy machine is no slow provider
        return app

    def _limit(self, app, seconds):
        transport = app._world.transport
        for http in {transport, getattr(transport, "_http", transport)}:
            http._deadline = http._connect = seconds

    @contextlib.contextmanager
    def hurried(self, deadline=0.4):
        """Calls to the provider have *deadline* seconds inside, for one that will never answer."""
        self._limit(self.app, deadline)
        yield
        self._limit(self.app, AMPLE)

    def forget(self):
        """As a process that has just started: nothing is known of the provider."""
        self.rp.provider = type(self.rp.provider)(self.provider.issuer)

    def close(self):
        self.wire.close()
