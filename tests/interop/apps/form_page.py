"""A page with a form, and the strictest policy that it and our script need."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from oidc_middleware import protect

POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; require-trusted-types-for 'script'"
PAGE = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width, initial-scale=1"><title>A form</title>
<link rel="icon" href="data:,">
<script src="/oidc/session.js" data-warn="{warn}" defer></script>
<main><h1>A form</h1><label>Report <textarea rows="6"></textarea></label></main></html>"""


async def form(request: Request) -> HTMLResponse:
    page = PAGE.replace("{warn}", str(int(request.query_params.get("warn", "0"))))
    headers = {"Content-Security-Policy": POLICY, "Cross-Origin-Opener-Policy": "same-origin"}
    return HTMLResponse(page, headers=headers)


async def who(request: Request) -> JSONResponse:
    return JSONResponse(request.user.identity)


async def health(_request: Request) -> Response:
    return Response("ok")


app = protect(Starlette(routes=[Route("/", form), Route("/form", form), Route("/who", who), Route("/health", health)]))
