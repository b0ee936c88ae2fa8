"""What each place for sessions costs behind a real server: the same requests to the same application, alternating with the bare one.

Redis runs on the core of the load, so the figures that count are those of the server's own CPU time; what Redis spends is in ``scale.py``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import redis_process
from figures import Figure
from over_http import LOAD_CORE, Server, Subject, compared

#: What a line is called, which case of :mod:`stored_subjects` it is, and its target (docs/performance.md).
_CASES: Final = (
    ("session in the cookie", "cookie", 0.95),
    ("cookie, list of ended ones in Redis", "revocation_redis", None),
    ("memory", "memory", 0.93),
    ("SQLite", "sqlite", 0.80),
    ("Redis", "redis", 0.45),
    ("Redis, local_seconds=2", "redis_local", 0.90),
)


def measure(kind: str, seconds: float, number: int) -> list[Figure]:
    """Ratios to the bare application, and CPU per request on top of its. Without a Redis on this machine its lines are missing."""
    cases = [case for case in _CASES if shutil.which("redis-server") or "redis" not in case[1]]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environ = {"BENCH_FOLDER": str(folder)}
        if shutil.which("redis-server"):
            environ["BENCH_REDIS"] = stack.enter_context(redis_process.running(folder, LOAD_CORE)).url
        os.environ.update(environ)
        running = {"bare": Server(kind, f"{kind}_bare")}
        stack.callback(running["bare"].end)
        series = []
        for name, case, target in cases:
            running[case] = Server(kind, f"{kind}_{case}", "stored_subjects")
            stack.callback(running[case].end)
            series.append(Subject(name, case, _cookies(folder / f"{kind}_{case}.txt"), at_least=target))
        return compared(running, [Subject("bare", "bare", series[0].cookies), *series], seconds, number)


def _cookies(listed: Path) -> list[str]:
    """What a server wrote down once it had signed its browsers in."""
    until = time.monotonic() + 60
    while not listed.exists():
        if time.monotonic() > until:
            raise RuntimeError(f"{listed.name}: nobody signed in")
        time.sleep(0.05)
    return listed.read_text().splitlines()
