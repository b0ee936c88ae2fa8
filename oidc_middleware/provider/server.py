"""Listening on this machine, and on no other address: this provider signs anybody in."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.middleware.trustedhost import TrustedHostMiddleware

from oidc_middleware.errors import ConfigError
from oidc_middleware.protocol.urls import is_loopback_host

if TYPE_CHECKING:
    import uvicorn

    from oidc_middleware.provider.app import Provider

_STARTUP_SECONDS: Final = 10.0


def serve(provider: Provider, host: str = "127.0.0.1", port: int = 0, *, sock: socket.socket | None = None) -> None:
    """Serve until interrupted. A *port* of 0 is the issuer's own when the issuer is on this machine, else any free one.

    *sock* is a socket from :func:`listen` to use instead. Raises :class:`ConfigError` naming ``host`` for an address that is not loopback, and
    when uvicorn (extra ``cli``) is not installed; ``OSError`` when the port is taken.
    """
    listening = sock or listen(host, port or _issuer_port(provider))
    try:
        _server(provider, listening).run(sockets=[listening])
    finally:
        listening.close()


@contextmanager
def serving(provider: Provider, host: str = "127.0.0.1", port: int = 0, *, sock: socket.socket | None = None) -> Iterator[str]:
    """Serve in a thread of this process for as long as the ``with`` block lasts; gives the address, such as ``http://127.0.0.1:49152``."""
    listening = sock or listen(host, port or _issuer_port(provider))
    server = _server(provider, listening)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="development provider", daemon=True)
    thread.start()
    try:
        yield address(listening)
    finally:
        server.should_exit = True
        thread.join(_STARTUP_SECONDS)
        listening.close()


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A listening socket on a loopback address; with a *port* of 0 the system chooses one. Raises :class:`ConfigError` naming ``host``."""
    literal = host.strip("[]")
    if not is_loopback_host(literal):
        raise ConfigError(["host: this provider signs anybody in as anybody, so it listens on loopback addresses only (127.0.0.1, ::1, localhost)"])
    # "localhost" is not looked up: what a resolver answers is not under our control.
    ip = ipaddress.ip_address("127.0.0.1" if literal.lower() == "localhost" else literal)
    return socket.create_server((str(ip), port), family=socket.AF_INET6 if ip.version == 6 else socket.AF_INET)


def address(listening: socket.socket) -> str:
    """Where a socket from :func:`listen` can be reached."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server(provider: Provider, listening: socket.socket) -> uvicorn.Server:
    try:
        import uvicorn  # noqa: PLC0415 - an extra: only those who serve need it
    except ImportError:
        raise ConfigError(["serve: uvicorn is not installed; install oidc-middleware[cli]"]) from None
    # Names other than ours are refused: a web page whose host name was pointed at 127.0.0.1 must not talk to us (DNS rebinding).
    names = {"localhost", "127.0.0.1", "[::1]", urlsplit(provider.issuer).hostname or "", urlsplit(address(listening)).hostname or ""}
    app = TrustedHostMiddleware(provider.app, allowed_hosts=sorted(names - {""}), www_redirect=False)
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=1)
    return uvicorn.Server(config)


def _issuer_port(provider: Provider) -> int:
    parts = urlsplit(provider.issuer)
    return parts.port or 0 if parts.scheme == "http" else 0
