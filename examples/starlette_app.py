"""Starlette: the user is ``request.user``, and Starlette's own ``@requires`` works as ever."""

from __future__ import annotations

import os

from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from oidc_middleware.asgi import OIDCMiddleware


@requires("authenticated")
async def me(request: Request) -> JSONResponse:
    return JSONResponse({"sub": request.user.identity, "name": request.user.display_name, "email": request.user.email})


async def about(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"Everybody may read this, {request.user.display_name or 'stranger'}.")


app = Starlette(
    routes=[Route("/", me), Route("/about", about)],
    middleware=[Middleware(OIDCMiddleware, public=["/about"])],
)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
