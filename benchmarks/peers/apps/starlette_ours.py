"""Starlette behind oidc_middleware, sessions in the cookie (the default)."""

from __future__ import annotations

import place
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from oidc_middleware.asgi import OIDCMiddleware


async def home(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.user.email)


app = OIDCMiddleware(
    Starlette(routes=[Route("/", home)]),
    issuer=place.ISSUER,
    client_id=place.CLIENT_ID,
    client_secret=place.CLIENT_SECRET,
    base_url=place.BASE_URL,
    secret_key=place.SECRET_KEY,
)
