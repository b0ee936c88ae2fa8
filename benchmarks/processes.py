"""Server processes on loopback: pinned to a core, watched from outside, ended by their handle."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from load import pinned
from loopback import end

_CORES = sorted(os.sched_getaffinity(0))
#: One core for the server, another for the load, where there are two.
SERVER_CORE, LOAD_CORE = (_CORES[0], _CORES[1]) if len(_CORES) > 1 else (None, None)


class Process:
    """A server process and its workers. It is ready when *port* accepts connections; ``RuntimeError`` with its log if that takes 30 seconds."""

    def __init__(
        self, command: Sequence[str], port: int, environ: Mapping[str, str], *, cwd: Path | None = None, core: int | None = SERVER_CORE
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the server
        self._child = subprocess.Popen(
            command,
            env=dict(environ),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=pinned(core),  # noqa: PLW1509  # no threads run here
        )
        try:
            self._wait(port)
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _wait(self, port: int) -> None:
        until = time.monotonic() + 30
        while self._child.poll() is None and time.monotonic() < until:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self._child.args}: does not start\n{self.log}")

    @property
    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def _processes(self) -> Iterator[Path]:
        """The folders in /proc of this server's session."""
        for status in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                if int(status.read_text().rpartition(")")[2].split()[3]) == self._child.pid:
                    yield status.parent

    def cpu(self) -> float:
        """Seconds that the processes of this server have spent on a CPU, as the scheduler counts them."""
        spent = 0
        for process in self._processes():
            with suppress(OSError):
                spent += sum(int(task.read_text().split()[0]) for task in process.glob("task/*/schedstat"))
        return spent / 1e9

    def memory(self) -> float:
        """Megabytes that belong to these processes alone (what is shared counts in parts: the kernel's ``Pss``)."""
        kilobytes = 0
        for process in self._processes():
            with suppress(OSError):
                lines = (process / "smaps_rollup").read_text().splitlines()
                kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return kilobytes / 1024

    def end(self) -> None:
        end(self._child)
        self._log.close()
