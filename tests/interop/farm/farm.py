"""Several worker processes in front of one store and one provider, whose time is the test's, and connections to each of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Self

import httpx

from benchmarks.loopback import free_port
from oidc_middleware.testing import ScriptedProvider
from oidc_middleware.testing.clock import START
from tests.interop.farm.provider_socket import on_a_socket
from tests.interop.farm.shared_clock import SharedClock
from tests.interop.programs import Program

#: Seconds an access token lives: a refresh is due after 30 (a quarter before the end, and not sooner than 30 s), the end comes after 40.
LIFE = 40
#: Seconds in which every worker is there and has taken its connections.
PATIENCE = 60
SECRET_KEY = "farm-sessions-0123456789-abcdefghijklm"
#: Workers, and requests that each has in hand at a time.
WORKERS, EACH = 4, 50
_APP = "tests.interop.farm.token_app"

#: What one program runs. gunicorn has all workers under one roof, of the others each is a program of its own.
SERVERS: dict[str, tuple[str, ...]] = {
    "uvicorn": ("uvicorn", f"{_APP}:asgi", "--log-level", "warning", "--port", "{port}"),
    "gunicorn": ("gunicorn", f"{_APP}:wsgi", "-k", "gthread", "--threads", str(EACH), "--workers", "{count}", "--keep-alive", "300",
                     "--bind", "127.0.0.1:{port}"),
    "waitress": ("waitress", "--host", "127.0.0.1", "--threads", str(EACH), "--port", "{port}", f"{_APP}:wsgi"),
}  # fmt: skip


class Line:
    """One kept-alive connection to a worker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, path: str, cookie: str = "") -> dict[str, Any]:
        """The JSON of a 200; of any other answer ``{"status": …}``."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nCookie: {cookie}\r\n\r\n".encode("latin-1"))
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head[9:12])
        (length,) = [int(line.partition(":")[2]) for line in head.split("\r\n") if line.startswith("content-length:")]
        body = await self._reader.readexactly(length)
        return json.loads(body) if status == 200 else {"status": status}

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class Workers:
    """Running workers of one application."""

    def __init__(self, programs: list[tuple[Program, int]], count: int, clock: SharedClock) -> None:
        self.programs, self.count, self.clock = programs, count, clock

    @property
    def ports(self) -> list[int]:
        return [port for _, port in self.programs]

    @property
    def log(self) -> str:
        return "\n".join(program.log for program, _ in self.programs)

    @contextlib.asynccontextmanager
    async def lines(self, each: int = EACH) -> AsyncIterator[list[Line]]:
        """*each* connections to every worker, for as long as the block lasts."""
        opened = await self._opened(each)
        try:
            yield opened
        finally:
            await asyncio.gather(*(line.close() for line in opened))

    async def _opened(self, each: int) -> list[Line]:
        """Where the kernel decides which worker takes a connection, those that are too many are given back."""
        if len(self.ports) == self.count:
            return [await Line.open(port) for port in self.ports for _ in range(each)]
        kept: list[Line] = []
        counts: Counter[int] = Counter()
        until = asyncio.get_running_loop().time() + PATIENCE
        while asyncio.get_running_loop().time() < until:  # a worker may still be starting, and the one that is there takes all of them
            line = await Line.open(self.ports[0])
            pid = (await line.ask("/health"))["pid"]
            if counts[pid] < each:
                counts[pid] += 1
                kept.append(line)
            else:
                await line.close()
                await asyncio.sleep(0.001)
            if len(kept) == self.count * each:
                return kept
        raise AssertionError(f"the connections are not shared out: {counts}")


class Farm(Workers):
    """Workers, and their provider in this process."""

    provider: ScriptedProvider

    @property
    def refreshes(self) -> int:
        """How often the provider was asked for new tokens."""
        return sum(request.endpoint == "token" and b"grant_type=refresh_token" in request.body for request in self.provider.requests)

    def sign_in(self, port: int | None = None) -> str:
        """The Cookie header of somebody who just signed in, at the worker on *port*."""
        with httpx.Client(base_url=f"http://127.0.0.1:{port or self.ports[0]}", trust_env=False, timeout=20) as browser:
            away = browser.get("/token", headers={"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"})
            assert away.status_code == 302, (away.status_code, away.text, self.log)
            answer = httpx.URL(self.provider.authorize(away.headers["location"]))
            back = browser.get(answer.raw_path.decode(), headers={"accept": "text/html"})
            assert back.status_code == 303, (back.status_code, back.text, self.log)
            return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies.jar if cookie.value)


def ports_for(server: str, count: int) -> list[int]:
    """Free ports for *count* workers; the first is the one that the provider and the browsers know."""
    return [free_port() for _ in range(1 if server == "gunicorn" else count)]


@contextlib.contextmanager
def running(server: str, ports: list[int], count: int, clock: SharedClock, settings: dict[str, str]) -> Iterator[list[tuple[Program, int]]]:
    """*count* workers that answer, each with its port, and are ended afterwards. *settings*: ``OIDC_*`` variables by their names in lower case."""
    environ = {f"OIDC_{name.upper()}": value for name, value in settings.items()}
    environ |= {"TEST_CLOCK": str(clock.path), "TEST_CLOCK_RUNS": "yes" if clock.runs else ""}
    with contextlib.ExitStack() as stack:
        programs = []
        for port in ports:
            filled = [part.format(port=port, count=count) for part in SERVERS[server]]
            programs.append((stack.enter_context(Program([sys.executable, "-m", *filled], environ)), port))
        for program, port in programs:
            program.wait_for(f"http://127.0.0.1:{port}/health")
        yield programs


@contextlib.contextmanager
def farm(server: str, store: str, folder: Path, count: int = WORKERS) -> Iterator[Farm]:
    """*count* workers that keep tokens in *store*; the time stands still unless the test moves it."""
    clock = SharedClock.create(folder / "clock", START)
    ports = ports_for(server, count)
    base_url = f"http://127.0.0.1:{ports[0]}"
    provider = ScriptedProvider(clock=clock, redirect_uris=[f"{base_url}/oidc/callback"])  # type: ignore[arg-type]  # a clock that can advance
    provider.refresh_tokens, provider.expires_in = True, LIFE
    with on_a_socket(provider):
        forever = str(100 * 86400)
        more = {"store": store, "keep_tokens": "true", "session_lifetime": forever, "idle_timeout": forever}
        settings = {**provider.options(), "secret_key": SECRET_KEY, "base_url": base_url, "public": "/health", **more}
        with running(server, ports, count, clock, settings) as programs:
            workers = Farm(programs, count, clock)
            workers.provider = provider
            yield workers
