"""The command line, run in this process against providers on loopback sockets."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

import httpx
import pytest

from oidc_middleware.cli import main
from oidc_middleware.testing import ScriptedProvider
from oidc_middleware.testing.authorize import parameters_of, request_problems
from tests.stores.servers import Server

BASE_URL = "https://app.example.com"
SECRET = "canary-client-secret-0123456789-abcdef"


class OnSocket(ScriptedProvider):
    """The scripted provider behind a loopback socket. ``headers``: what every answer carries besides its own; ``None`` leaves one out.

    ``answers`` is what the authorization endpoint says to a request without a user, as a function of its parameters and what is wrong with them.
    """

    def __init__(self, tls=None, **options):
        self.headers, self.paths = {"Date": lambda: formatdate(usegmt=True)}, []
        self.answers = nobody_is_signed_in
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.handle(self)

            do_POST = do_GET  # noqa: N815  # a name that the standard library gives

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_):
                """Who hangs up on an answer that is too large is in the right."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        scheme = "http" if tls is None else "https"
        super().__init__(issuer=f"{scheme}://127.0.0.1:{self._server.server_port}", **options)

    def handle(self, handler):
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        self.paths.append(f"{handler.command} {handler.path.partition('?')[0]}")
        url = self.issuer + handler.path
        answer = (
            self._authorize(url)
            if handler.path.startswith("/authorize?")
            else self._handle(httpx.Request(handler.command, url, headers=dict(handler.headers), content=body))
        )
        handler.send_response_only(answer.status_code)
        given = {**self.headers, **answer.headers, "content-length": str(len(answer.content)), "connection": "close"}
        for name, value in given.items():
            if value is not None:
                handler.send_header(name, value() if callable(value) else value)
        handler.end_headers()
        handler.wfile.write(answer.content)

    def _authorize(self, url):
        _, parameters, problems = parameters_of(url)
        problems += request_problems(parameters, client_id=self.client_id, redirect_uris=self.redirect_uris)
        return self.answers(parameters, problems)

    def close(self):
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


def nobody_is_signed_in(parameters, problems):
    """As careful providers answer ``prompt=none``."""
    if problems:
        return httpx.Response(400, html="Unknown client or redirect URI.")
    assert parameters["prompt"] == "none"
    return redirect(parameters, error="login_required")


def redirect(parameters, **answer):
    """An authorization response."""
    return httpx.Response(302, headers={"location": f"{parameters['redirect_uri']}?{urlencode({**answer, 'state': parameters['state']})}"})


@pytest.fixture
def provider():
    provider = OnSocket()
    yield provider
    provider.close()


class Shell:
    """Runs commands. ``out`` and ``err`` are what the last one wrote; no secret may be in either, nor in the log."""

    def __init__(self, monkeypatch, capsys, caplog):
        self._monkeypatch, self._capsys, self._caplog = monkeypatch, capsys, caplog
        self.secrets = {SECRET}

    def settings(self, **values):
        """Set ``OIDC_*`` variables; ``None`` removes one."""
        for name, value in values.items():
            variable = f"OIDC_{name.upper()}"
            if value is None:
                self._monkeypatch.delenv(variable, raising=False)
            else:
                self._monkeypatch.setenv(variable, value)

    def at(self, provider, **values):
        """The settings of a client of *provider*."""
        self.settings(**{**provider.options(), "base_url": BASE_URL, **values})
        return self

    def __call__(self, *arguments):
        self._capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        self.out, self.err = self._capsys.readouterr()
        written = self.out + self.err + self._caplog.text
        assert [secret for secret in self.secrets if secret in written] == []
        return code

    def json(self, *arguments, code):
        """The answer of a command that is to end with *code*, which says nothing but JSON."""
        assert self(*arguments, "--json") == code, (self.out, self.err)
        assert self.err == ""
        return json.loads(self.out)

    def check(self, *arguments, code=0):
        """The findings of ``check``: level -> about -> text and advice."""
        answer = self.json("check", *arguments, code=code)
        assert answer["result"] == ("ok" if code == 0 else "problems")
        found = {"ok": {}, "note": {}, "warning": {}, "problem": {}}
        for finding in answer["findings"]:
            words = f"{finding['text']} {finding['advice']}".strip()
            found[finding["level"]].setdefault(finding["about"], "")
            found[finding["level"]][finding["about"]] += words
        assert answer["problems"] == sum(finding["level"] == "problem" for finding in answer["findings"])
        self.register = answer["register"]
        return found


@pytest.fixture
def shell(monkeypatch, capsys, caplog):
    caplog.set_level(logging.DEBUG)
    return Shell(monkeypatch, capsys, caplog)


@pytest.fixture
def redis_server(tmp_path):
    """``redis_server("--option", ...)`` starts one of its own; all are ended with the test."""
    with contextlib.ExitStack() as stack:

        def start(*options):
            server = Server(tmp_path / "redis", *options)
            stack.callback(server.stop)
            return server.start()

        yield start
