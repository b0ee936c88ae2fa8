"""The shell for WSGI applications (PEP 3333)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from oidc_middleware.clock import Clock
from oidc_middleware.config import load_settings
from oidc_middleware.drive import SyncWorld, run
from oidc_middleware.errors import LoginError
from oidc_middleware.flows.answers import unexpected_error
from oidc_middleware.flows.backchannel import sign_out_everywhere
from oidc_middleware.flows.gate import gate
from oidc_middleware.flows.lane import Lane, Unsure
from oidc_middleware.flows.messages import Decision, PassThrough, Request, Respond
from oidc_middleware.flows.outgoing import MAX_REMEMBERED, is_identity_header, private_caching
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.identity import User
from oidc_middleware.long_lived import EndingBody
from oidc_middleware.stores import NOT_SHARED, instant, is_shared, memory_of, open_sync
from oidc_middleware.transports.client import SyncHttp

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Headers = list[tuple[str, str]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

#: Where the application finds the user object.
USER_KEY: Final = "oidc_middleware.user"
_IDENTITY_KEYS: Final = frozenset({"REMOTE_USER", "AUTH_TYPE", USER_KEY})

#: What decides on caching, and the answer where nothing does.
_CACHING: Final = frozenset({"cache-control", "etag", "last-modified"})
_NO_STORE: Final = ("Cache-Control", "private, no-store")


class OIDCMiddleware:
    """OpenID Connect login in front of a WSGI application.

    Options are documented in ``docs/options.md``; each falls back to ``OIDC_<NAME>``. Raises :class:`~oidc_middleware.errors.ConfigError` with all
    problems at once. Nothing is asked of the provider before the first login.
    """

    def __init__(self, app: WSGIApplication, *, clock: Clock | None = None, **options: Any) -> None:
        settings = load_settings(options)
        self.app = app
        target = settings.store if settings.store is not None else settings.revocation
        store = None if target is None else open_sync(target)
        self._rp = RelyingParty(settings, drive=lambda flow: run(flow, self._world), still=instant(store), memory=memory_of(target, store))
        self._world = SyncWorld(SyncHttp(settings.http_client, trust_env=settings.trust_env), clock, store)
        self._now = self._world.clock.now
        self._lane = Lane(self._rp)
        self._cuts = settings.end_long_responses
        self._in_memory = target is not None and not is_shared(target)

    def sign_out_everywhere(self, subject: str) -> int:
        """End all sessions of *subject* (the ``sub`` claim) that exist now. How many were found; in cookie mode, where none can be counted, 0.

        Needs ``store``, or ``revocation`` in cookie mode. Raises :class:`~oidc_middleware.errors.Unavailable` when the store is away.
        """
        return run(sign_out_everywhere(subject, self._rp), self._world)

    def _look_at_workers(self, environ: WSGIEnvironment) -> None:
        """PEP 3333 has the server say whether there are others, with the first request (catalogue F-ST-15)."""
        self._in_memory = False
        if environ.get("wsgi.multiprocess"):
            self._rp.scattered = True
            self._world.log.write(self._now(), "store.not_shared", logging.WARNING, detail=NOT_SHARED)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            if self._in_memory:
                self._look_at_workers(environ)
            get, lane, now = environ.get, self._lane, self._now()
            cookie, path = get("HTTP_COOKIE", ""), get("PATH_INFO", "")
            recalled = lane.recall(cookie, path, now) if cookie else None
            if isinstance(recalled, PassThrough):
                decision: Decision = recalled
            else:
                address = (get("SCRIPT_NAME", ""), path, get("REQUEST_URI") or get("RAW_URI") or "")
                stranger = lane.public(cookie, address) if recalled is None else None
                decision = stranger or self._asked(recalled, environ, now)
                if stranger is None:
                    lane.learn(cookie, address, decision)
        except Exception as error:  # noqa: BLE001  # a fault of ours or of a rule: nobody gets in, and no text of it gets out (ER-03)
            self._world.log.fault(self._now(), error)
            decision = unexpected_error(environ.get("HTTP_ACCEPT", ""))
        if isinstance(decision, PassThrough):
            came = environ.copy() if self._cuts and decision.user.is_authenticated else None
            _set_user(environ, decision.user)
            start = _outgoing(start_response, decision.set_cookies) if decision.private else start_response
            if came is None:
                return self.app(environ, start)
            body = EndingBody(self._rp, self._world, lambda: _request(came, self._now()), start)
            return body.of(self.app(environ, body.start_response))
        return _respond(decision, environ, start_response)

    def _asked(self, recalled: Unsure | None, environ: WSGIEnvironment, now: float) -> Decision:
        known = None
        if recalled is not None:
            known = self._world.heard(recalled.question)
            decision = recalled.settled(known.result)
            if decision is not None:
                return decision
        outcome = gate(_request(environ, now), self._rp)
        return outcome if isinstance(outcome, (PassThrough, Respond)) else run(outcome, self._world, partial(_read_body, environ), known)


def _request(environ: WSGIEnvironment, now: float) -> Request:
    get = environ.get

    def values(name: str) -> list[str]:
        key = "CONTENT_TYPE" if name == "content-type" else "HTTP_" + name.upper().replace("-", "_")
        value = get(key)
        return [] if value is None or (value == "" and key == "CONTENT_TYPE") else [value]

    mount: str = get("SCRIPT_NAME", "")
    target: str = get("REQUEST_URI") or get("RAW_URI") or ""
    return Request(
        kind="http",
        method=environ["REQUEST_METHOD"],
        scheme=environ["wsgi.url_scheme"],
        mount=mount.rstrip("/"),
        path=_text(get("PATH_INFO", "")) or "/",
        target=target,
        query=get("QUERY_STRING", ""),
        cookie=get("HTTP_COOKIE", ""),
        headers=values,
        peer=get("REMOTE_ADDR", ""),
        now=now,
    )


def _text(native: str) -> str:
    """A native string of PEP 3333 (bytes in disguise) as the text it stands for; bytes that are no UTF-8 stay recognisable."""
    return native if native.isascii() else native.encode("latin-1").decode("utf-8", "surrogateescape")


def _native(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8").decode("latin-1")


#: Keys seen in an environ that claim no identity: what nearly every key of nearly every request is. Clients choose those of headers, so neither
#: may they be long, nor may those that came first stay for ever.
_harmless: set[str] = set()
_MAX_HARMLESS: Final = 1_024


def _set_user(environ: WSGIEnvironment, user: User) -> None:
    """Our word alone says who is there: whatever the client, or a server on its behalf, put into these keys is gone (catalogue HD-05)."""
    harmless = _harmless
    for key in environ:
        if key not in harmless:
            _look_at_keys(environ)
            break
    environ[USER_KEY] = user
    if user.is_authenticated:
        environ["REMOTE_USER"] = _native(user.identity)
        environ["AUTH_TYPE"] = "oidc"


def _look_at_keys(environ: WSGIEnvironment) -> None:
    """Take out those that claim an identity, and remember the others."""
    for key in [key for key in environ if key not in _harmless]:
        if key in _IDENTITY_KEYS or (key.startswith("HTTP_") and is_identity_header(key[5:])):
            del environ[key]
        elif len(key) <= MAX_REMEMBERED:
            if len(_harmless) >= _MAX_HARMLESS:
                _harmless.clear()
            _harmless.add(key)


def _outgoing(start_response: StartResponse, set_cookies: Sequence[str]) -> StartResponse:
    """*start_response* with our cookies and the caching rule added; the application's own headers stay."""

    def outgoing(status: str, headers: Headers, exc_info: ExcInfo | None = None, /) -> Callable[[bytes], object]:
        ours = _outgoing_headers(headers, set_cookies)
        return start_response(status, ours) if exc_info is None else start_response(status, ours, exc_info)

    return outgoing


def _outgoing_headers(headers: Headers, set_cookies: Sequence[str]) -> Headers:
    if not set_cookies:
        for name, _ in headers:
            if name.lower() in _CACHING:
                break
        else:
            return [*headers, _NO_STORE]
    control = private_caching([(name.lower(), value) for name, value in headers])
    headers = list(headers)
    if set_cookies:
        control = "private, no-store"
        headers.append(("Vary", "Cookie"))
    if control is not None:
        headers = [(name, value) for name, value in headers if name.lower() != "cache-control"]
        headers.append(("Cache-Control", control))
    headers.extend(("Set-Cookie", cookie) for cookie in set_cookies)
    return headers


def _respond(decision: Respond, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    phrase = HTTPStatus(decision.status).phrase
    start_response(f"{decision.status} {phrase}", list(decision.headers))
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else decision.body]


def _read_body(environ: WSGIEnvironment, max_bytes: int) -> bytes:
    """The body, never more than *max_bytes*. Without a length it is read only from servers that say they end it (``wsgi.input_terminated``)."""
    declared = environ.get("CONTENT_LENGTH") or ""
    if declared and not (declared.isascii() and declared.isdigit()):
        raise LoginError("malformed_parameter", "Content-Length is not a number")
    if not declared and not environ.get("wsgi.input_terminated"):
        return b""
    digits = declared.lstrip("0") or "0"  # leading zeros are allowed (RFC 9110 8.6), so they do not count against the limit
    if len(digits) > 12 or int(digits) > max_bytes:
        raise LoginError("body_too_large", f"more than {max_bytes} bytes")
    body: bytes = environ["wsgi.input"].read(int(digits) if declared else max_bytes + 1)
    if len(body) > max_bytes:
        raise LoginError("body_too_large", f"more than {max_bytes} bytes")
    return body


__all__ = ["USER_KEY", "OIDCMiddleware"]
