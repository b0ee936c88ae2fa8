"""The cost of a request behind a real server: requests per second relative to the bare application, and the server's CPU time per request.

The server has one core, the load the other. All servers of a series run all the time; the load goes from one to the next, round by round, so that
whatever else the machine does falls on all of them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import subjects
from figures import Figure
from load import load
from loopback import free_port
from processes import LOAD_CORE, Process

_HERE = Path(__file__).parent

_SERVERS = {
    "asgi": ("-m", "uvicorn", "{app}", "--app-dir", "{here}", "--port", "{port}", "--loop", "uvloop", "--http", "httptools", "--no-access-log",
             "--log-level", "warning"),
    "wsgi": ("-m", "gunicorn", "{app}", "--chdir", "{here}", "-b", "127.0.0.1:{port}", "-k", "gthread", "--workers", "1", "--threads", "4",
             "--keep-alive", "60", "--log-level", "warning"),
}  # fmt: skip


class Server(Process):
    """One application of *module* behind the server of its kind."""

    def __init__(self, kind: str, app: str, module: str = "subjects") -> None:
        port = free_port()
        command = [sys.executable, *(part.format(app=f"{module}:{app}", here=_HERE, port=port) for part in _SERVERS[kind])]
        super().__init__(command, port, {**os.environ, "PYTHONPATH": f"{_HERE.parent}{os.pathsep}{_HERE}"})


@dataclass(frozen=True)
class Subject:
    """What is asked of which server. The first of a series is what the others are held against."""

    name: str
    app: str
    cookies: Sequence[str] = ()
    path: str = "/"
    at_least: float | None = None


ASGI = (
    Subject("bare", "asgi_bare", subjects.our_cookies(subjects.asgi_ours)),
    Subject("oidc_middleware, cookie seen before", "asgi_ours", subjects.our_cookies(subjects.asgi_ours), at_least=0.95),
    Subject("oidc_middleware, cookie new to the process", "asgi_ours", subjects.our_cookies(subjects.asgi_ours, subjects.MANY), at_least=0.90),
    Subject("oidc_middleware, public path, no session", "asgi_ours", (), "/public", at_least=0.97),
    Subject("oidc_middleware, redirect to the provider", "asgi_ours", (), at_least=0.90),
    Subject("least there is: cookie found, user handed on", "asgi_least", subjects.our_cookies(subjects.asgi_ours)),
    Subject("least there is: and one header in the answer", "asgi_least_private", subjects.our_cookies(subjects.asgi_ours)),
    Subject("least there is: redirect made long ago", "asgi_least", ()),
    Subject("Starlette SessionMiddleware and a check", "asgi_session", [subjects.starlette_cookie()]),
)
WSGI = (
    # Not Flask's own cookie: Flask verifies that for every request, asked for or not, and what is bare would pay for a session.
    Subject("bare", "wsgi_bare", subjects.our_cookies(subjects.wsgi_ours)),
    Subject("oidc_middleware, cookie seen before", "wsgi_ours", subjects.our_cookies(subjects.wsgi_ours), at_least=0.95),
    Subject("oidc_middleware, cookie new to the process", "wsgi_ours", subjects.our_cookies(subjects.wsgi_ours, subjects.MANY)),
    Subject("Flask's session and a check", "wsgi_session", [subjects.flask_cookie()]),
)


@contextmanager
def servers(kind: str, series: Sequence[Subject]) -> Iterator[dict[str, Server]]:
    """One server for each application of *series*."""
    with ExitStack() as stack:
        running = {}
        for app in dict.fromkeys(subject.app for subject in series):
            running[app] = Server(kind, app)
            stack.callback(running[app].end)
        yield running


def measure(kind: str, series: Sequence[Subject], seconds: float, number: int) -> list[Figure]:
    """Ratios to the first of *series*, and CPU per request on top of its."""
    with servers(kind, series) as running:
        return compared(running, series, seconds, number)


def compared(running: Mapping[str, Server], series: Sequence[Subject], seconds: float, number: int) -> list[Figure]:
    """The same, of servers that run."""
    rates: dict[str, list[float]] = {subject.name: [] for subject in series}
    costs: dict[str, list[float]] = {subject.name: [] for subject in series}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(number + 1):  # the first is for warming up
            for subject in series:
                server = running[subject.app]
                before = server.cpu()
                rate, count = load(server.url + subject.path, seconds, subject.cookies, subjects.HEADERS, Path(folder), LOAD_CORE)
                if turn:
                    rates[subject.name].append(rate)
                    costs[subject.name].append(1e6 * (server.cpu() - before) / count)
    return list(_figures(series, rates, costs))


def _figures(series: Sequence[Subject], rates: dict[str, list[float]], costs: dict[str, list[float]]) -> Iterator[Figure]:
    """Two ratios for each subject. With its one core full, a server's requests per second are one over its CPU time per request; on a machine that
    others use too, only the CPU time is worth holding against a target.
    """
    bare = series[0].name
    yield Figure("bare, requests per second", "1/s", tuple(rates[bare]))
    yield Figure("bare, CPU per request", "us", tuple(costs[bare]))
    for subject in series[1:]:
        by_rate = tuple(mine / base for mine, base in zip(rates[subject.name], rates[bare], strict=True))
        by_cost = tuple(base / mine for mine, base in zip(costs[subject.name], costs[bare], strict=True))
        yield Figure(f"{subject.name}, by CPU", "ratio", by_cost, at_least=subject.at_least)
        yield Figure("  by requests per second", "ratio", by_rate)
        yield Figure("  CPU on top of bare", "us", tuple(mine - base for mine, base in zip(costs[subject.name], costs[bare], strict=True)))
