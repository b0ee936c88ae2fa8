"""What is measured: the same small application bare, behind oidc_middleware, and with the session checks that people write today.

Servers import the ``asgi_*`` and ``wsgi_*`` names; the in-process benchmark uses the makers.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import httpx
from flask import Flask, abort, session
from itsdangerous import TimestampSigner
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from oidc_middleware.asgi import OIDCMiddleware as AsgiMiddleware
from oidc_middleware.testing import session_set_cookies
from oidc_middleware.wsgi import OIDCMiddleware as WsgiMiddleware

BASE_URL: Final = "http://127.0.0.1"
SECRET: Final = "benchmark-only-0123456789-abcdefghij"
_ISSUER: Final = "http://127.0.0.1:9"
CLAIMS: Final = {
    "name": "Ada Lovelace",
    "preferred_username": "ada",
    "email": "ada@example.com",
    "email_verified": True,
    "groups": ["admins", "engineering", "analysts"],
    "locale": "en-GB",
}
#: More than the cache of verified cookies holds (1,024): cycling through them, none is ever found there.
MANY: Final = 3_000


def _discovery(request: httpx.Request) -> httpx.Response:
    endpoints = {name: f"{_ISSUER}/{name}" for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")}
    assert request.url.path == "/.well-known/openid-configuration"
    return httpx.Response(200, json={"issuer": _ISSUER, "response_types_supported": ["code"], "subject_types_supported": ["public"],
                                     "id_token_signing_alg_values_supported": ["RS256"], **endpoints})  # fmt: skip


def _options(client: type[httpx.Client | httpx.AsyncClient]) -> dict[str, Any]:
    transport: Any = httpx.MockTransport(_discovery)
    return {
        "issuer": _ISSUER,
        "client_id": "bench",
        "secret_key": SECRET,
        "base_url": BASE_URL,
        "public": ["/public"],
        "http_client": client(transport=transport),
    }


# -- the applications themselves: as small as they come, for the measurement in process --------------------------------------------------

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


async def tiny_asgi(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain"), (b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def tiny_asgi_session(scope: Any, receive: Any, send: Any) -> None:
    assert scope["session"].get("user")
    await tiny_asgi(scope, receive, send)


def tiny_wsgi(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


def ours_asgi(app: AsgiApp, **options: Any) -> AsgiMiddleware:
    return AsgiMiddleware(app, **_options(httpx.AsyncClient), **options)


def ours_wsgi(app: Any, **options: Any) -> WsgiMiddleware:
    return WsgiMiddleware(app, **_options(httpx.Client), **options)


# -- what servers run: a route in Starlette, a view in Flask -----------------------------------------------------------------------------


async def _view(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def _view_with_session(request: Request) -> PlainTextResponse:
    user = request.session.get("user")
    return PlainTextResponse("ok") if user else PlainTextResponse("sign in", 401)


def starlette_app(view: Any, *middleware: Middleware) -> Starlette:
    return Starlette(routes=[Route("/{path:path}", view)], middleware=middleware)


def flask_app(*, check: bool = False) -> Flask:
    app = Flask(__name__)
    app.secret_key = SECRET

    @app.get("/")
    @app.get("/public")
    def view() -> str:
        if check and not session.get("user"):
            abort(401)
        return "ok"

    return app


class Least:
    """The least that anything in front of an application does: it looks a cookie up and hands a user on, or sends a redirect that was made long ago.

    No rules, no times, nothing taken out of requests or put into answers; with *private*, the one header that keeps an answer out of shared caches.
    """

    REDIRECT: Final = (  # what ours sends, in names and lengths
        (b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer"), (b"x-content-type-options", b"nosniff"), (b"vary", b"Cookie"),
        (b"content-type", b"text/plain; charset=utf-8"), (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
        (b"location", b"http://127.0.0.1:9/authorization_endpoint?".ljust(347, b"x")), (b"content-length", b"0"),
        (b"set-cookie", b"oidc_GI7V114b_l_8Kykxb_EbXzk=".ljust(465, b"x")),
    )  # fmt: skip

    def __init__(self, app: AsgiApp, *, private: bool = False) -> None:
        self._app = app
        self._private = private
        self._users: dict[bytes, object] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name == b"cookie":
                    user = self._users.get(value) or self._users.setdefault(value, object())
                    return await self._app({**scope, "user": user}, receive, self._kept_private(send) if self._private else send)
            await send({"type": "http.response.start", "status": 302, "headers": [*self.REDIRECT]})
            return await send({"type": "http.response.body", "body": b""})
        return await self._app(scope, receive, send)

    def _kept_private(self, send: Any) -> Any:
        def outgoing(message: Any) -> Any:
            if message["type"] == "http.response.start":
                message["headers"].append((b"cache-control", b"private, no-store"))
            return send(message)

        return outgoing


asgi_bare = starlette_app(_view)
asgi_ours = ours_asgi(asgi_bare)
asgi_least = Least(asgi_bare)
asgi_least_private = Least(asgi_bare, private=True)
asgi_session = starlette_app(_view_with_session, Middleware(SessionMiddleware, secret_key=SECRET))
wsgi_bare = flask_app()
wsgi_ours = ours_wsgi(wsgi_bare)
wsgi_session = flask_app(check=True)


# -- signed-in browsers ------------------------------------------------------------------------------------------------------------------


def our_cookies(app: Any, count: int = 1) -> list[str]:
    """The Cookie headers of *count* different people."""
    return ["; ".join(header.partition(";")[0] for header in session_set_cookies(app, f"user-{number}", **CLAIMS)) for number in range(count)]


def starlette_cookie() -> str:
    """What Starlette's ``SessionMiddleware`` would have set."""
    data = b64encode(json.dumps({"user": {"sub": "user-0", **CLAIMS}}).encode())
    return "session=" + TimestampSigner(SECRET).sign(data).decode()


def flask_cookie() -> str:
    """What Flask would have set."""
    serializer = wsgi_session.session_interface.get_signing_serializer(wsgi_session)  # type: ignore[attr-defined]  # the default interface has it
    return f"session={serializer.dumps({'user': {'sub': 'user-0', **CLAIMS}})}"


#: What Chromium sends with a navigation.
HEADERS: Final = (
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"),
    ("accept-language", "en-GB,en;q=0.9"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("upgrade-insecure-requests", "1"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-user", "?1"),
    ("sec-fetch-dest", "document"),
)
