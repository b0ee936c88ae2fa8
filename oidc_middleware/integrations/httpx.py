"""Calls to other services in the name of the signed-in user.

client.get("https://api.example.com/reports", auth=UserToken(user))            # WSGI
await client.get("https://api.example.com/reports", auth=UserToken(user))      # ASGI
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Generator

import httpx

from oidc_middleware.identity import User


class UserToken(httpx.Auth):
    """Puts the user's access token on a call (RFC 6750 2.1), refreshed when it is due. Errors: those of ``user.access_token()``.

    The token goes to whatever address is called, so give it to calls to services that it is meant for, not to a client that calls others too.
    """

    def __init__(self, user: User) -> None:
        self._user = user

    def __repr__(self) -> str:
        return f"<UserToken of {self._user!r}>"

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """For ``httpx.Client``."""
        token = self._user.access_token()
        if inspect.iscoroutine(token):
            token.close()
            raise TypeError("under ASGI, call other services with httpx.AsyncClient")
        yield _with(request, token)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """For ``httpx.AsyncClient``."""
        token = self._user.access_token()
        yield _with(request, await token if inspect.isawaitable(token) else token)


def _with(request: httpx.Request, token: str) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token}"
    return request


__all__ = ["UserToken"]
