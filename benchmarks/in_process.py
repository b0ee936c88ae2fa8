"""The cost of a request inside one process: no sockets, the smallest application there is. Subjects take turns, round by round."""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from typing import Any

import subjects
from figures import Figure
from starlette.middleware.sessions import SessionMiddleware

Timer = Callable[[int], float]


def asgi_timer(app: Any, cookies: list[str], path: str = "/", expected: int = 200) -> Timer:
    """A function that makes *n* calls and returns microseconds per call."""
    raw = [(name.encode(), value.encode()) for name, value in subjects.HEADERS]
    supply = itertools.cycle([[(b"host", b"127.0.0.1"), *raw, (b"cookie", cookie.encode())] for cookie in cookies] if cookies else [raw])
    template = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip
    statuses: set[int] = set()

    async def send(message: dict[str, Any]) -> None:
        if "status" in message:
            statuses.add(message["status"])

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def calls(count: int) -> float:
        begin = time.perf_counter()
        for _ in range(count):
            await app({**template, "headers": next(supply)}, receive, send)
        return 1e6 * (time.perf_counter() - begin) / count

    def run(count: int) -> float:
        result = asyncio.run(calls(count))
        assert statuses == {expected}, statuses
        return result

    return run


def wsgi_timer(app: Any, cookies: list[str], path: str = "/") -> Timer:
    """The same for WSGI."""
    headers = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in subjects.HEADERS}
    template = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "RAW_URI": path, "QUERY_STRING": "", "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1", "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http", "wsgi.input": BytesIO(), "wsgi.errors": None, "wsgi.multithread": True, "wsgi.multiprocess": False,
        "wsgi.run_once": False, **headers,
    }  # fmt: skip
    supply: Iterator[dict[str, str]] = itertools.cycle([{"HTTP_COOKIE": cookie} for cookie in cookies] or [{}])
    statuses: set[str] = set()

    def start_response(status: str, _headers: Any, _error: Any = None) -> Callable[[bytes], object]:
        statuses.add(status)
        return bytes

    def run(count: int) -> float:
        begin = time.perf_counter()
        for _ in range(count):
            body = app({**template, **next(supply)}, start_response)
            for _chunk in body:
                pass
            if hasattr(body, "close"):
                body.close()
        result = 1e6 * (time.perf_counter() - begin) / count
        assert statuses <= {"200 OK"}, statuses
        return result

    return run


def rounds(timers: dict[str, Timer], count: int, number: int) -> dict[str, list[float]]:
    """*number* rounds of *count* calls each; in every round each subject has its turn."""
    for timer in timers.values():
        timer(min(count, 2 * subjects.MANY))  # warm: every cookie was seen once
    gc.collect()
    gc.freeze()  # what the benchmark itself has loaded is not looked through again at every collection
    results: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(number):
        for name, timer in timers.items():
            results[name].append(timer(count))
    return results


def _added(results: dict[str, list[float]], subject: str, bare: str) -> tuple[float, ...]:
    return tuple(mine - base for mine, base in zip(results[subject], results[bare], strict=True))


def asgi(count: int, number: int) -> list[Figure]:
    """Microseconds that each ASGI subject adds, and our share of what ``SessionMiddleware`` adds."""
    ours = subjects.ours_asgi(subjects.tiny_asgi)
    cookies = subjects.our_cookies(ours, subjects.MANY)
    theirs = SessionMiddleware(subjects.tiny_asgi_session, secret_key=subjects.SECRET)
    timers = {
        "bare": asgi_timer(subjects.tiny_asgi, cookies[:1]),
        "hit": asgi_timer(ours, cookies[:1]),
        "miss": asgi_timer(ours, cookies),
        "public": asgi_timer(ours, [], "/public"),
        "session": asgi_timer(theirs, [subjects.starlette_cookie()]),
    }
    results = rounds(timers, count, number)
    added = partial(_added, results, bare="bare")
    share = tuple(mine / other for mine, other in zip(added("hit"), added("session"), strict=True))
    return [
        Figure("bare application, whole request", "us", tuple(results["bare"])),
        Figure("+ oidc_middleware, cookie seen before", "us", added("hit"), at_most=2.5),
        Figure("+ oidc_middleware, cookie new to the process", "us", added("miss"), at_most=6),
        Figure("+ oidc_middleware, public path, no session", "us", added("public")),
        Figure("+ Starlette SessionMiddleware and a check", "us", added("session")),
        Figure("ours / SessionMiddleware", "ratio", share, at_most=0.15),
    ]


def wsgi(count: int, number: int) -> list[Figure]:
    """The same for WSGI; Flask's session is held against Flask without it."""
    ours = subjects.ours_wsgi(subjects.tiny_wsgi)
    cookies = subjects.our_cookies(ours, subjects.MANY)
    timers = {
        "bare": wsgi_timer(subjects.tiny_wsgi, cookies[:1]),
        "hit": wsgi_timer(ours, cookies[:1]),
        "miss": wsgi_timer(ours, cookies),
        "flask": wsgi_timer(subjects.flask_app(), cookies[:1]),  # its own cookie Flask would verify, asked for or not
        "session": wsgi_timer(subjects.wsgi_session, [subjects.flask_cookie()]),
    }
    results = rounds(timers, count, number)
    return [
        Figure("bare application, whole request", "us", tuple(results["bare"])),
        Figure("+ oidc_middleware, cookie seen before", "us", _added(results, "hit", "bare")),
        Figure("+ oidc_middleware, cookie new to the process", "us", _added(results, "miss", "bare")),
        Figure("Flask + its own session and a check", "us", _added(results, "session", "flask")),
    ]
