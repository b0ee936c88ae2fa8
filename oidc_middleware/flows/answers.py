"""Every answer of ours is made here, so that every one carries the strict headers and none shows more than it may."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

from oidc_middleware.errors import CODES, LoginError, OIDCError, Unavailable
from oidc_middleware.flows.effects import Flow, Random, Report
from oidc_middleware.flows.messages import Request, Respond
from oidc_middleware.pages import Page, render_error, render_login_loop
from oidc_middleware.policy.challenge import accepts_html, is_navigation

if TYPE_CHECKING:
    from oidc_middleware.flows.site import Site

#: Catalogue section 0. ``Vary`` because what we answer always depends on the cookie (CA-01).
STRICT_HEADERS: Final = (
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("Vary", "Cookie"),
)
_NO_CONTENT_POLICY: Final = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
#: What :func:`empty` says, but for the place: made once, for strangers come in numbers.
_BEFORE_LOCATION: Final = (*STRICT_HEADERS, ("Content-Type", "text/plain; charset=utf-8"), _NO_CONTENT_POLICY)
_NO_LENGTH: Final = ("Content-Length", "0")


def respond(status: int, *, headers: Iterable[tuple[str, str]] = (), set_cookies: Sequence[str] = (), body: bytes = b"") -> Respond:
    """An answer with the strict headers."""
    cookies = tuple(("Set-Cookie", cookie) for cookie in set_cookies)
    return Respond(status, (*STRICT_HEADERS, *headers, ("Content-Length", str(len(body))), *cookies), body)


def redirect(location: str, *, status: int = 302, set_cookies: Sequence[str] = ()) -> Respond:
    """A redirect. *location* is a validated path of ours or a URL of the provider; nobody else's text gets here."""
    cookies = [("Set-Cookie", cookie) for cookie in set_cookies]
    return Respond(status, (*_BEFORE_LOCATION, ("Location", location), _NO_LENGTH, *cookies))


def empty(status: int, *, headers: Iterable[tuple[str, str]] = (), set_cookies: Sequence[str] = ()) -> Respond:
    """An answer without a body. It has a type all the same: PEP 3333 checkers want one."""
    typed = (("Content-Type", "text/plain; charset=utf-8"), _NO_CONTENT_POLICY, *headers)
    return respond(status, headers=typed, set_cookies=set_cookies)


def page(status: int, content: Page, *, headers: Iterable[tuple[str, str]] = (), set_cookies: Sequence[str] = ()) -> Respond:
    """An HTML page with its Content-Security-Policy."""
    typed = (("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", content.csp), *headers)
    return respond(status, headers=typed, set_cookies=set_cookies, body=content.body)


def problem(
    status: int, *, code: str, title: str, headers: Iterable[tuple[str, str]] = (), set_cookies: Sequence[str] = (), **members: str
) -> Respond:
    """An error for programs (RFC 9457)."""
    body = json.dumps({"type": "about:blank", "title": title, "status": status, "code": code, **members}).encode()
    typed = (("Content-Type", "application/problem+json"), _NO_CONTENT_POLICY, *headers)
    return respond(status, headers=typed, set_cookies=set_cookies, body=body)


def json_answer(status: int, value: object) -> Respond:
    """A JSON document about the session."""
    return respond(status, headers=(("Content-Type", "application/json"), _NO_CONTENT_POLICY), body=json.dumps(value).encode())


def script_answer(script: bytes) -> Respond:
    """A script of ours."""
    return respond(200, headers=(("Content-Type", "text/javascript; charset=utf-8"), _NO_CONTENT_POLICY), body=script)


def navigates(request: Request) -> bool:
    """Whether a person's browser asks for a page to show (catalogue section 0, LOGIN)."""
    return is_navigation(request.method, request.headers)


def wants_page(request: Request) -> bool:
    """Whether the answer is for a person. A form that was posted is, although it starts no login by itself."""
    return navigates(request) or accepts_html(",".join(request.headers("accept")))


class Refusal(NamedTuple):
    """What an answer to an error tells. ``code`` is a key of ``errors.CODES``; ``correlation_id`` finds the line in the log and is empty where
    there is none; ``retry_after`` is in seconds, ``None`` where waiting mends nothing.
    """

    code: str
    correlation_id: str = ""
    retry_after: int | None = None


def refuse(
    error: OIDCError,
    request: Request,
    site: Site | None,
    *,
    title: str,
    event: str = "request.refused",
    return_to: str | None = None,
    set_cookies: Sequence[str] = (),
) -> Flow[Respond]:
    """The answer to an error: a page for people, problem+json for programs, and one line in the log that carries the same correlation id."""
    refusal = yield from report_refusal(error, event)
    return show_refusal(refusal, request, site, title=title, return_to=return_to, set_cookies=set_cookies)


def report_refusal(error: OIDCError, event: str) -> Flow[Refusal]:
    """The line in the log, and what may be told of it."""
    random: bytes = yield Random(6)
    correlation_id = random.hex()
    level = logging.WARNING if isinstance(error, LoginError) else logging.ERROR
    yield Report(event, level, error.code, error.detail, correlation_id)
    return Refusal(error.code, correlation_id, error.retry_after if isinstance(error, Unavailable) else None)


def show_refusal(
    refusal: Refusal, request: Request, site: Site | None, *, title: str, return_to: str | None = None, set_cookies: Sequence[str] = ()
) -> Respond:
    """*refusal* as a page or as a document, whichever *request* asks for. *return_to*: one of our own return paths, for the link to start again."""
    code, correlation_id, retry_after = refusal
    status, public = CODES[code]
    headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
    if not wants_page(request) or request.kind == "websocket":
        members = {"correlation_id": correlation_id} if correlation_id else {}
        return problem(status, code=code, title=public, headers=headers, set_cookies=set_cookies, **members)
    retry = None if site is None else login_url(site, return_to)
    if code == "login_loop":
        content = render_login_loop(title=title, correlation_id=correlation_id, retry_url=retry)
    else:
        content = render_error(
            code=code,
            status=status,
            public=public,
            title=title,
            correlation_id=correlation_id,
            retry_url=retry,
            home_url=None if site is None else site.landing,
        )
    return page(status, content, headers=headers, set_cookies=set_cookies)


def login_url(site: Site, return_to: str | None = None, **parameters: str) -> str:
    """The path that starts a login and leads back to *return_to*, which is one of our own return paths."""
    query = ({"return_to": return_to} if return_to and return_to != site.landing else {}) | parameters
    return site.url("login") + ("?" + urlencode(query) if query else "")


def unexpected_error(accept: str) -> Respond:
    """A fault of ours, or of an operator's rule. Says nothing of it, because nothing is known to be safe to say (catalogue ER-03).

    *accept*: the request's header, which tells whether a person waits for a page.
    """
    sentence = "Something went wrong. Nobody was signed in or out by it."
    if not accepts_html(accept):
        return problem(500, code="internal_error", title=sentence)
    content = render_error(code="internal_error", status=500, public=sentence, title="", correlation_id="", retry_url=None, home_url=None)
    return page(500, content)
