"""F-PR-01 and F-PR-06: workers that come and go in the middle of a login, and workers that were forked off one that was at work already."""

import contextlib
import os
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from oidc_middleware.testing.servers import server_for
from tests.catalogue.helpers import landed, login_url
from tests.catalogue.real import Running, browser_at, free_port, provider_on_a_port, settings, until
from tests.catalogue.scale import scaled

LOGINS, ROUNDS = scaled(12, 1_000), scaled(1, 10)
MODES = {
    "cookie": {},
    "revocation": {"revocation": "sqlite:///{folder}/ended.db"},
    "store": {"store": "sqlite:///{folder}/sessions.db"},
}


@pytest.mark.soak
@pytest.mark.row("F-PR-01")
@pytest.mark.parametrize("mode", MODES)
def test_f_pr_01_no_login_hangs_on_the_worker_it_began_at(stage, mode, tmp_path):
    """Every request of every login is answered by a worker that has just started and knows nothing but its settings."""
    stage.caplog.set_level("ERROR")
    stage.kept = {name: url.format(folder=tmp_path) for name, url in MODES[mode].items()}
    stage.provider.claims_in_id_token = True
    subject = stage.provider.user["sub"]
    workers = []

    def new(browser):
        workers.append(stage.worker())
        browser._sites = [(browser.base_url, server_for(workers.pop()))]

    for number in range(LOGINS):
        browser = stage.browser()
        new(browser)
        location = browser.start_login(f"/page/{number}")
        new(browser)
        assert landed(browser.finish_login(location)) == f"/page/{number}"
        new(browser)
        assert stage.who(browser) == subject
    assert stage.count("token") == LOGINS
    assert stage.provider.complaints == []


def kill_workers(program, count):
    killed = program.workers
    assert len(killed) == count
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(set(program.workers) - set(killed)) == count, "no new workers", 60)
    program.ready()


@pytest.mark.soak
@pytest.mark.row("F-PR-01")
@pytest.mark.interop
@pytest.mark.slow
@pytest.mark.parametrize("server", scaled(["uvicorn"], ["uvicorn", "gunicorn"]))  # interop/test_workers.py does it to three farms
def test_f_pr_01_every_worker_is_killed_while_people_are_at_the_provider(server):
    """Ten logins that began at workers which do not exist any more when they are finished."""
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    with provider_on_a_port(base_url) as provider, Running(server, port, settings(provider, base_url), "--workers", "2") as program:
        program.ready()
        browsers = []
        for _ in range(ROUNDS):
            until(lambda: len(program.workers) == 2, "two workers")
            newcomers = [browser_at(base_url, provider) for _ in range(10)]
            locations = [browser.start_login(login_url("/api")) for browser in newcomers]
            kill_workers(program, 2)
            pages = [browser.finish_login(location) for browser, location in zip(newcomers, locations, strict=True)]
            assert [page.status for page in pages] == [200] * 10, program.log
            browsers += newcomers
        assert {browser.fetch("/api").json()["sub"] for browser in browsers} == {provider.user["sub"]}
        assert len(provider.received("token")) == 10 * ROUNDS
        assert provider.complaints == []


def connections(pid, port):
    """The local ports of the connections of process *pid* to *port* of this machine."""
    held, ports = set(), set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            held.add(str(file.readlink()))
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *_, inode = line.split()[:10]
        if remote == f"0100007F:{port:04X}" and state == "01" and f"socket:[{inode}]" in held:
            ports.add(int(local.partition(":")[2], 16))
    return ports


class Watched:
    """Which connections a Redis server was asked something over."""

    def __init__(self, url):
        self.port = int(url.partition("127.0.0.1:")[2].partition("/")[0])
        self.wire = socket.create_connection(("127.0.0.1", self.port))
        self.wire.sendall(b"MONITOR\r\n")
        assert self.wire.recv(5) == b"+OK\r\n"

    def used(self):
        """The local ports of those whose questions came since the beginning."""
        told, own = b"", self.wire.getsockname()[1]
        self.wire.sendall(b"PING\r\n")
        while b"+PONG" not in told:
            told += self.wire.recv(65536)
        self.wire.close()
        return {int(port) for port in re.findall(rb"\[\d+ 127\.0\.0\.1:(\d+)\]", told)} - {own}


@pytest.mark.row("F-PR-06")
@pytest.mark.interop
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_f_pr_06_workers_forked_off_a_process_that_was_at_work_have_clients_of_their_own(kind, tmp_path, request):
    """gunicorn --preload, with an application that has called its store and its provider before the fork."""
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    url = f"sqlite:///{tmp_path}/s.db" if kind == "sqlite" else f"{request.getfixturevalue('redis_url')}?prefix={tmp_path.name}:"
    with provider_on_a_port(base_url) as provider:
        environ = settings(provider, base_url, OIDC_STORE=url, OIDC_KEEP_TOKENS="true", BEFORE_FORK="1")
        with Running("gunicorn", port, environ, "--workers", "3", "--preload") as program:
            program.ready()
            assert len(provider.received("discovery")) == 1, "the one before the fork"
            watched = Watched(url) if kind == "redis" else None
            browsers = [browser_at(base_url, provider) for _ in range(12)]
            for browser in browsers:
                assert browser.login(login_url("/api")).status == 200, program.log
            served, patience = set(), time.monotonic() + 60
            with ThreadPoolExecutor(len(browsers)) as pool:  # one after the other, all of them may go to the same worker for long
                while len(served) < 3 and time.monotonic() < patience:
                    answers = [page.json() for page in pool.map(lambda browser: browser.fetch("/api"), browsers)]
                    assert {answer["sub"] for answer in answers} == {provider.user["sub"]}
                    served |= {answer["pid"] for answer in answers}
            assert served == set(program.workers)
            assert {browser.fetch("/token").status for browser in browsers} == {200}
            if watched:
                used, first = watched.used(), connections(program.pid, watched.port)
                assert first, "the first process has one, which the others inherited"
                assert not used & first, "and nobody of them speaks over it"
                own = {pid: connections(pid, watched.port) & used for pid in program.workers}
                assert all(own.values())
                assert sum(map(len, own.values())) == len(used), "each connection that is spoken over is one worker's alone"
            assert "Traceback" not in program.log
            assert provider.complaints == []
