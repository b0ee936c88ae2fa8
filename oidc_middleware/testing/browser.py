"""A browser for tests: real cookie rules, redirects between app and provider, the Fetch Metadata headers that Chromium sends; no sockets.

browser = Browser(app, base_url="https://app.example.com", provider=provider, clock=clock)
page = browser.navigate("/reports?year=2026")          # through the provider and back
assert page.status == 200 and page.url.endswith("/reports?year=2026")
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

from oidc_middleware.testing.authorize import CallbackAnswer
from oidc_middleware.testing.clock import FakeClock
from oidc_middleware.testing.cookie_jar import CookieJar, is_trustworthy, same_site
from oidc_middleware.testing.exchange import Page, Sent, origin
from oidc_middleware.testing.provider import ScriptedProvider
from oidc_middleware.testing.servers import AsgiServer, Server, server_for

_FORM: Final = "application/x-www-form-urlencoded"
_ACCEPT: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
_MAX_REDIRECTS: Final = 20  # Chromium's net::URLRequest::kMaxRedirects


class UnexpectedAnswer(AssertionError):
    """The app did not do what the step needs."""


class TooManyRedirects(AssertionError):
    """A redirect loop, as a browser's user would see it."""


class Browser:
    """One browser with its cookies.

    *app* is an ASGI or WSGI app, a :class:`Server`, or a mapping from base URL (with the mount path, if any) to such. What answers at the
    *provider*'s origin is the provider; its user agrees at once, so the way back counts as initiated there (``Sec-Fetch-Site: cross-site``).
    ``history`` holds every answer of an app, redirects included.
    """

    def __init__(
        self, app: Any, *, base_url: str = "https://app.example.com", provider: ScriptedProvider | None = None, clock: FakeClock | None = None
    ) -> None:
        apps = app if isinstance(app, Mapping) else {base_url: app}
        self.base_url = str(next(iter(apps))).rstrip("/")
        self._sites = [(url.rstrip("/"), _as_server(item)) for url, item in sorted(apps.items(), key=lambda entry: -len(entry[0]))]
        self.provider = provider
        self.clock = clock or (provider.clock if provider is not None else FakeClock())
        self.cookies = CookieJar()
        self.history: list[Page] = []

    def twin(self) -> Browser:
        """Another browser with a copy of the cookies: a thief's, or this one as it was."""
        other = Browser(dict(self._sites), provider=self.provider, clock=self.clock)
        other.base_url, other.cookies = self.base_url, self.cookies.copy()
        return other

    def stranger(self) -> Browser:
        """Another browser without any cookies."""
        other = self.twin()
        other.cookies.clear()
        return other

    # -- what a user does --------------------------------------------------------------------------------------------------------------

    def navigate(self, url: str, *, follow: bool = True, initiator: str | None = None, headers: Mapping[str, str] | None = None) -> Page:
        """Open *url* (relative to ``base_url``) as a top-level page. *initiator*: the URL of the page with the link, ``None`` if typed."""
        return self._top_level(Sent("GET", self.absolute(url)), initiator, headers or {}, follow)

    def post_form(
        self,
        url: str,
        data: Mapping[str, str] | str | None = None,
        *,
        initiator: str | None = "",
        follow: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        """Submit a form on a page at *initiator* (default: the app's own) to *url*; *data* may be urlencoded already."""
        body = data if isinstance(data, str) else urlencode(data or {})
        source = self.base_url if initiator == "" else initiator
        return self._top_level(Sent("POST", self.absolute(url), body=body.encode()), source, {"content-type": _FORM, **(headers or {})}, follow)

    def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        initiator: str | None = None,
        credentials: bool = True,
    ) -> Page:
        """What a script's ``fetch()`` on a page at *initiator* (default: the app's own) gets. Redirects are not followed."""
        source, request = initiator or self.base_url, Sent(method, self.absolute(url), body=body)
        given = {"accept": "*/*", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty", **(headers or {})}
        return self._send(request, source, [request.url], given, credentials=credentials)

    def websocket(
        self, url: str, incoming: Iterable[str] = (), *, initiator: str | None = None, headers: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """What a script's ``new WebSocket(url)`` on a page at *initiator* (default: the app's own) leads to: the messages the app sent.

        The texts *incoming* are sent once the app reads, then the browser leaves.
        """
        request = Sent("GET", self.absolute(url).replace("http", "ws", 1))
        server, source = self._site(request.url)[1], initiator or self.base_url
        if not isinstance(server, AsgiServer):
            raise UnexpectedAnswer("WSGI knows no WebSockets")
        given = {"origin": origin(source), "upgrade": "websocket", "connection": "Upgrade", "sec-fetch-mode": "websocket", **(headers or {})}
        prepared = self._prepared(request, _as_http(source), [_as_http(request.url)], given)
        return server.websocket(prepared, incoming)

    def login(self, url: str = "/", **authorization_response_edits: Any) -> Page:
        """Open *url*, sign in at the provider, come back; with edits to the authorization response."""
        return self.finish_login(self.start_login(url), **authorization_response_edits)

    def start_login(self, url: str = "/", **options: Any) -> str:
        """Open *url* and stop at the door of the provider: the authorization request's URL."""
        page = self.navigate(url, follow=False, **options)
        if not page.is_redirect:
            raise UnexpectedAnswer(f"{url} did not lead to the provider but answered {page.status}: {page.body[:200]!r}")
        return page.location

    def finish_login(self, location: str, *, follow: bool = True, **authorization_response_edits: Any) -> Page:
        """The user agrees at the provider; the browser carries the authorization response back."""
        if self.provider is None:
            raise UnexpectedAnswer("a browser without a provider cannot sign in")
        return self.deliver(self.provider.respond(location, **authorization_response_edits), follow=follow)

    def deliver(self, answer: CallbackAnswer, *, follow: bool = True) -> Page:
        """Carry an authorization response to the app, as a redirect from the provider or as its self-submitting form."""
        issuer = self.provider.issuer if self.provider is not None else "https://op.example"
        if answer.form is None:
            return self.navigate(answer.url, initiator=issuer, follow=follow)
        return self.post_form(answer.url, answer.form, initiator=issuer, follow=follow)

    def absolute(self, url: str) -> str:
        """*url*, taken as relative to ``base_url`` (mount path included) when it starts with a slash."""
        return f"{self.base_url}{url}" if url.startswith("/") else urljoin(f"{self.base_url}/", url)

    # -- how it goes over the wire -----------------------------------------------------------------------------------------------------

    def _top_level(self, request: Sent, initiator: str | None, headers: Mapping[str, str], follow: bool) -> Page:
        chain: list[str] = []
        for _ in range(_MAX_REDIRECTS):
            chain.append(request.url)
            given = {"accept": _ACCEPT, "upgrade-insecure-requests": "1", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", **headers}
            page = self._send(request, initiator, chain, {"sec-fetch-user": "?1", **given}, top_level=True)
            if not (follow and page.is_redirect):
                return page
            request, initiator, left = self._next(page, initiator)
            if left:
                chain.clear()
            if request.method == "GET":
                headers = {name: value for name, value in headers.items() if name != "content-type"}
        raise TooManyRedirects(" -> ".join(chain))

    def _next(self, page: Page, initiator: str | None) -> tuple[Sent, str | None, bool]:
        """The request that follows *page*, who initiated it, and whether the provider was in between."""
        target = page.location
        if self.provider is not None and origin(target) == origin(self.provider.issuer) and not self._is_ours(target):
            answer = self._at_provider(self.provider, target)
            body = b"" if answer.form is None else answer.form.encode()
            return Sent("GET" if answer.form is None else "POST", answer.url, body=body), self.provider.issuer, True
        keeps = page.status in (307, 308) or page.sent.method in ("GET", "HEAD")
        return Sent(page.sent.method if keeps else "GET", target, body=page.sent.body if keeps else b""), initiator, False

    def _at_provider(self, provider: ScriptedProvider, url: str) -> CallbackAnswer:
        if urlsplit(url).path.endswith("/end_session"):
            return CallbackAnswer(provider.end_session(url))
        return provider.respond(url)

    def _is_ours(self, url: str) -> bool:
        return any(url == base or url.startswith(base + "/") for base, _ in self._sites)

    def _send(
        self, request: Sent, initiator: str | None, chain: list[str], headers: Mapping[str, str], *, top_level: bool = False, credentials: bool = True
    ) -> Page:
        prepared = self._prepared(request, initiator, chain, headers, top_level=top_level, credentials=credentials)
        page = self._site(request.url)[1](prepared)
        if credentials:
            cross = initiator is not None and not same_site(initiator, request.url)
            self.cookies.receive(request.url, page.all("set-cookie"), self.clock.now(), cross_site=cross and not top_level)
        self.history.append(page)
        return page

    def _prepared(
        self, request: Sent, initiator: str | None, chain: list[str], headers: Mapping[str, str], *, top_level: bool = False, credentials: bool = True
    ) -> Sent:
        """*request* with the headers and cookies that a browser adds."""
        relation, safe = _relation(initiator, chain), request.method in ("GET", "HEAD")
        merged = {"host": urlsplit(request.url).netloc, "user-agent": "Mozilla/5.0 (testing) Chrome/142.0", **_lower(headers)}
        if is_trustworthy(request.url):
            merged.setdefault("sec-fetch-site", relation)
        else:
            merged = {name: value for name, value in merged.items() if not name.startswith("sec-fetch-")}
        if initiator is not None and (not safe or (relation != "same-origin" and not top_level)):
            merged.setdefault("origin", origin(initiator))
        if request.body or request.method == "POST":
            merged.setdefault("content-length", str(len(request.body)))
        if request.method == "POST" and top_level:
            merged.setdefault("content-type", _FORM)
        cross = initiator is not None and not same_site(initiator, _as_http(request.url))
        cookie = self.cookies.header(request.url, self.clock.now(), cross_site=cross, top_level_safe=top_level and safe)
        if cookie and credentials:
            merged["cookie"] = "; ".join(filter(None, (merged.get("cookie"), cookie)))
        mount = urlsplit(self._site(request.url)[0]).path
        return replace(request, headers=tuple((name, value) for name, value in merged.items() if value), mount=mount)

    def _site(self, url: str) -> tuple[str, Server]:
        full = origin(_as_http(url)) + (urlsplit(url).path or "/")
        for base, server in self._sites:
            normal = origin(base) + urlsplit(base).path
            if full == normal or full.startswith(normal + "/"):
                return base, server
        raise AssertionError(f"the browser was sent to {url!r}, where nothing of this test lives")


def _as_server(app: Any) -> Server:
    return app if type(app).__module__ == Server.__module__ else server_for(app)


def _as_http(url: str) -> str:
    """A WebSocket's URL as browsers compare it: ``wss`` is ``https`` (Fetch 4.6)."""
    return f"http{url[2:]}" if url.startswith("ws") else url


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _relation(initiator: str | None, chain: list[str]) -> str:
    """The value of ``Sec-Fetch-Site`` (Fetch Metadata 2.3): the worst relation along the redirects."""
    if initiator is None:
        return "none"
    if all(origin(url) == origin(initiator) for url in chain):
        return "same-origin"
    return "same-site" if all(same_site(url, initiator) for url in chain) else "cross-site"
