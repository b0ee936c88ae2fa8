"""Signing a test client in without a provider: the session cookie that a login would have set, made with the middleware's own keys.

client = TestClient(app)                    # Starlette, FastAPI; or flask_app.test_client(), httpx.Client, a Browser
login_as(client, app, "ada", email="ada@example.com", groups=["admins"])
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from typing import Any, Final
from urllib.parse import urlsplit

from oidc_middleware.asgi import OIDCMiddleware as AsgiMiddleware
from oidc_middleware.drive import arun, run
from oidc_middleware.flows.claims import keep_session
from oidc_middleware.flows.messages import Request
from oidc_middleware.sessions.session import Session
from oidc_middleware.testing.browser import Browser
from oidc_middleware.wsgi import OIDCMiddleware as WsgiMiddleware

#: Where frameworks keep what they run: Dash, Flask and Django-like objects, Starlette, any wrapper.
_INNER: Final = ("server", "wsgi_app", "middleware_stack", "app", "_app", "application")


def find_middleware(app: Any) -> AsgiMiddleware | WsgiMiddleware:
    """The outermost ``OIDCMiddleware`` in *app*: a framework's object, a wrapper, or the middleware itself. Raises ``LookupError``."""
    if hasattr(app, "build_middleware_stack") and getattr(app, "middleware_stack", None) is None:
        app.middleware_stack = app.build_middleware_stack()  # Starlette makes it at the first request
    seen: set[int] = set()
    waiting = [app]
    while waiting:
        candidate = waiting.pop(0)
        if isinstance(candidate, AsgiMiddleware | WsgiMiddleware):
            return candidate
        seen.add(id(candidate))
        inner = (getattr(candidate, name, None) for name in _INNER)
        waiting += [item for item in inner if item is not None and id(item) not in seen and not isinstance(item, str)]
    raise LookupError(f"no OIDCMiddleware in {type(app).__name__}")


def session_set_cookies(
    app: Any, sub: str = "test-user", *, base_url: str | None = None, scopes: Sequence[str] | None = None, **claims: Any
) -> tuple[str, ...]:
    """The ``Set-Cookie`` values of a session of *sub* with *claims*, as of now on the middleware's clock.

    *base_url* is needed only if the middleware has none of its own. *scopes*: those the provider would have granted; default: those asked for.
    """
    middleware = find_middleware(app)
    rp, clock = middleware._rp, middleware._world.clock  # noqa: SLF001  # this file is what the privacy is for: nobody else makes sessions
    now = clock.now()
    asked = _request(base_url, now)
    site = rp.sites.of(asked)
    session = Session(
        issuer=rp.settings.issuer,
        subject=sub,
        claims_json=json.dumps({"iss": rp.settings.issuer, "sub": sub, **claims}, ensure_ascii=False),
        created=now,
        seen=now,
        expires=now + rp.settings.session_lifetime,
        scopes=tuple(rp.settings.scopes if scopes is None else scopes),
    )
    keeping = keep_session(session, asked, rp, site, now)
    if isinstance(middleware, WsgiMiddleware):
        return run(keeping, middleware._world)  # noqa: SLF001  # likewise
    with ThreadPoolExecutor(1) as thread:  # of its own: the caller may be in an event loop, which must not wait for itself
        return thread.submit(asyncio.run, arun(keeping, middleware._world)).result()  # noqa: SLF001  # likewise


def login_as(
    client: Any, app: Any, sub: str = "test-user", *, base_url: str | None = None, scopes: Sequence[str] | None = None, **claims: Any
) -> None:
    """Sign *client* in as *sub* at *app*, without a provider and without a request.

    *client*: a :class:`Browser`, a Starlette or FastAPI ``TestClient``, an ``httpx`` client, or the test client of Flask (Werkzeug). *app*: the
    protected app, see :func:`find_middleware`; other arguments as in :func:`session_set_cookies`. Rules in ``allow`` hold as for everybody.
    """
    if isinstance(client, Browser):
        address = base_url or client.base_url
        client.cookies.receive(address + "/", session_set_cookies(app, sub, base_url=address, scopes=scopes, **claims), client.clock.now())
        return
    known = base_url or str(getattr(client, "base_url", "") or "") or None
    for header in session_set_cookies(app, sub, base_url=known, scopes=scopes, **claims):
        for name, morsel in SimpleCookie(header).items():
            if hasattr(client, "set_cookie"):
                client.set_cookie(name, morsel.value)
            else:
                client.cookies.set(name, morsel.value)


def _request(base_url: str | None, now: float) -> Request:
    parts = urlsplit(base_url or "http://localhost")

    def headers(name: str) -> list[str]:
        return [parts.netloc] if name == "host" else []

    return Request("http", "GET", parts.scheme, parts.path.rstrip("/"), "/", "", "", "", headers, "", now)
