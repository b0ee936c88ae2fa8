"""Starlette with ``SessionMiddleware`` and Authlib; the view looks into the session."""

from __future__ import annotations

import place
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette_authlib import callback, login


async def home(request: Request) -> Response:
    user = request.session.get("user")
    return PlainTextResponse(user["email"]) if user else await login(request)


app = Starlette(
    routes=[Route("/", home), Route("/callback", callback)],
    middleware=[Middleware(SessionMiddleware, secret_key=place.SECRET_KEY)],
)
