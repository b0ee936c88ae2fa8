"""Answers that come when they are told to, and a clock that can be put forward: both by whoever asks, without a session."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from oidc_middleware import protect
from oidc_middleware.clock import SystemClock


class Ahead(SystemClock):
    """The time of day, and some seconds."""

    seconds = 0.0

    def now(self) -> float:
        return super().now() + self.seconds


clock, released = Ahead(), asyncio.Event()
waiting: list[str] = []


async def page(_request: Request) -> HTMLResponse:
    return HTMLResponse('<!doctype html><html lang="en"><title>Late</title><link rel="icon" href="data:,"><h1>Late</h1></html>')


async def who(request: Request) -> JSONResponse:
    return JSONResponse(request.user.identity)


async def slow(request: Request) -> JSONResponse:
    waiting.append(request.user.identity)
    await released.wait()
    return await who(request)


async def release(_request: Request) -> Response:
    released.set()
    return Response("ok")


async def ahead(request: Request) -> Response:
    clock.seconds = float(request.query_params["seconds"])
    return Response("ok")


async def health(_request: Request) -> JSONResponse:
    return JSONResponse(len(waiting))


ROUTES = [
    Route("/", page),
    Route("/who", who),
    Route("/slow", slow),
    Route("/public/release", release),
    Route("/public/ahead", ahead),
    Route("/health", health),
]
app = protect(Starlette(routes=ROUTES), clock=clock)
