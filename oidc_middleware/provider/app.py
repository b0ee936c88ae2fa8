"""The provider as an object: its state, and an ASGI application with its endpoints."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from oidc_middleware.clock import Clock, SystemClock
from oidc_middleware.errors import ConfigError
from oidc_middleware.provider.authorize import authorize, consent, sign_in
from oidc_middleware.provider.endpoints import discovery, jwks, metadata, token, userinfo
from oidc_middleware.provider.keys import SigningKeys
from oidc_middleware.provider.logout import confirm_logout, logout
from oidc_middleware.provider.options import Options, State, issuer_problems, require
from oidc_middleware.provider.people import SAMPLE_USERS, SampleUser
from oidc_middleware.provider.registry import Client
from oidc_middleware.provider.web import HEADERS, Browser, StrictHeaders, page

Endpoint = Callable[[State, Request], Awaitable[Response]]

_ENDPOINTS: Mapping[str, tuple[Endpoint, tuple[str, ...]]] = {
    "/.well-known/openid-configuration": (discovery, ("GET",)),
    "/jwks": (jwks, ("GET",)),
    "/authorize": (authorize, ("GET", "POST")),
    "/sign-in": (sign_in, ("POST",)),
    "/consent": (consent, ("POST",)),
    "/token": (token, ("POST",)),
    "/userinfo": (userinfo, ("GET", "POST")),
    "/logout": (logout, ("GET", "POST")),
    "/logout/confirm": (confirm_logout, ("POST",)),
}


class Provider:
    """A real OpenID Provider for development and tests. Everything it knows lives in memory; anybody can sign in as anybody.

    ``issuer`` is https, or http on a loopback host. ``clients`` are :class:`Client` objects or mappings of the same names; ``users`` are
    :class:`SampleUser` objects. ``clock`` is the only source of time and of codes, tokens and identifiers. ``keys`` may be shared between providers
    to save the time of making new ones. ``options`` are those of :class:`Options`.

    Raises :class:`ConfigError` that names everything wrong at once.
    """

    def __init__(
        self,
        issuer: str,
        clients: Iterable[Client | Mapping[str, Any]] = (),
        users: Iterable[SampleUser] = SAMPLE_USERS,
        clock: Clock | None = None,
        *,
        keys: SigningKeys | None = None,
        **options: Any,
    ) -> None:
        registered, client_problems = _registered(clients)
        people = list(users)
        parsed, option_problems = Options.of(options)
        require([*issuer_problems(issuer), *client_problems, *_twice("users: sub", [user.sub for user in people]), *option_problems])
        self._state = State(issuer, registered, people, clock or SystemClock(), keys or SigningKeys(), parsed or Options())
        self.app = self._application()

    @property
    def issuer(self) -> str:
        return self._state.issuer

    @property
    def users(self) -> dict[str, SampleUser]:
        """The people one can sign in as, by ``sub``. Change it to change who there is."""
        return self._state.users

    @property
    def clients(self) -> dict[str, Client]:
        """The registered clients, by ``client_id``. Change it to register or to forget one."""
        return self._state.clients

    @property
    def keys(self) -> SigningKeys:
        return self._state.keys

    @property
    def metadata(self) -> dict[str, Any]:
        """What discovery answers."""
        return metadata(self._state)

    def rotate_keys(self) -> None:
        """Sign with new keys from now on; the last ones stay published so that tokens under way still verify."""
        self._state.keys.rotate()

    def _application(self) -> Starlette:
        path = self._state.path
        routes = [Route(f"{path}{route}", _bound(self._state, endpoint), methods=list(methods)) for route, (endpoint, methods) in _ENDPOINTS.items()]
        routes.append(Route(f"{path}/", _bound(self._state, _home), methods=["GET"]))
        if path:
            routes.append(Route(path, _bound(self._state, _home), methods=["GET"]))
        return Starlette(routes=routes, middleware=[Middleware(StrictHeaders)], exception_handlers={HTTPException: _nothing_here, 500: _broken})


def _bound(state: State, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await endpoint(state, request)

    return answer


async def _home(state: State, request: Request) -> Response:
    """A page that says what this is, for whoever opens the issuer in a browser."""
    session = Browser(state, request).session
    return page(
        "home.html",
        issuer=state.issuer,
        base=state.path,
        clients=state.clients.values(),
        users=state.users.values(),
        endpoints=[(name, value) for name, value in metadata(state).items() if name.endswith(("_endpoint", "_uri"))],
        user=session.user if session else None,
    )


async def _nothing_here(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's interface
    status = error.status_code if isinstance(error, HTTPException) else 404
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    text = {404: "There is nothing here.", 405: "This address cannot be used in this way."}.get(status, "This request cannot be answered.")
    response = page("refused.html", status=status, error=str(status), description=text)
    response.headers.update(headers)
    return response


async def _broken(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's interface
    response = page("refused.html", status=500, error="server_error", description="Something went wrong here. The log of the provider says what.")
    for name, value in HEADERS.items():  # Starlette answers outside of all middleware here
        response.headers.setdefault(name, value)
    return response


def _registered(clients: Iterable[Client | Mapping[str, Any]]) -> tuple[list[Client], list[str]]:
    registered: list[Client] = []
    problems: list[str] = []
    for value in clients:
        try:
            registered.append(Client.of(value))
        except ConfigError as error:
            problems += error.problems
    return registered, problems + _twice("clients: client_id", [client.client_id for client in registered])


def _twice(what: str, names: list[str]) -> list[str]:
    return [f"{what} {name!r:.80} is there more than once" for name in sorted(set(names)) if names.count(name) > 1]
