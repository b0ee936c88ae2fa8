"""The shell for ASGI applications: pure ASGI, for HTTP and WebSocket; lifespan passes, what is unknown does not."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from functools import partial
from typing import Any, Final

import anyio
from starlette.authentication import AuthCredentials, BaseUser

from oidc_middleware import identity
from oidc_middleware.attendance import SESSION_ENDED, Attendance
from oidc_middleware.clock import Clock
from oidc_middleware.config import load_settings
from oidc_middleware.drive import AsyncWorld, arun, settled
from oidc_middleware.errors import LoginError
from oidc_middleware.flows.answers import unexpected_error
from oidc_middleware.flows.backchannel import sign_out_everywhere
from oidc_middleware.flows.gate import gate
from oidc_middleware.flows.lane import Lane
from oidc_middleware.flows.messages import Decision, PassThrough, Request, Respond
from oidc_middleware.flows.outgoing import MAX_REMEMBERED, is_identity_header, private_caching
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.long_lived import attend_answer
from oidc_middleware.stores import NOT_SHARED, instant, memory_of, open_async, several_announced
from oidc_middleware.transports.client import AsyncHttp

RawHeaders = Iterable[tuple[bytes, bytes]]
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

#: What decides on caching, and the answer where nothing does. ASGI wants names in lower case, yet not every application keeps to it.
_CACHING: Final = frozenset({b"cache-control", b"etag", b"last-modified", b"Cache-Control", b"ETag", b"Etag", b"Last-Modified"})
_NO_STORE: Final = (b"cache-control", b"private, no-store")

#: Scopes without a client: the server's start and end, and the background workers of Django Channels. What servers will think of next may well
#: have one, so it stays outside (catalogue PA-16).
_NO_CLIENT: Final = frozenset({"lifespan", "channel"})

#: Seconds that a server which ends waits for tokens that are on their way to the store (catalogue F-PR-05).
SHUTDOWN_SECONDS: Final = 10.0

#: Seconds a client may take to send a body of ours (a form of a few hundred bytes).
BODY_SECONDS: Final = 10.0


class Credentials(AuthCredentials):
    """What the user may do, as Starlette knows it. Read-only: one object serves many requests at once, one those of all strangers (AS-04)."""

    def __init__(self, scopes: Iterable[str]) -> None:
        object.__setattr__(self, "scopes", tuple(scopes))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is read-only")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is read-only")


class User(identity.User, BaseUser):
    """The signed-in user, as Starlette knows users."""

    __slots__ = ("auth",)

    auth: Credentials

    def __init__(self, issuer: str, subject: str, claims_json: str = "{}", scopes: tuple[str, ...] = ()) -> None:
        super().__init__(issuer, subject, claims_json, scopes)
        object.__setattr__(self, "auth", Credentials(("authenticated", *scopes) if subject else ()))

    def access_token(self) -> Awaitable[str]:
        """``await user.access_token()``: see :meth:`oidc_middleware.identity.User.access_token`."""
        token: Awaitable[str] = super().access_token()
        return token


class OIDCMiddleware:
    """OpenID Connect login in front of an ASGI application.

    Options are documented in ``docs/options.md``; each falls back to ``OIDC_<NAME>``. Raises :class:`~oidc_middleware.errors.ConfigError` with all
    problems at once. Nothing is asked of the provider before the first login.
    """

    def __init__(self, app: ASGIApp, *, clock: Clock | None = None, **options: Any) -> None:
        settings = load_settings(options)
        self.app = app
        target = settings.store if settings.store is not None else settings.revocation
        store = None if target is None else open_async(target)
        memory = memory_of(target, store)
        self._rp = RelyingParty(settings, User, lambda flow: arun(flow, self._world), instant(store), memory)
        self._world = AsyncWorld(AsyncHttp(settings.http_client, trust_env=settings.trust_env), clock, store)
        self._now = self._world.clock.now
        self._lane = Lane(self._rp)
        self._attendance = Attendance(self._world, self._rp.sockets)
        self._cuts = settings.end_long_responses
        if memory is not None and several_announced(sys.argv, os.environ):
            self._rp.scattered = True
            self._world.log.write(self._now(), "store.not_shared", logging.WARNING, detail=NOT_SHARED)

    async def sign_out_everywhere(self, subject: str) -> int:
        """End all sessions of *subject* (the ``sub`` claim) that exist now. How many were found; in cookie mode, where none can be counted, 0.

        Needs ``store``, or ``revocation`` in cookie mode. Raises :class:`~oidc_middleware.errors.Unavailable` when the store is away.
        """
        return await arun(sign_out_everywhere(subject, self._rp), self._world)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            if scope["type"] not in _NO_CLIENT:
                raise ValueError(f"ASGI scope type {scope['type']!r}: whoever is behind it could not be asked to sign in")
            await self.app(scope, partial(_until_shutdown, receive) if scope["type"] == "lifespan" else receive, send)
            return
        cookie, spoofed = _cookie_and_spoofs(scope["headers"])
        http = scope["type"] == "http"
        try:
            now = self._now()
            decision: Decision | None = self._lane.recall(cookie, scope["path"], now) if http else None
            if decision is None:
                outcome = gate(_request(scope, cookie, now), self._rp)
                decision = outcome if isinstance(outcome, (PassThrough, Respond)) else await arun(outcome, self._world, partial(_read_body, receive))
                if isinstance(decision, PassThrough) and http:
                    self._lane.remember(cookie, decision)
        except Exception as error:  # noqa: BLE001  # a fault of ours or of a rule: nobody gets in, and no text of it gets out (ER-03)
            self._world.log.fault(self._now(), error)
            decision = unexpected_error(", ".join(_header_values(scope["headers"], "accept")))
        if isinstance(decision, PassThrough):
            user: User = decision.user  # type: ignore[assignment]  # RelyingParty makes our own User
            answer = _outgoing(send, decision.set_cookies) if decision.private and http else send
            seen = _with_user(scope, user, spoofed)
            if decision.watch is not None:
                await self._attendance.attend(decision.watch, self.app, seen, receive, send)
            elif self._cuts and http and user.is_authenticated:
                await attend_answer(self.app, self._rp, self._world, lambda: _request(scope, cookie, self._now()), seen, receive, answer)
            else:
                await self.app(seen, receive, answer)
        elif http:
            await _respond(decision, scope, send)
        else:
            await _deny(decision, scope, receive, send)


#: Names of headers seen that neither are a cookie nor claim an identity: what nearly every header of nearly every request is. Clients choose
#: them, so neither may the names be long, nor may those that came first stay for ever.
_harmless: set[bytes] = set()
_MAX_HARMLESS: Final = 1024


def _cookie_and_spoofs(headers: RawHeaders) -> tuple[bytes, bool]:
    """The joined Cookie headers (RFC 9113 8.2.3), and whether a header claims an identity. One pass, because every request pays for it."""
    cookie, spoofed = b"", False
    for name, value in headers:
        if name in _harmless:
            continue
        if name == b"cookie" or name.lower() == b"cookie":  # not every server writes names in lower case
            cookie = value if not cookie else cookie + b"; " + value
        elif is_identity_header(name.decode("latin-1")):
            spoofed = True
        elif len(name) <= MAX_REMEMBERED:
            if len(_harmless) >= _MAX_HARMLESS:
                _harmless.clear()
            _harmless.add(name)
    return cookie, spoofed


def _header_values(headers: RawHeaders, name: str) -> list[str]:
    wanted = name.encode("ascii")
    return [value.decode("latin-1") for key, value in headers if key.lower() == wanted]


def _request(scope: Scope, cookie: bytes, now: float) -> Request:
    mount: str = scope.get("root_path") or ""
    path: str = scope["path"]
    # The path the application routes on, as Starlette works it out: relative to root_path, where it is below it (catalogue PA-09).
    if mount and path.startswith(mount) and (len(path) == len(mount) or path[len(mount)] == "/"):
        path = path[len(mount) :] or "/"
    client = scope.get("client")
    return Request(
        scope["type"],
        scope.get("method", "GET"),
        scope.get("scheme", "http"),
        mount.rstrip("/"),
        path,
        (scope.get("raw_path") or b"").decode("latin-1"),
        (scope.get("query_string") or b"").decode("latin-1"),
        cookie.decode("latin-1"),
        partial(_header_values, scope["headers"]),
        client[0] if client else "",
        now,
    )


def _with_user(scope: Scope, user: User, spoofed: bool) -> Scope:
    scope = {**scope, "user": user, "auth": user.auth}
    if spoofed:
        scope["headers"] = [(name, value) for name, value in scope["headers"] if not is_identity_header(name.decode("latin-1"))]
    return scope


def _outgoing(send: Send, set_cookies: Sequence[str]) -> Send:
    """*send* with our cookies and the caching rule added to the first start of the answer; the application's own headers stay."""
    started = False

    async def outgoing(message: Message) -> None:
        nonlocal started
        if not started and message["type"] == "http.response.start":
            started = True
            message = {**message, "headers": _outgoing_headers(message.get("headers", ()), set_cookies)}
        await send(message)

    return outgoing


def _outgoing_headers(headers: Iterable[tuple[bytes, bytes]], set_cookies: Sequence[str]) -> list[tuple[bytes, bytes]]:
    headers = list(headers)
    if not set_cookies and _CACHING.isdisjoint([name for name, _ in headers]):
        headers.append(_NO_STORE)
        return headers
    control = private_caching([(name.lower().decode("latin-1"), value.decode("latin-1")) for name, value in headers])
    if set_cookies:
        control = "private, no-store"
        headers.append((b"vary", b"Cookie"))
    if control is not None:
        headers = [(name, value) for name, value in headers if name.lower() != b"cache-control"]
        headers.append((b"cache-control", control.encode("latin-1")))
    headers.extend((b"set-cookie", cookie.encode("latin-1")) for cookie in set_cookies)
    return headers


def _raw_headers(decision: Respond) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in decision.headers]


async def _respond(decision: Respond, scope: Scope, send: Send) -> None:
    await send({"type": "http.response.start", "status": decision.status, "headers": _raw_headers(decision)})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else decision.body})


async def _deny(decision: Respond, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a WebSocket before it is accepted: an HTTP answer where the server can, else a close that becomes 403 (catalogue WS-01, WS-08)."""
    message = await receive()
    if message["type"] != "websocket.connect":
        return
    if "websocket.http.response" in (scope.get("extensions") or {}):
        headers = [item for item in _raw_headers(decision) if item[0] != b"set-cookie"]
        status = 403 if decision.status == 401 else decision.status  # there is nothing a WebSocket client could do about a 401
        await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": decision.body})
    else:
        await send({"type": "websocket.close", "code": SESSION_ENDED if decision.status == 401 else 1008, "reason": ""})


async def _until_shutdown(receive: Receive) -> Message:
    """The next message of the server's life. Before the last one we finish what must not be lost, while all the application's means are there."""
    message = await receive()
    if message["type"] == "lifespan.shutdown":
        await settled(SHUTDOWN_SECONDS)
    return message


async def _read_body(receive: Receive, max_bytes: int) -> bytes:
    body = bytearray()
    try:
        with anyio.fail_after(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise LoginError("malformed_parameter", "the client went away while sending a form")
                body += message.get("body", b"")
                if len(body) > max_bytes:
                    raise LoginError("body_too_large", f"more than {max_bytes} bytes")
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise LoginError("malformed_parameter", f"the form was not complete after {BODY_SECONDS:.0f} s") from None


__all__ = ["OIDCMiddleware", "User"]
