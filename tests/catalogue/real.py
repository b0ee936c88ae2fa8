"""Real processes and sockets: the scripted provider on a loopback port, applications behind real servers, and the browser that talks to both."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from benchmarks.loopback import free_port
from oidc_middleware.testing import Browser, FakeClock, Page, ScriptedProvider
from tests.interop.programs import ROOT, Program

APPS = Path(__file__).parent / "apps"
SECRET_KEY = "canary-secret-key-0123456789-abcdefghijklm"

#: How each server is told what to serve.
SERVERS = {
    "uvicorn": ("-m", "uvicorn", "asgi_app:app", "--app-dir", str(APPS), "--port", "{port}", "--log-level", "warning"),
    "gunicorn": (
        "-m",
        "gunicorn",
        "wsgi_app:app",
        "--chdir",
        str(APPS),
        "-k",
        "gthread",
        "--threads",
        "4",
        "--workers",
        "1",
        "-b",
        "127.0.0.1:{port}",
    ),
}


class RealTime(FakeClock):
    """The time of day; "random" bytes are reproducible all the same."""

    def now(self):
        return time.time()

    def advance(self, seconds):
        """Nobody turns this one."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        request = httpx.Request(self.command, self.server.origin + self.path, headers=dict(self.headers), content=self.rfile.read(length))
        response = self.server.provider._handle(request)
        self.send_response(response.status_code)
        for name, value in response.headers.items():
            if name != "content-length":
                self.send_header(name, value)
        self.send_header("content-length", str(len(response.content)))
        self.end_headers()
        self.wfile.write(response.content)

    do_GET = do_POST = answer  # noqa: N815  # the names that http.server calls

    def log_message(self, *_):
        """The provider remembers what it was asked."""


@contextlib.contextmanager
def provider_on_a_port(*base_urls, **options):
    """A :class:`ScriptedProvider` that answers on a socket."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.origin = f"http://127.0.0.1:{server.server_address[1]}"
    redirects = [f"{url}/oidc/callback" for url in base_urls]
    server.provider = ScriptedProvider(issuer=server.origin, redirect_uris=redirects, clock=RealTime(), **options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.provider
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


class Net:
    """The wire between a browser and a real server."""

    def __init__(self):
        self.client = httpx.Client(trust_env=False, timeout=60, limits=httpx.Limits(max_keepalive_connections=0))

    def __call__(self, sent):
        answer = self.client.request(sent.method, sent.url, headers=list(sent.headers), content=sent.body)
        return Page(answer.status_code, [(name.lower(), value) for name, value in answer.headers.multi_items()], [answer.content], sent)


def browser_at(base_url, provider):
    """A browser without cookies, in front of what listens at *base_url*."""
    browser = Browser({base_url: _unused}, provider=provider, clock=provider.clock)
    browser._sites = [(base_url, Net())]
    return browser


async def _unused(scope, receive, send):
    raise AssertionError("there is no application in this process")


def settings(provider, base_url, **more):
    """The environment of an application."""
    return {
        "OIDC_ISSUER": provider.issuer,
        "OIDC_CLIENT_ID": provider.client_id,
        "OIDC_CLIENT_SECRET": provider.client_secret,
        "OIDC_SECRET_KEY": SECRET_KEY,
        "OIDC_BASE_URL": base_url,
        "OIDC_PUBLIC": "/health",
        **more,
    }


class Running(Program):
    """A server with our application."""

    def __init__(self, server, port, environ, *more, cwd=ROOT):
        self.base_url = f"http://127.0.0.1:{port}"
        command = [sys.executable, *(part.format(port=port) for part in SERVERS[server]), *more]
        super().__init__(command, {"PYTHONPATH": f"{ROOT}{os.pathsep}{APPS}", **environ}, cwd)

    def ready(self):
        self.wait_for(f"{self.base_url}/health", 90)
        return self

    def ask_to_end(self):
        """SIGTERM, as from every process manager."""
        self._child.send_signal(signal.SIGTERM)

    def ended(self, seconds=60):
        """Its exit code, once it has one."""
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running {seconds} s after SIGTERM\n{self.log}") from None

    @property
    def pid(self):
        return self._child.pid


def until(condition, what, seconds=60):
    """Wait for *condition()*."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


__all__ = ["SERVERS", "Net", "Running", "browser_at", "free_port", "provider_on_a_port", "settings", "until"]
