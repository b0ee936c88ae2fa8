"""Starting the parts of the demo, waiting until they answer, and ending them again by the handles that started them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import httpx

_HERE = Path(__file__).parent


def free_port(wanted: int, taken: set[int]) -> int:
    """*wanted* if nobody listens there, else a free one. The port is added to *taken*."""
    for candidate in (wanted, 0, 0, 0, 0):
        with socket.socket() as probe:
            if os.name == "posix":  # a port whose last user has just ended is free, too
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            port: int = probe.getsockname()[1]
        if port not in taken and not _answers("localhost", port):
            taken.add(port)
            return port
    raise OSError("no free port on 127.0.0.1")


def _answers(host: str, port: int) -> bool:
    """Whether somebody listens at *host*, which may stand for more than one address (127.0.0.1 and ::1)."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


class Children:
    """The running parts. Leaving the ``with`` block ends them all."""

    def __init__(self) -> None:
        self._running: list[tuple[str, subprocess.Popen[bytes], IO[bytes]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()

    def start(self, script: str, port: int, environ: Mapping[str, str]) -> None:
        """Run *script* of this folder on *port*. A session of its own keeps the terminal's Ctrl-C for us, who then end it in good order."""
        log = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the child
        child = subprocess.Popen(
            [sys.executable, str(_HERE / script), "--port", str(port)],
            env={name: value for name, value in os.environ.items() if not name.startswith("OIDC_")} | dict(environ),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._running.append((script, child, log))

    def wait_for(self, url: str, seconds: float = 30) -> None:
        """Wait until *url* answers 200. Raises :class:`RuntimeError`, with what the children printed, if it never does."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.ended():
            try:
                if httpx.get(url, timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"{url} does not answer\n{self.output()}")

    def ended(self) -> list[str]:
        """The parts that have ended by themselves."""
        return [script for script, child, _ in self._running if child.poll() is not None]

    def output(self) -> str:
        """What the parts have printed."""
        parts = []
        for script, _, log in self._running:
            log.seek(0)
            if text := log.read().decode(errors="replace").strip():
                parts.append(f"--- {script}\n{text[-4000:]}")
        return "\n".join(parts)

    def end(self) -> None:
        """Ask every part to end, in reverse order, and insist after five seconds."""
        for _, child, _ in reversed(self._running):
            child.terminate()
        for _, child, log in reversed(self._running):
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdin is not None:
                child.stdin.close()
            log.close()
        self._running.clear()
