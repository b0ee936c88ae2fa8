"""Every peer and its own bare application in turn, round after round; before and during the load every answer is looked at."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from load import Nothing, load
from load import Wrong as WrongAnswers
from loopback import free_port
from peers import environments as env
from peers.catalogue import APPS, Peer
from peers.visitor import ADA, Visitor, Wrong, says
from processes import LOAD_CORE, Process
from subjects import HEADERS

CLIENT_ID: Final = "bench"
CLIENT_SECRET: Final = "benchmark-only-" + "0123456789" * 3


@dataclass
class Measured:
    """The figures of one peer, one of each kind for each round."""

    peer: Peer
    ratio: list[float] = field(default_factory=list)
    cpu_ratio: list[float] = field(default_factory=list)
    bare_us: list[float] = field(default_factory=list)
    extra_us: list[float] = field(default_factory=list)
    redirect_ratio: list[float] = field(default_factory=list)
    redirect_us: list[float] = field(default_factory=list)
    login_cpu_ms: list[float] = field(default_factory=list)
    login_wall_ms: list[float] = field(default_factory=list)

    def add(
        self, rate: float, cost: float, mine: float, my_cost: float, redirects: float, redirect_cost: float, login_cpu: float, login_wall: float
    ) -> None:
        """What :meth:`Pair.round` found."""
        self.ratio.append(mine / rate)
        self.cpu_ratio.append(cost / my_cost)
        self.bare_us.append(cost)
        self.extra_us.append(my_cost - cost)
        self.redirect_ratio.append(redirects / rate)
        self.redirect_us.append(redirect_cost)
        self.login_cpu_ms.append(login_cpu)
        self.login_wall_ms.append(login_wall)


class Pair:
    """A peer's two servers, and somebody signed in at the second."""

    def __init__(self, peer: Peer, bare: Process, guarded: Process) -> None:
        self.peer, self.bare, self.guarded = peer, bare, guarded
        self.visitor = Visitor()
        self.visitor.sign_in(guarded.url + "/")
        self.cookie = self.visitor.cookie_header()
        self._check()

    def _check(self) -> None:
        """Who has the cookie is let in and known; who has none, or a wrong one, is sent to the provider."""
        headers = dict(HEADERS)
        issuer = os.environ["BENCH_ISSUER"]
        with httpx.Client(trust_env=False, timeout=20) as client:
            known = client.get(self.guarded.url + "/", headers={**headers, "cookie": self.cookie})
            bare = client.get(self.bare.url + "/", headers={**headers, "cookie": self.cookie})
            for cookie in ("", "; ".join(part.partition("=")[0] + "=nonsense" for part in self.cookie.split("; "))):
                stranger = client.get(self.guarded.url + self.peer.login, headers={**headers, "cookie": cookie})
                location = stranger.headers.get("location", "")
                if stranger.status_code not in {302, 303, 307} or not location.startswith(issuer) or says(stranger, ADA):
                    raise Wrong(f"a stranger got {stranger.status_code}, location {location[:200]}")
                home = client.get(self.guarded.url + "/", headers={**headers, "cookie": cookie})
                if not home.is_redirect or says(home, ADA):
                    raise Wrong(f"the page is open to strangers: {home.status_code} {home.text[:200]}")
        for response in (known, bare):
            if response.status_code != 200 or not says(response, ADA):
                raise Wrong(f"{response.url} with the cookie: {response.status_code} {response.text[:200]}")

    def round(self, seconds: float, logins: int, folder: Path) -> tuple[float, ...]:
        """Rate and microseconds of CPU per request: bare, signed in, redirect; then milliseconds of CPU and of waiting for a login."""
        url, issuer = self.guarded.url, os.environ["BENCH_ISSUER"]
        figures = [*self._load(self.bare, self.bare.url + "/", [self.cookie], ADA, seconds, folder)]
        figures += self._load(self.guarded, url + "/", [self.cookie], ADA, seconds, folder)
        figures += self._load(self.guarded, url + self.peer.login, [], issuer, seconds, folder)
        before, self.visitor.waited = self.guarded.cpu(), 0.0
        for _ in range(logins):
            self.visitor.forget_the_app()
            self.visitor.sign_in(url + "/")
        self.cookie = self.visitor.cookie_header()
        return (*figures, 1e3 * (self.guarded.cpu() - before) / logins, 1e3 * self.visitor.waited / logins)

    @staticmethod
    def _load(server: Process, url: str, cookies: Sequence[str], expect: str, seconds: float, folder: Path) -> tuple[float, float]:
        for patience in (seconds, 4 * seconds, 16 * seconds):  # some take more than a second for the first answers
            before = server.cpu()
            with suppress(Nothing):
                rate, count = load(url, patience, cookies, HEADERS, folder, LOAD_CORE, expect)
                return rate, 1e6 * (server.cpu() - before) / count
        raise Wrong(f"{url}: no answer within {patience} s")


@contextmanager
def provider(redirect_uris: Sequence[str]) -> Iterator[Process]:
    """npm's oidc-provider with one client for all. Sets the variables by which the applications find it."""
    port = free_port()
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "redirect_uris": list(redirect_uris), "grant_types": ["authorization_code"]}
    command = [env.node(), str(env.NODE / "provider.mjs"), str(port), json.dumps([client])]
    with Process(command, port, os.environ, core=LOAD_CORE) as process:
        os.environ.update(BENCH_ISSUER=f"http://localhost:{port}", BENCH_CLIENT_ID=CLIENT_ID, BENCH_CLIENT_SECRET=CLIENT_SECRET)
        yield process


def ready(peers: Sequence[Peer]) -> tuple[list[Peer], dict[str, str]]:
    """Those that can be measured here, and why the others cannot."""
    able, left_out = [], {}
    for peer in peers:
        try:
            print(f"  setting up: {peer.name} on {peer.server}", flush=True)
            peer.prepare()
            able.append(peer)
        except env.NotHere as reason:
            left_out[peer.id] = str(reason)
    return able, left_out


def start(peer: Peer, kind: str, port: int, folder: Path) -> Process:
    """The server of *peer*: ``bare`` or ``guarded``."""
    paths = os.pathsep.join([str(APPS), *([str(env.ROOT)] if peer.ours else [])])
    environ = {**os.environ, "PYTHONPATH": paths, "BENCH_BASE_URL": f"http://127.0.0.1:{port}", "NODE_ENV": "production"}
    return Process((peer.bare if kind == "bare" else peer.guarded)(port, folder), port, environ, cwd=folder)


def measure(peers: Sequence[Peer], seconds: float, rounds: int, logins: int) -> tuple[list[Measured], dict[str, str]]:
    """The figures of all that can be measured here, and for the others why not, by their ``id``. Whatever ours does wrong ends the measurement."""
    try:
        env.node()
    except env.NotHere as reason:
        return [], {peer.id: f"no provider to sign in with: {reason}" for peer in peers}
    able, left_out = ready(peers)
    ports = {peer.id: free_port() for peer in able}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(provider([f"http://127.0.0.1:{ports[peer.id]}{peer.callback}" for peer in able]))
        pairs = []
        for peer in able:
            with _or_without(peer, left_out):
                bare = stack.enter_context(start(peer, "bare", free_port(), folder))
                guarded = stack.enter_context(start(peer, "guarded", ports[peer.id], folder))
                pairs.append(Pair(peer, bare, guarded))
                stack.callback(pairs[-1].visitor.close)
        found = {pair.peer.id: Measured(pair.peer) for pair in pairs}
        for turn in range(rounds + 1):
            for pair in pairs:
                if pair.peer.id not in left_out:
                    with _or_without(pair.peer, left_out):
                        figures = pair.round(seconds if turn else 1, logins, folder)
                        if turn:  # the first is for warming up
                            found[pair.peer.id].add(*figures)
            print(f"  round {turn} of {rounds}", flush=True)
    return [figures for peer, figures in found.items() if peer not in left_out], left_out


@contextmanager
def _or_without(peer: Peer, left_out: dict[str, str]) -> Iterator[None]:
    """Somebody else's failure is told, and the measurement goes on without it."""
    try:
        yield
    except (Wrong, WrongAnswers, RuntimeError, httpx.HTTPError) as error:
        if peer.ours:
            raise
        left_out[peer.id] = f"did not do what it is measured for: {str(error).splitlines()[0]}"
        print(f"  {peer.name}: {error}", flush=True)
