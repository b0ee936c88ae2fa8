"""A page of events that never ends, and a file that never ends: for ASGI ``app``, for WSGI ``wsgi_app``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

from flask import Flask, Response
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from oidc_middleware import protect

KINDS = {"/events": "text/event-stream", "/download": "text/csv"}
EVERY = 0.05


async def pieces() -> AsyncIterator[bytes]:
    while True:
        yield b"data: 1\n\n"
        await asyncio.sleep(EVERY)


async def long_answer(request: Request) -> StreamingResponse:
    return StreamingResponse(pieces(), media_type=KINDS[request.url.path])


async def short_answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


app = protect(Starlette(routes=[*(Route(path, long_answer) for path in KINDS), Route("/", short_answer), Route("/health", short_answer)]))

flask_app = Flask(__name__)
flask_app.add_url_rule("/", "home", lambda: "ok")
flask_app.add_url_rule("/health", "health", lambda: "ok")


def blocking_pieces() -> Iterator[bytes]:
    while True:
        yield b"data: 1\n\n"
        time.sleep(EVERY)


for path, kind in KINDS.items():
    flask_app.add_url_rule(path, path[1:], lambda kind=kind: Response(blocking_pieces(), content_type=kind))
wsgi_app = protect(flask_app).wsgi_app
