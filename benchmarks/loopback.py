"""Child processes on loopback: a port for each, and an end to each, by its handle."""

from __future__ import annotations

import os
import signal
import socket
import subprocess


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def end(child: subprocess.Popen[bytes]) -> None:
    """Ask *child*, which began a session of its own, and its workers to end; insist after ten seconds."""
    child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # its own session: nothing but what it started
        child.wait()
