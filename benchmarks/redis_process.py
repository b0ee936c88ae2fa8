"""A ``redis-server`` of our own for a benchmark: loopback, nothing on disk, ended by its handle."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from load import pinned


@dataclass(frozen=True)
class Running:
    """The process, and a client that the benchmark looks with."""

    url: str
    client: Any
    process: subprocess.Popen[bytes]

    def cpu(self) -> float:
        """Seconds that it has spent on a CPU, all its threads together."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


@contextmanager
def running(folder: Path, core: int | None = None) -> Iterator[Running]:
    """One that is empty. Raises ``RuntimeError`` when there is none to be had."""
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("redis-server is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=pinned(core))  # noqa: PLW1509  # no threads run here
    client = redis.Redis("127.0.0.1", port, socket_timeout=30)
    try:
        _wait(client, process, folder / "redis.log")
        yield Running(f"redis://127.0.0.1:{port}/0", client, process)
    finally:
        client.close()
        process.kill()
        process.wait()


def _wait(client: Any, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < until:
        with suppress(redis.RedisError):
            client.ping()
            return
        time.sleep(0.05)
    raise RuntimeError(f"redis-server does not start\n{log.read_text(errors='replace')}")
