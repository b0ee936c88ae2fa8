"""Starlette without authentication."""

from __future__ import annotations

import place
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def home(_request: Request) -> PlainTextResponse:
    return PlainTextResponse(place.ADA)


app = Starlette(routes=[Route("/", home)])
