"""The operations dashboard: Starlette behind uvicorn, so ASGI. The middleware is one line; its settings come from ``OIDC_*`` variables."""

from __future__ import annotations

import argparse

import dashboard
import settings
import uvicorn
from parent import end_with_parent
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from oidc_middleware.asgi import OIDCMiddleware


async def page(request: Request) -> Response:
    return HTMLResponse(
        dashboard.render(board(request, request.path_params.get("service", "")), request.user, mount=request.scope.get("root_path", ""))
    )


async def summary(request: Request) -> Response:
    return JSONResponse(dashboard.summary(board(request, request.query_params.get("section", "")), request.user))


async def healthz(_request: Request) -> Response:
    return PlainTextResponse("ok")


def board(request: Request, service: str) -> dashboard.Dashboard:
    try:
        return dashboard.operations(service, dashboard.weeks(request.query_params.get("weeks")))
    except KeyError:
        raise HTTPException(404) from None


app = Starlette(
    routes=[
        Route("/", page),
        Route("/services/{service}", page),
        Route("/api/summary", summary),
        Route("/healthz", healthz),
        Mount("/assets", StaticFiles(directory=dashboard.ASSETS)),
    ],
    middleware=[Middleware(OIDCMiddleware, public=settings.PUBLIC, allow=settings.ALLOW, scopes=settings.SCOPES, title="Operations")],
)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    end_with_parent()
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", server_header=False)
