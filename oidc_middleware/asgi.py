"""The shell for ASGI applications: pure ASGI, for HTTP and WebSocket; lifespan passes, what is unknown does not."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final

import anyio
from starlette.authentication import AuthCredentials, BaseUser

from oidc_middleware import identity
from oidc_middleware.attendance import SESSION_ENDED, Attendance
from oidc_middleware.clock import Clock
from oidc_middleware.config import load_settings
from oidc_middleware.drive import AsyncWorld, Known, arun, settled
from oidc_middleware.errors import LoginError
from oidc_middleware.flows.answers import unexpected_error
from oidc_middleware.flows.backchannel import sign_out_everywhere
from oidc_middleware.flows.gate import gate
from oidc_middleware.flows.lane import Lane, Unsure
from oidc_middleware.flows.messages import Decision, PassThrough, Request, Respond
from oidc_middleware.flows.raw_headers import CACHING, NO_STORE, HeaderTable, cookie_and_spoofs, outgoing_headers, own_headers, without_spoofs
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.long_lived import attend_answer
from oidc_middleware.stores import NOT_SHARED, instant, memory_of, open_async, several_announced
from oidc_middleware.transports.client import AsyncHttp

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

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


@lru_cache(256)
def _credentials(scopes: tuple[str, ...]) -> Credentials:
    """One object for all who were granted the same: as good as always the scopes that are asked for."""
    return Credentials(("authenticated", *scopes))


_NO_CREDENTIALS: Final = Credentials(())


class User(identity.User, BaseUser):
    """The signed-in user, as Starlette knows users."""

    __slots__ = ("auth",)

    auth: Credentials

    def __init__(self, issuer: str, subject: str, claims_json: str = "{}", scopes: tuple[str, ...] = ()) -> None:
        identity.User.__init__(self, issuer, subject, claims_json, scopes)  # super() costs as much as the rest of it
        _set_auth(self, _credentials(scopes) if subject else _NO_CREDENTIALS)

    def access_token(self) -> Awaitable[str]:
        """``await user.access_token()``: see :meth:`oidc_middleware.identity.User.access_token`."""
        token: Awaitable[str] = super().access_token()
        return token


_set_auth: Final = vars(User)["auth"].__set__  # past the guard, as in identity


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
        if scope["type"] != "http":
            await self._not_http(scope, receive, send)
            return
        cookie, spoofed = cookie_and_spoofs(scope["headers"])
        try:
            now = self._now()
            recalled = self._lane.recall(cookie, scope["path"], now) if cookie else None
            if isinstance(recalled, PassThrough):
                decision: Decision = recalled
            else:
                address = (scope.get("root_path") or "", scope["path"], scope.get("raw_path") or b"")
                stranger = self._lane.public(cookie, address) if recalled is None else None
                decision = stranger or await self._asked(recalled, scope, cookie, now, receive)
                if stranger is None:
                    self._lane.learn(cookie, address, decision)
        except Exception as error:  # noqa: BLE001  # a fault of ours or of a rule: nobody gets in, and no text of it gets out (ER-03)
            decision = self._fault(scope, error)
        if isinstance(decision, PassThrough):
            answer = _outgoing(send, decision.set_cookies) if decision.private else send
            seen = _with_user(scope, decision.user, spoofed)
            if self._cuts and decision.user.is_authenticated:
                await self._attended(scope, cookie, seen, receive, answer)
            else:
                await self.app(seen, receive, answer)
        else:
            await _respond(decision, scope, send)

    async def _attended(self, scope: Scope, cookie: bytes, seen: Scope, receive: Receive, answer: Send) -> None:
        """The application, whose answer is cut off when the session ends. Not in ``__call__``: variables shared with a lambda cost every call."""
        await attend_answer(self.app, self._rp, self._world, lambda: _request(scope, cookie, self._now()), seen, receive, answer)

    async def _not_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            if scope["type"] not in _NO_CLIENT:
                raise ValueError(f"ASGI scope type {scope['type']!r}: whoever is behind it could not be asked to sign in")
            await self.app(scope, partial(_until_shutdown, receive) if scope["type"] == "lifespan" else receive, send)
            return
        cookie, spoofed = cookie_and_spoofs(scope["headers"])
        try:
            decision = await self._decided(_request(scope, cookie, self._now()), receive)
        except Exception as error:  # noqa: BLE001  # as above
            decision = self._fault(scope, error)
        if not isinstance(decision, PassThrough):
            await _deny(decision, scope, receive, send)
            return
        seen = _with_user(scope, decision.user, spoofed)
        if decision.watch is None:
            await self.app(seen, receive, send)
        else:
            await self._attendance.attend(decision.watch, self.app, seen, receive, send)

    async def _asked(self, recalled: Unsure | None, scope: Scope, cookie: bytes, now: float, receive: Receive) -> Decision:
        known = None
        if recalled is not None:
            known = await self._world.heard(recalled.question)
            decision = recalled.settled(known.result)
            if decision is not None:
                return decision
        return await self._decided(_request(scope, cookie, now), receive, known)

    async def _decided(self, request: Request, receive: Receive, known: Known | None = None) -> Decision:
        outcome = gate(request, self._rp)
        return outcome if isinstance(outcome, (PassThrough, Respond)) else await arun(outcome, self._world, partial(_read_body, receive), known)

    def _fault(self, scope: Scope, error: Exception) -> Respond:
        self._world.log.fault(self._now(), error)
        return unexpected_error(", ".join(HeaderTable(scope["headers"]).values("accept")))


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
        HeaderTable(scope["headers"]).values,
        client[0] if client else "",
        now,
    )


def _with_user(scope: Scope, user: identity.User, spoofed: bool) -> Scope:
    """A copy, for the server's own is not ours to write in."""
    scope = dict(scope)
    scope["user"] = user
    scope["auth"] = user.auth  # type: ignore[attr-defined]  # RelyingParty makes our own User
    if spoofed:
        scope["headers"] = without_spoofs(scope["headers"])
    return scope


def _outgoing(send: Send, set_cookies: Sequence[str]) -> Send:
    """*send* with our cookies and the caching rule added to the first start of the answer; the application's own headers stay.

    It returns what *send* returns: a coroutine of its own would cost every message another frame. Where nothing but the rule is to be added, it goes
    into the application's own list, as Starlette's middlewares do it: an answer that is sent again has it then. Cookies never do.
    """
    if set_cookies:
        started = False

        def outgoing(message: Message) -> Awaitable[None]:
            nonlocal started
            if not started and message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": outgoing_headers(message.get("headers", ()), set_cookies)}
            return send(message)

        return outgoing

    def kept_private(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            headers = message.get("headers")
            if type(headers) is not list:
                return send({**message, "headers": outgoing_headers(headers or (), ())})
            for name, _ in headers:
                if name in CACHING:
                    return send({**message, "headers": outgoing_headers(headers, ())})
            headers.append(NO_STORE)
        return send(message)

    return kept_private


async def _respond(decision: Respond, scope: Scope, send: Send) -> None:
    await send({"type": "http.response.start", "status": decision.status, "headers": own_headers(decision)})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else decision.body})


async def _deny(decision: Respond, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a WebSocket before it is accepted: an HTTP answer where the server can, else a close that becomes 403 (catalogue WS-01, WS-08)."""
    message = await receive()
    if message["type"] != "websocket.connect":
        return
    if "websocket.http.response" in (scope.get("extensions") or {}):
        headers = [item for item in own_headers(decision) if item[0] != b"set-cookie"]
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
