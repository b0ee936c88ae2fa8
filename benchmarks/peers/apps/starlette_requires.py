"""The same with ``AuthenticationMiddleware``, and the view behind ``@requires``."""

from __future__ import annotations

import place
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser, requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette_authlib import callback, login


class FromSession(AuthenticationBackend):
    """Who signed in, out of the session."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        user = conn.session.get("user")
        return (AuthCredentials(["authenticated"]), SimpleUser(user["email"])) if user else None


@requires("authenticated", redirect="login")
async def home(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.user.display_name)


app = Starlette(
    routes=[Route("/", home), Route("/login", login, name="login"), Route("/callback", callback)],
    middleware=[Middleware(SessionMiddleware, secret_key=place.SECRET_KEY), Middleware(AuthenticationMiddleware, backend=FromSession())],
)
