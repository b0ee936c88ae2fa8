"""A dashboard under ASGI. Everything about the login comes from ``OIDC_*`` variables; the middleware is the last line."""

from __future__ import annotations

import html

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from oidc_middleware import protect


async def page(request: Request) -> HTMLResponse:
    user = request.user
    lines = "".join(f"<li>{html.escape(text)}</li>" for text in (user.display_name, user.email or "", *user.groups))
    form = '<form method="post" action="/oidc/logout"><button>Sign out</button></form>'
    return HTMLResponse(f"<!doctype html><title>Reports</title><ul>{lines}</ul>{form}")


async def api(request: Request) -> JSONResponse:
    user = request.user
    return JSONResponse({"sub": user.identity, "name": user.display_name, "email": user.email, "groups": list(user.groups), "issuer": user.issuer})


async def public(request: Request) -> JSONResponse:
    return JSONResponse({"signed_in": request.user.is_authenticated})


async def upload(request: Request) -> JSONResponse:
    return JSONResponse({"bytes": len(await request.body())})


routes = [
    Route("/", page),
    Route("/reports/{name}", page),
    Route("/api/me", api),
    Route("/api/upload", upload, methods=["POST"]),
    Route("/health", public),
]
app = protect(Starlette(routes=routes))
