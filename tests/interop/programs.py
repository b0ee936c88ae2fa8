"""Programs that a test starts and ends by their handle: real servers on free loopback ports."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import httpx

from benchmarks.loopback import end

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class Program:
    """A child process. Its output goes to a file, so no full or broken pipe can stop it; ``log`` is what it wrote so far."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str] | None = None, cwd: Path = ROOT) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OIDC_")}
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the program
        self._child = subprocess.Popen(
            list(command),
            env=inherited | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)} | dict(environ or {}),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.command = " ".join(command)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def log(self) -> str:
        self._file.seek(0)
        return self._file.read().decode(errors="replace")

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    @property
    def pid(self) -> int:
        return self._child.pid

    def kill(self) -> None:
        """As the kernel does it when memory runs out: not asked, not told."""
        self._child.kill()
        self._child.wait(20)

    @property
    def workers(self) -> list[int]:
        """The process ids of its children."""
        children = Path(f"/proc/{self._child.pid}/task/{self._child.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def wait_for(self, url: str, seconds: float = 30) -> None:
        """Until *url* answers anything. ``AssertionError`` with the log, if the program ends or stays silent."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.running:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(url, timeout=5, trust_env=False)
                return
            time.sleep(0.05)
        raise AssertionError(f"{self.command}: {url} does not answer\n{self.log}")

    def end(self) -> None:
        """Ask the program and its workers to end; insist after ten seconds."""
        if self.running:
            end(self._child)
        self._file.close()


#: How each server is told where to listen. ``{app}`` is the module, in tests/interop/apps.
_SERVERS: dict[str, tuple[str, ...]] = {
    "uvicorn": ("-m", "uvicorn", "{app}:app", "--app-dir", "{apps}", "--port", "{port}", "--log-level", "warning"),
    "hypercorn": ("-m", "hypercorn", "{apps}/{app}:app", "--bind", "127.0.0.1:{port}"),
    "gunicorn": ("-m", "gunicorn", "{app}:app", "--chdir", "{apps}", "-k", "gthread", "--threads", "4", "--workers", "2", "-b", "127.0.0.1:{port}"),
    "waitress": ("-m", "waitress", "--host", "127.0.0.1", "--port", "{port}", "{app}:app"),
}
ASGI_SERVERS = ("uvicorn", "hypercorn")
WSGI_SERVERS = ("gunicorn", "waitress")
SERVERS = ASGI_SERVERS + WSGI_SERVERS


@contextlib.contextmanager
def app_server(server: str, port: int, environ: Mapping[str, str], *more: str) -> Iterator[Program]:
    """The dashboard behind *server*, ready on *port*. *more* arguments override those above."""
    app = "starlette_dashboard" if server in ASGI_SERVERS else "flask_dashboard"
    apps = HERE / "apps"
    command = [*(part.format(app=app, apps=apps, port=port) for part in _SERVERS[server]), *more]
    with Program([sys.executable, *command], {"PYTHONPATH": f"{ROOT}{os.pathsep}{apps}", **environ}) as program:
        program.wait_for(f"http://127.0.0.1:{port}/health")
        yield program
