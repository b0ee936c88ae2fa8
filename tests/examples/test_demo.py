"""``make demo``: the round trip it makes by itself, and that nothing is left of it afterwards."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # programs are started

EXAMPLES = Path(__file__).parents[2] / "examples"
RUN = [sys.executable, str(EXAMPLES / "demo" / "run.py")]

Environment = Callable[..., dict[str, str]]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_the_check_goes_round_once(environment: Environment) -> None:
    done = subprocess.run([*RUN, "--check"], env=environment(), capture_output=True, check=False, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for sight in (
        "fetched without a session: 401",
        "back on the deep link",
        "Sales shows Ada Lovelace, ada@example.com and the groups admins, engineering",
        "Operations shows Ada Lovelace, ada@example.com and the groups admins, engineering",
        "signed out here and at the provider",
        "asks for a sign-in again",
        "403",
    ):
        assert sight in done.stdout
    assert "WRONG" not in done.stdout


def test_the_check_fails_when_something_is_wrong(environment: Environment) -> None:
    """A dashboard that nobody protects must not pass for one."""
    code = "import check; raise SystemExit(check.check('http://localhost:1', 'http://127.0.0.1:1', 'http://127.0.0.1:1'))"
    environ = environment(PYTHONPATH=f"{EXAMPLES.parent}:{EXAMPLES / 'demo'}")
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, check=False, text=True, timeout=60)
    assert done.returncode == 1
    assert "WRONG" in done.stdout


def test_an_interrupt_ends_everything_and_taken_ports_are_avoided(environment: Environment) -> None:
    with socket.socket() as occupied:
        occupied.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody else has it, which is as good
            occupied.bind(("127.0.0.1", 8000))
            occupied.listen()
        child = subprocess.Popen(RUN, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None
        shown = ""
        while "Ctrl-C ends everything" not in shown:
            line = child.stdout.readline()
            assert line, child.communicate()
            shown += line
        ports = {int(port) for port in re.findall(r"http://(?:localhost|127\.0\.0\.1):(\d+)", shown)}
        assert len(ports) == 3
        assert 8000 not in ports
        assert not any(map(is_free, ports))
        child.send_signal(signal.SIGINT)
        rest, errors = child.communicate(timeout=30)
    assert child.returncode == 0, errors
    assert "Ending." in rest
    assert all(map(is_free, ports))
