"""What those who are signed in notice of strangers: while the provider hangs, and while strangers come as fast as they can.

Ours alone. At each server strangers try to sign in, equally many a second, and each redeems a code, while users who are signed in ask for pages. The
servers differ in the provider: one answers at once, one never answers the token endpoint, one never answers anything. They take turns.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from load import load, pinned
from loopback import free_port
from peers import environments as env
from peers.catalogue import Peer
from peers.measure import CLIENT_ID, CLIENT_SECRET, start
from peers.visitor import ADA, Wrong
from processes import LOAD_CORE, Process
from subjects import HEADERS

from oidc_middleware.asgi import OIDCMiddleware
from oidc_middleware.testing import session_set_cookies

PROVIDERS: Final = ("well", "silent-tokens", "silent")
#: Sign-ins that begin each second, at each server.
STRANGERS: Final = 10
#: Pages that signed-in users want each second, there too.
USERS: Final = 50


@dataclass
class Outage:
    """Milliseconds, one value for each round: the slowest percent of the requests of signed-in users begins there."""

    server: str
    p99_ms: dict[str, list[float]]


@dataclass
class Flood:
    """Megabytes once it is warm and at the end, and how many requests there were in between."""

    server: str
    requests: int
    seconds: float
    before_mb: float
    after_mb: float


def _cookie(issuer: str) -> str:
    """Of somebody whom the application in ``apps`` knows."""

    async def nothing(_scope: Any, _receive: Any, _send: Any) -> None: ...

    secret = "benchmark-only-0123456789-abcdefghij"
    middleware = OIDCMiddleware(
        nothing, issuer=issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, base_url="http://127.0.0.1", secret_key=secret
    )
    claims = {"name": "Ada Lovelace", "preferred_username": "ada", "email": ADA, "email_verified": True}
    return "; ".join(header.partition(";")[0] for header in session_set_cookies(middleware, "ada", **claims))


@contextmanager
def _stub() -> Iterator[str]:
    """The address of a provider for outages."""
    port = free_port()
    with Process([sys.executable, str(env.HERE / "stub_provider.py"), str(port)], port, os.environ, core=LOAD_CORE):
        yield f"http://127.0.0.1:{port}"


def _crowd(server: Process, cookie: str, seconds: float) -> float:
    """Where the slowest percent of the waits of signed-in users begins, in milliseconds. Raises ``Wrong`` for an answer that is none."""
    command = [sys.executable, str(env.HERE / "crowd.py"), server.url, cookie, str(seconds), str(STRANGERS), str(USERS)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
        preexec_fn=pinned(LOAD_CORE),  # no threads run here
    )
    told = json.loads(done.stdout)
    if told["wrong"]:
        raise Wrong(f"{server.url}: signed-in users got {told['wrong'][:3]}\n{server.log}")
    print(f"    strangers at {server.url} got {told['strangers']}", flush=True)
    return quantiles(told["milliseconds"], n=100)[98]


def _start(peer: Peer, issuer: str, folder: Path) -> Process:
    os.environ.update(BENCH_ISSUER=issuer, BENCH_CLIENT_ID=CLIENT_ID, BENCH_CLIENT_SECRET=CLIENT_SECRET)
    return start(peer, "guarded", free_port(), folder)


def outages(peers: Sequence[Peer], seconds: float, rounds: int) -> list[Outage]:
    """For each of *peers*, all ours. Every round has servers of its own, for the first seconds of an outage are the worst. Raises ``NotHere``."""
    found = [Outage(peer.server, {name: [] for name in PROVIDERS}) for peer in peers]
    for turn in range(rounds):
        for peer, outage in zip(peers, found, strict=True):
            peer.prepare()
            for name in PROVIDERS:
                with ExitStack() as stack:
                    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                    issuer = f"{stack.enter_context(_stub())}/{name}"
                    server = stack.enter_context(_start(peer, issuer, folder))
                    outage.p99_ms[name].append(_crowd(server, _cookie(issuer), seconds))
        print(f"  outages: round {turn + 1} of {rounds}", flush=True)
    return found


def floods(peers: Sequence[Peer], seconds: float) -> list[Flood]:
    """Strangers as fast as they can, for *seconds*, at each of *peers*, all ours. Raises ``NotHere``."""
    found = []
    for peer in peers:
        peer.prepare()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            issuer = f"{stack.enter_context(_stub())}/well"
            server = stack.enter_context(_start(peer, issuer, folder))
            load(server.url + "/", max(5, seconds / 10), [], HEADERS, folder, LOAD_CORE, issuer)
            before = server.memory()
            _, count = load(server.url + "/", seconds, [], HEADERS, folder, LOAD_CORE, issuer)
            found.append(Flood(peer.server, count, seconds, before, server.memory()))
    return found
