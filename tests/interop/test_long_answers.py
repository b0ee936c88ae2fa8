"""Long answers that end with their session (catalogue WS-09), as clients see it behind real servers."""

from __future__ import annotations

import os
import sys
import threading
import time

import httpx
import pytest

from benchmarks.loopback import free_port
from examples.demo.browsing import Browser
from tests.interop import programs, providers
from tests.interop.conftest import Site, settings

pytestmark = pytest.mark.interop

COMMANDS = {
    "uvicorn": ("uvicorn", "long_answers:app", "--app-dir", "{apps}", "--port", "{port}", "--log-level", "warning"),
    "hypercorn": ("hypercorn", "{apps}/long_answers:app", "--bind", "127.0.0.1:{port}"),
    "gunicorn": ("gunicorn", "long_answers:wsgi_app", "--chdir", "{apps}", "-k", "gthread", "--threads", "8", "-b", "127.0.0.1:{port}"),
    "waitress": ("waitress", "--host", "127.0.0.1", "--port", "{port}", "--threads", "8", "long_answers:wsgi_app"),
}


@pytest.fixture(params=COMMANDS)
def site(request, tmp_path):
    port = free_port()
    base_url, apps = f"http://127.0.0.1:{port}", programs.HERE / "apps"
    command = [sys.executable, "-m", *(part.format(apps=apps, port=port) for part in COMMANDS[request.param])]
    with providers.PROVIDERS["own"]([base_url]) as provider:
        environ = settings(provider, base_url, OIDC_END_LONG_RESPONSES="true", OIDC_REVOCATION=f"sqlite:///{tmp_path}/ended.db")
        with programs.Program(command, {"PYTHONPATH": f"{programs.ROOT}{os.pathsep}{apps}", **environ}) as program:
            program.wait_for(f"{base_url}/health")
            yield Site(request.param, program, provider, base_url)
            assert program.running, program.log


class Reader(threading.Thread):
    """A client that reads a long answer for as long as there is something to read."""

    def __init__(self, browser, url):
        super().__init__(daemon=True)
        self._cookies, self._url = dict(browser._client.cookies), url
        self.pieces, self.begun, self.end, self.leaves = [], threading.Event(), None, False

    def run(self):
        try:
            with httpx.stream("GET", self._url, cookies=self._cookies, timeout=30, trust_env=False) as answer:
                assert answer.status_code == 200
                for piece in answer.iter_raw():
                    self.pieces.append(piece)
                    if len(self.pieces) > 3:
                        self.begun.set()
                    if self.leaves:
                        return
            self.end = "complete"
        except httpx.TransportError as error:
            self.end = type(error).__name__


@pytest.mark.row("WS-09")
def test_both_kinds_end_for_who_signed_out_and_for_nobody_else(site):
    mine, other = Browser(), Browser()
    for browser in (mine, other):
        site.sign_in(browser)
    readers = [Reader(browser, site.base_url + path) for browser in (mine, other) for path in ("/events", "/download")]
    for reader in readers:
        reader.start()
    for reader in readers:
        assert reader.begun.wait(20), (reader.end, site.program.log)
    events, download, *others = readers
    mine._client.post(f"{site.base_url}/oidc/logout", headers={"Sec-Fetch-Site": "same-origin", "Origin": site.base_url})
    for reader in (events, download):
        reader.join(20)
        assert not reader.is_alive()
    assert events.end == "complete"
    assert download.end == "RemoteProtocolError", "half a file must not pass for a whole one"
    counts = [len(reader.pieces) for reader in others]
    until = time.monotonic() + 20
    while any(len(reader.pieces) <= count for reader, count in zip(others, counts, strict=True)) and time.monotonic() < until:
        time.sleep(0.05)
    assert all(reader.is_alive() for reader in others)
    assert httpx.get(site.base_url + "/", cookies=dict(other._client.cookies), trust_env=False).text == "ok"
    for reader in others:
        reader.leaves = True
        reader.join(20)
    for browser in (mine, other):
        browser.close()
    if site.server == "waitress":  # tells of the connection that was broken off, and takes nobody's word for a reason
        assert site.program.log.count("Traceback") == site.program.log.count("ConnectionResetError: ") == 1, site.program.log
    else:
        assert "Traceback" not in site.program.log, site.program.log
