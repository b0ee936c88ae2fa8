"""What all endpoints need of HTTP: parameters, cookies, pages, and headers on every answer."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oidc_middleware.provider.memory import Session, new_handle
from oidc_middleware.provider.options import Pending, State
from oidc_middleware.provider.refusals import Destination, FatalRequest, RequestRefused

MAX_BODY: Final = 65_536  # catalogue ST-13

_TEMPLATES: Final = Path(__file__).parent / "templates"
_PAGES: Final = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
_STYLE: Final = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
_SUBMIT: Final = "document.forms[0].submit()"

_EXPIRED: Final = "This page was answered already, has expired, or belongs to another browser. Start again at the application."

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Pragma": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class StrictHeaders:
    """Puts :data:`HEADERS` on every answer, including those that Starlette makes itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


# -- what comes in ----------------------------------------------------------------------------------------------------------------------


async def read_form(request: Request) -> str:
    """The raw form body. Raises :class:`RequestRefused` when it is no form, too large, or not ASCII (escapes carry everything else)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise RequestRefused("invalid_request", "The body must be application/x-www-form-urlencoded.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise RequestRefused("invalid_request", "The body is too large.")
    if not body.isascii():
        raise RequestRefused("invalid_request", "The body is not properly encoded.")
    return body.decode("ascii")


async def raw_parameters(request: Request) -> str:
    """The query string of a GET, the form body of a POST."""
    if request.method == "POST":
        return await read_form(request)
    query: bytes = request.scope["query_string"]
    if not query.isascii():
        raise RequestRefused("invalid_request", "The query is not properly encoded.")
    return query.decode("ascii")


class Browser:
    """One browser's cookies: who is signed in there, and an unguessable name for it that pages are bound to."""

    def __init__(self, state: State, request: Request) -> None:
        label = hashlib.sha256(state.issuer.encode()).hexdigest()[:8]  # cookies do not know ports: two providers on one host must not mix
        self._state = state
        self._secure = state.issuer.startswith("https:")
        prefix = "__Host-" if self._secure else ""
        self._session_cookie = f"{prefix}provider_session_{label}"
        self._name_cookie = f"{prefix}provider_browser_{label}"
        self._cookies = [item.strip(" \t").partition("=") for line in request.headers.getlist("cookie") for item in line.split(";")]
        self._handle = self._only(self._session_cookie)
        self._new_name = ""
        self._from_our_page = request.headers.get("sec-fetch-site") == "same-origin"

    @property
    def session(self) -> Session | None:
        session = self._state.sessions.get(self._handle)
        return None if session is None or session.ended else session

    @property
    def is_new(self) -> bool:
        """Whether it brought no name."""
        return self._only(self._name_cookie) is None

    @property
    def name(self) -> str:
        """The unguessable name of this browser; a new one when it brought none."""
        self._new_name = self._new_name or self._only(self._name_cookie) or new_handle(self._state.clock)
        return self._new_name

    def sign_in(self, session: Session) -> None:
        """Remember *session* under a new handle; the one the browser came with means nothing any more (session fixation)."""
        self._state.sessions.take(self._handle)
        self._handle = self._state.sessions.put(session)

    def sign_out(self) -> None:
        session = self._state.sessions.take(self._handle)
        if session is not None:
            session.ended = True
        self._handle = None

    def pending(self, kind: str, ticket: str | None) -> Pending:
        """What the page with this *ticket* was about. Raises :class:`FatalRequest` unless it was shown to this very browser and not answered yet.

        The ticket is unguessable, and worth nothing in another browser: together they keep other sites from answering for the user.
        """
        pending = self._state.pending.get(ticket)
        if pending is not None and pending.info["client_id"] not in (None, *self._state.clients):
            raise FatalRequest("invalid_client", "There is no client with this client_id any more.")
        if pending is None or pending.kind != kind or not self._was_shown(pending):
            raise FatalRequest("page_expired", _EXPIRED)
        return pending

    def _was_shown(self, pending: Pending) -> bool:
        """Whether this browser saw the page. A first visit with several tabs is known by its answer coming from our own page instead."""
        if hmac.compare_digest(pending.browser, self._only(self._name_cookie) or ""):
            return True
        return pending.first_visit and not self.is_new and self._from_our_page

    def answered(self, form: Mapping[str, str], response: Response) -> Response:
        """The page is done with; *response* goes out with this browser's cookies."""
        self._state.pending.take(form.get("ticket"))
        return self.remember(response)

    def remember(self, response: Response) -> Response:
        """*response* with the cookies that say who this is."""
        self._set(response, self._name_cookie, self.name)
        if self._handle is not None and self.session is not None:
            self._set(response, self._session_cookie, self._handle)
        elif self._only(self._session_cookie) is not None:
            response.delete_cookie(self._session_cookie, path="/", secure=self._secure, httponly=True, samesite="lax")
        return response

    def _set(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(name, value, path="/", secure=self._secure, httponly=True, samesite="lax")

    def _only(self, name: str) -> str | None:
        """The cookie of exactly this name, if there is exactly one (catalogue: appendix A 3)."""
        values = [value for key, _, value in self._cookies if key == name]
        return values[0] if len(values) == 1 and len(values[0]) == 43 and values[0].isascii() else None


# -- what goes out ----------------------------------------------------------------------------------------------------------------------


def page(template: str, *, status: int = 200, form_target: str = "", script: bool = False, **values: Any) -> HTMLResponse:
    """A page. *form_target* is the redirect URI that a submitted form may lead to: browsers apply ``form-action`` to redirects as well."""
    html = _PAGES.get_template(template).render(style=_STYLE, submit=_SUBMIT, **values)
    policy = [
        "default-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "img-src data:",
        f"style-src {_hash_source(_STYLE)}",
        f"form-action 'self' {_source(form_target)}".strip(),
    ]
    if script:
        policy.append(f"script-src {_hash_source(_SUBMIT)}")
    return HTMLResponse(html, status, headers={"Content-Security-Policy": "; ".join(policy)})


def waiting_page(state: State, pending: Pending, template: str, *, ticket: str = "", status: int = 200, **values: Any) -> Response:
    """A page with a form that *pending* is remembered for. The form's answer may redirect to the client, so the policy names it."""
    ticket = ticket or state.pending.put(pending)
    target = pending.info.get("redirect_uri") or pending.info.get("post_logout_redirect_uri") or ""
    return page(template, status=status, form_target=target, base=state.path, ticket=ticket, **values)


def refusal_page(refusal: RequestRefused, *, status: int = 400) -> Response:
    """The page for whoever can read it: nothing of the request is on it."""
    return page("refused.html", status=status, error=refusal.error, description=refusal.description)


def answer(state: State, destination: Destination, parameters: dict[str, str]) -> Response:
    """An authorization response, good or bad, always with ``iss`` (RFC 9207 2) and the request's state."""
    parameters = {**parameters, "iss": state.issuer}
    if destination.state is not None:
        parameters["state"] = destination.state
    uri = destination.redirect_uri
    if destination.response_mode == "form_post":  # OAuth 2.0 Form Post Response Mode
        return page("form_post.html", form_target=uri, script=True, action=uri, parameters=parameters, host=urlsplit(uri).netloc)
    return redirect(uri, parameters)


def answer_refusal(state: State, refusal: RequestRefused) -> Response:
    """To the client when it is proven where that is, else on a page."""
    if refusal.destination is None:
        return refusal_page(refusal)
    return answer(state, refusal.destination, {"error": refusal.error, "error_description": refusal.description})


def redirect(uri: str, parameters: dict[str, str] | None = None) -> Response:
    """303: whatever the method was, the next request is a GET (RFC 9700 4.12). The URI is a registered one, taken to the letter."""
    if parameters:
        uri += ("&" if "?" in uri else "?") + urlencode(parameters)
    response = RedirectResponse("/", 303)
    response.headers["Location"] = uri  # RedirectResponse would quote it anew; registered URIs are printable ASCII
    return response


def refusal_json(refusal: RequestRefused, *, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": refusal.error, "error_description": refusal.description}, refusal.status, headers)


def _hash_source(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _source(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:" if parts.scheme else ""
