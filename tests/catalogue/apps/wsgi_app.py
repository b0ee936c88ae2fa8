"""The same behind a real WSGI server. With ``BEFORE_FORK`` set, it has used its store and its provider by the time it is loaded."""

import io
import json
import os
import sys

from shift import ShiftedClock

from oidc_middleware.errors import OIDCError
from oidc_middleware.wsgi import OIDCMiddleware


def told(environ):
    user, path = environ["oidc_middleware.user"], environ["PATH_INFO"]
    if path == "/api":
        return {"sub": user.identity, "pid": os.getpid()}
    if path == "/token":
        try:
            return {"token": user.access_token()}
        except OIDCError as error:
            return {"error": error.code}
    return {"path": path}


def inner(environ, start_response):
    body = json.dumps(told(environ)).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


app = OIDCMiddleware(inner, clock=ShiftedClock())

if os.environ.get("BEFORE_FORK"):
    app.sign_out_everywhere("nobody")
    statuses = []
    navigation = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_ACCEPT": "text/html",
        "HTTP_SEC_FETCH_MODE": "navigate",
        "HTTP_SEC_FETCH_DEST": "document",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
    }
    app(navigation, lambda status, headers: statuses.append(status))
    assert statuses == ["302 Found"], statuses
