"""The sales dashboard: Flask behind waitress, so WSGI. The middleware is one line; its settings come from ``OIDC_*`` variables."""

from __future__ import annotations

import argparse

import dashboard
import settings
import waitress
from flask import Flask, Response, abort, jsonify, request, send_from_directory
from parent import end_with_parent

from oidc_middleware.identity import User
from oidc_middleware.wsgi import OIDCMiddleware

app = Flask(__name__)


def user() -> User:
    """Who is signed in: the middleware put it there."""
    signed_in: User = request.environ["oidc_middleware.user"]
    return signed_in


@app.get("/")
@app.get("/regions/<region>")
def page(region: str = "") -> str:
    return dashboard.render(board(region), user(), mount=request.script_root)


@app.get("/api/summary")
def summary() -> Response:
    return jsonify(dashboard.summary(board(request.args.get("section", "")), user()))


@app.get("/assets/<path:name>")
def assets(name: str) -> Response:
    return send_from_directory(dashboard.ASSETS, name)


@app.get("/healthz")
def healthz() -> str:
    return "ok"


def board(region: str) -> dashboard.Dashboard:
    try:
        return dashboard.sales(region, dashboard.weeks(request.args.get("weeks")))
    except KeyError:
        abort(404)


app.wsgi_app = OIDCMiddleware(app.wsgi_app, public=settings.PUBLIC, allow=settings.ALLOW, scopes=settings.SCOPES, title="Sales")  # type: ignore[method-assign]  # Flask documents this assignment


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    end_with_parent()
    waitress.serve(app, host="127.0.0.1", port=port, threads=8, ident=None, _quiet=True)
