"""What the workers of a farm run, as ASGI and as WSGI: an application that answers ``/token`` with its user's access token.

Settings come from ``OIDC_*`` variables, the time from the file that ``TEST_CLOCK`` names; it runs if ``TEST_CLOCK_RUNS`` says so.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from oidc_middleware import LoginError, OIDCError
from oidc_middleware.asgi import OIDCMiddleware as AsgiMiddleware
from oidc_middleware.stores import redis
from oidc_middleware.wsgi import OIDCMiddleware as WsgiMiddleware
from tests.interop.farm.shared_clock import SharedClock


def told(**answer: object) -> bytes:
    return json.dumps({"pid": os.getpid(), **answer}).encode()


def refused(error: OIDCError) -> bytes:
    return told(error=error.code, kind="LoginError" if isinstance(error, LoginError) else type(error).__name__, detail=error.detail)


async def asgi_answer(scope) -> bytes:
    if scope["path"] != "/token":
        return told(signed_in=scope["user"].is_authenticated)
    try:
        return told(token=await scope["user"].access_token())
    except OIDCError as error:
        return refused(error)


async def asgi_app(scope, receive, send) -> None:
    body = await asgi_answer(scope)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def wsgi_answer(environ) -> bytes:
    user = environ["oidc_middleware.user"]
    if environ["PATH_INFO"] != "/token":
        return told(signed_in=user.is_authenticated)
    try:
        return told(token=user.access_token())
    except OIDCError as error:
        return refused(error)


def wsgi_app(environ, start_response):
    body = wsgi_answer(environ)
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


for limit in ("CONNECT", "READ", "QUEUE"):
    setattr(redis, limit, 20.0)  # how soon a store counts as away is tested elsewhere; four workers may keep a machine busy for longer than that
_CLOCK = SharedClock(Path(os.environ["TEST_CLOCK"]), runs=bool(os.environ["TEST_CLOCK_RUNS"]))
asgi = AsgiMiddleware(asgi_app, clock=_CLOCK)
wsgi = WsgiMiddleware(wsgi_app, clock=_CLOCK)
