"""Redis processes on free loopback ports, each started and ended by its handle."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time

import redis

from benchmarks.loopback import free_port
from tests.needs import require


class Server:
    """One ``redis-server`` in a folder of its own, without persistence unless *options* say otherwise."""

    program = "redis-server"

    def __init__(self, folder, *options: str, port: int = 0) -> None:
        self.folder = folder
        self.options = options
        self.port = port or free_port()
        self.password = options[options.index("--requirepass") + 1] if "--requirepass" in options else None
        self.process = None
        folder.mkdir(exist_ok=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def arguments(self) -> list[str]:
        return ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.folder), *self.options]

    def start(self):
        log = (self.folder / "log").open("ab")
        with log:
            self.process = subprocess.Popen([require(self.program), *self.arguments()], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.wait()
        return self

    def wait(self) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with contextlib.suppress(redis.RedisError), self.client() as client:
                if client.ping():
                    return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def client(self) -> redis.Redis:
        return redis.Redis("127.0.0.1", self.port, password=self.password, socket_timeout=5)

    def silence(self) -> None:
        """It still accepts connections, and answers nothing."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def speak(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None
