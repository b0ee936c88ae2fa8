"""The one line, around any ASGI or WSGI callable. Here WSGI, without a framework."""

from __future__ import annotations

import os
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from oidc_middleware import protect

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    user = environ["oidc_middleware.user"]
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [f"<!doctype html><p>Hello {escape(user.display_name)}, also known as {escape(environ['REMOTE_USER'])}".encode()]


app = protect(app)

if __name__ == "__main__":
    import waitress

    waitress.serve(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
