"""The comparison with others: what it cannot measure it says, and an answer that is wrong is no measurement."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.checks.tree import ROOT

ISSUER = "http://localhost:9"


@pytest.fixture
def bench(monkeypatch):
    """The benchmark's modules by name; they are scripts, found beside each other."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(ROOT / "benchmarks")):
            del sys.modules[name]


class Answers(BaseHTTPRequestHandler):
    """Answers with what ``server.answer`` makes of the Cookie header: a status, headers, a body."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status, headers, body = self.server.answer(self.headers.get("cookie", ""))
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    """Starts servers of this process: a function of what they answer gives their address."""
    running = []

    def start(answer):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        server.daemon_threads = True
        server.answer = answer
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


def good(cookie):
    return (
        (200, {}, b"ada@example.com")
        if cookie == "session=right"
        else (302, {"location": f"{ISSUER}/authorize?state=x", "set-cookie": "login=x; Path=/"}, b"")
    )


@pytest.fixture(params=["python", *(["wrk"] if shutil.which("wrk") else [])])
def load(request, bench, monkeypatch):
    """``load()`` with each program that makes the load: wrk is never needed, and not asked for."""
    module = bench("load")
    if request.param == "python":
        monkeypatch.setattr(module.shutil, "which", lambda _: None)
    monkeypatch.setattr(module, "CONNECTIONS", 2)
    return module


def test_load_counts_right_answers(load, serve, tmp_path):
    rate, count = load.load(serve(good) + "/", 1, ["session=right"], (), tmp_path, None, "ada@example.com")
    assert rate > 0
    assert count > 0
    rate, count = load.load(serve(good) + "/", 1, [], (), tmp_path, None, ISSUER)  # the answer is in a header
    assert count > 0


@pytest.mark.parametrize("answer", [(200, {}, b"bob@example.com"), (302, {"location": "/login"}, b""), (503, {}, b"ada@example.com")])
def test_load_does_not_count_wrong_ones(load, serve, tmp_path, answer):
    url = serve(lambda _cookie: answer) + "/"
    with pytest.raises(load.Wrong):
        load.load(url, 1, ["session=right"], (), tmp_path, None, "ada@example.com")


class Stand:
    def __init__(self, url):
        self.url = url


def pair(bench, serve, guarded, bare=lambda _cookie: (200, {}, b"ada@example.com")):
    measure = bench("peers.measure")
    made = measure.Pair.__new__(measure.Pair)
    made.peer = next(peer for peer in bench("peers.catalogue").PEERS if peer.login == "/")
    made.bare, made.guarded, made.cookie = Stand(serve(bare)), Stand(serve(guarded)), "session=right"
    return made


def test_a_door_that_works_passes(bench, serve, monkeypatch):
    monkeypatch.setenv("BENCH_ISSUER", ISSUER)
    pair(bench, serve, good)._check()


@pytest.mark.parametrize(
    ("guarded", "message"),
    [
        (lambda _cookie: (200, {}, b"ada@example.com"), "a stranger got 200"),
        (lambda cookie: good("session=right" if cookie else ""), "a stranger got 200"),  # any cookie will do
        (lambda _cookie: good(""), "with the cookie: 302"),
        (lambda cookie: (200, {}, b"bob") if cookie == "session=right" else good(""), "with the cookie: 200"),
        (lambda cookie: good(cookie) if cookie == "session=right" else (302, {"location": "http://elsewhere"}, b""), "a stranger got 302"),
    ],
)
def test_a_door_that_does_not_is_not_measured(bench, serve, monkeypatch, guarded, message):
    monkeypatch.setenv("BENCH_ISSUER", ISSUER)
    with pytest.raises(bench("peers.visitor").Wrong, match=message):
        pair(bench, serve, guarded)._check()


def test_what_is_not_here_is_told_with_what_would_help(bench, monkeypatch, tmp_path):
    env = bench("peers.environments")
    monkeypatch.setattr(env, "MODULES", tmp_path)
    with pytest.raises(env.NotHere, match="apt-get install apache2-bin libapache2-mod-auth-openidc"):
        env.apache()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(env.NotHere, match="apt-get install nodejs npm"):
        env.node()


def test_an_installer_that_fails_is_quoted(bench):
    env = bench("peers.environments")
    code = "import sys; print('Looking', file=sys.stderr); print('ERROR: no matching distribution', file=sys.stderr); sys.exit(1)"
    with pytest.raises(env.NotHere, match=r"^installing flask failed: ERROR: no matching distribution$"):
        env._run([sys.executable, "-c", code], "installing flask")
    env._run([sys.executable, "-c", ""], "nothing")


def test_who_cannot_be_set_up_is_left_out_and_the_others_are_not(bench):
    env, measure, catalogue = bench("peers.environments"), bench("peers.measure"), bench("peers.catalogue")

    def missing():
        raise env.NotHere("the registry does not answer")

    first = dataclasses.replace(catalogue.PEERS[0], prepare=missing)
    second = dataclasses.replace(catalogue.PEERS[1], prepare=lambda: None)
    assert measure.ready([first, second]) == ([second], {first.id: "the registry does not answer"})


def test_an_environment_is_made_again_only_when_something_changed(bench, monkeypatch, tmp_path):
    env = bench("peers.environments")
    ran = []
    monkeypatch.setattr(env, "FOLDER", tmp_path / "peers")
    monkeypatch.setattr(env, "_run", lambda command, *_: ran.append(command) or (tmp_path / "peers" / "flask").mkdir(parents=True, exist_ok=True))
    interpreter = env.python("flask")
    assert interpreter == tmp_path / "peers" / "flask" / "bin" / "python"
    assert len(ran) == 2
    assert {"flask", "authlib"} < set(ran[1])
    assert str(ROOT / "constraints" / "peers" / "flask.txt") in ran[1]
    env.python("flask")
    assert len(ran) == 2
    monkeypatch.setitem(env.PYTHON, "flask", ("flask",))
    env.python("flask")
    assert len(ran) == 4


def test_every_environment_is_pinned(bench):
    """What a peer is asked for has its version in a committed file."""
    env = bench("peers.environments")
    for name, wanted in env.PYTHON.items():
        files = [env.CONSTRAINTS / file for file in (*env._BASE.get(name, ()), f"peers/{name}.txt")]
        pinned = {line.partition("==")[0].lower() for file in files for line in file.read_text().splitlines() if "==" in line}
        assert {package.lower() for package in wanted} <= pinned, name


def test_the_folder_of_the_environments_is_not_committed(bench):
    lines = (ROOT / ".gitignore").read_text().splitlines()
    assert f"/{os.path.relpath(bench('peers.environments').FOLDER, ROOT)}/" in lines


@pytest.mark.parametrize(("answer", "right"), [(good, True), (lambda _cookie: (200, {}, b"bob@example.com"), False)])
def test_a_crowd_tells_every_wait_and_every_wrong_answer(bench, serve, answer, right):
    script = bench("peers.environments").HERE / "crowd.py"
    command = [sys.executable, str(script), serve(answer), "session=right", "0.5", "4", "20"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert len(told["milliseconds"]) == 10
    assert told["strangers"] == ({"start 302": 2, "callback 302": 2} if right else {"start 200": 2})
    assert bool(told["wrong"]) is not right
