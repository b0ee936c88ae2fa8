"""The relying party under test, between a scripted provider and browsers; the same for both shells.

The suite sees only one side: a login that nobody completed looks the same to it as one that was refused (conformance.md, section 5). Here both
are asserted: what the provider was asked, and what became of the browser, of a session it had before, and of the log.
"""

import json
import re
from base64 import urlsafe_b64decode
from html import unescape
from types import MappingProxyType
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from oidc_middleware.asgi import OIDCMiddleware as AsgiMiddleware
from oidc_middleware.testing import Browser, FakeClock, ScriptedProvider
from oidc_middleware.testing.keys import b64url
from oidc_middleware.wsgi import OIDCMiddleware as WsgiMiddleware

BASE_URL = "https://app.example.com"
DEEP_LINK = "/reports/2026?quarter=3&view=a%2Fb"
SECRET_KEY = "canary-secret-key-0123456789-abcdefghijklm"
STRICT = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}


class Party:
    """One middleware in front of a probe application that tells who it saw. ``seen`` holds ``(path, subject)`` of every call to it."""

    #: Options of every middleware of this party: where sessions live, if not in cookies.
    kept = MappingProxyType({})

    def __init__(self, shell, caplog):
        self.shell, self.caplog = shell, caplog
        self.clock = FakeClock()
        self.browsers = []
        self.restart()

    def restart(self, *, registration=None, **options):
        """A new process of the relying party, with *options*; the client is registered anew with *registration*."""
        self.provider = ScriptedProvider(clock=self.clock, **(registration or {}))
        self.seen = []
        self.app = self.worker(**options)
        return self.provider

    def worker(self, **options):
        """One more process of the relying party, at the provider of the others."""
        given = {**self.provider.options(), "base_url": BASE_URL, "secret_key": SECRET_KEY, "clock": self.clock, **self.kept, **options}
        if self.shell == "asgi":
            return AsgiMiddleware(self._asgi_probe, http_client=self.provider.client(), **given)
        return WsgiMiddleware(self._wsgi_probe, http_client=self.provider.sync_client(), **given)

    async def _asgi_probe(self, scope, receive, send):
        self.seen.append((scope["path"], scope["user"].identity))
        body = _who(scope["user"], list(scope["auth"].scopes))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})

    def _wsgi_probe(self, environ, start_response):
        user = environ["oidc_middleware.user"]
        self.seen.append((environ["PATH_INFO"], environ.get("REMOTE_USER", "")))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [_who(user, ["authenticated", *user.scopes] if user.is_authenticated else [])]

    def browser(self, app=None):
        """A browser without cookies, in front of the newest middleware or of *app*."""
        browser = Browser(app or self.app, base_url=BASE_URL, provider=self.provider, clock=self.clock)
        self.browsers.append(browser)
        return browser

    def count(self, endpoint):
        """How many requests an endpoint of the provider got so far."""
        return len(self.provider.received(endpoint))

    # -- a login that must work ------------------------------------------------------------------------------------------------------------

    def accepts(self, browser=None):
        """A browser comes for a deep link, signs in and lands there. Returns ``(claims, browser)``."""
        browser = browser or self.browser()
        page = browser.login(DEEP_LINK)
        assert (page.status, codes_on(page)) == (200, [])
        assert page.url == BASE_URL + DEEP_LINK
        who = page.json()
        assert who["sub"] == self.provider.user["sub"]
        assert self.seen[-1] == ("/reports/2026", who["sub"])
        assert "authenticated" in who["scopes"]
        assert self.provider.complaints == []
        assert browser.cookies.rejected == []
        assert browser.fetch("/api").status == 200
        self.assert_nothing_leaked()
        return who["claims"], browser

    # -- a login that must not work --------------------------------------------------------------------------------------------------------

    def refuses(self, bend, *, code, status=502, token=1, userinfo=0, complaints=False, response=None):
        """After *bend(provider)*, a login of a fresh browser and one of a browser with a session both fail with *code*.

        *response*: edits of the authorization response. *token* and *userinfo*: how many requests each attempt may cost the provider. The session
        from before survives.
        """
        _, signed_in = self.accepts()
        bend(self.provider)
        for browser, subject in ((self.browser(), None), (signed_in, self.provider.user["sub"])):
            location = browser.start_login(f"/oidc/login?{urlencode({'return_to': DEEP_LINK})}")
            before = self.count("token"), self.count("userinfo")
            answer = self.provider.respond(location, **(response or {}))
            self.assert_refused(lambda: browser.deliver(answer), browser, code=code, status=status, subject=subject)  # noqa: B023  # called at once
            assert (self.count("token") - before[0], self.count("userinfo") - before[1]) == (token, userinfo)
        assert bool(self.provider.complaints) == complaints

    def assert_refused(self, step, browser, *, code, status, subject=None):
        """*step()* leads to the error page *code* and leaves no session behind; that of *subject*, if given, lives on."""
        calls, records = len(self.seen), len(self.caplog.records)
        first, page = shown(step(), browser)
        assert (page.status, codes_on(page)) == (status, [code])
        assert len(self.seen) == calls, "the application was called"
        assert_strict(page)
        assert all("Max-Age=0" in cookie for cookie in first.all("set-cookie")), "a refused login set a cookie"
        events = [record for record in self.caplog.records[records:] if record.name == "oidc_middleware" and record.levelname in ("WARNING", "ERROR")]
        assert [event.code for event in events] == [code]
        retry = self._retry_link(page)
        assert retry.startswith("/oidc/login")
        after = browser.fetch("/api")
        assert after.status == (200 if subject else 401)
        assert (after.json()["sub"] if subject else len(self.seen)) == (subject or calls)
        self.assert_nothing_leaked(page)
        return page, retry

    def _retry_link(self, page):
        links = [unescape(link) for link in re.findall(r'href="([^"]*)"', page.text)]
        assert all(link.startswith("/") for link in links), "the page links elsewhere"
        return links[0]

    def assert_addresses_are_clean(self):
        """Of all that the browsers got: a refused callback led away from its address, and set no cookie (catalogue CI-03, section 0)."""
        for page in (page for browser in self.browsers for page in browser.history):
            assert_clean(page)

    def assert_nothing_leaked(self, *pages):
        """No secret of either side is in the log, on an error page, or in the address of a page of ours."""
        cookies = {cookie.value for browser in self.browsers for cookie in browser.cookies if len(cookie.value) > 8}
        secrets = self.provider.secrets | cookies | {SECRET_KEY}
        text = self.caplog.text + "".join(page.text + (page.location if is_error_page(page.location) else "") for page in pages)
        assert [secret for secret in secrets if secret in text] == []


def _who(user, scopes):
    return json.dumps({"sub": user.identity, "issuer": user.issuer, "claims": dict(user.claims), "scopes": scopes}, default=dict).encode()


def codes_on(page):
    """The error codes that a page of ours shows; one, if it is well made."""
    if page.header("content-type") == "application/problem+json":
        return [page.json()["code"]]
    return re.findall(r"<dt>Code</dt><dd>([a-z_0-9]+)</dd>", page.text)


def shown(answer, browser):
    """``(first, page)`` of a callback: its answer, and the page that its user sees in the end. *answer*: either of the two.

    For a refusal of what came in the address, the two differ: nothing of it may stay where people look (catalogue CI-03).
    """
    if is_error_page(answer.url):
        first = next(entry for entry in reversed(browser.history) if entry.location == answer.url)
    elif is_error_page(answer.location):
        first, answer = answer, browser.navigate(answer.location)
    else:
        assert not holds_a_response(answer), "the answer of the provider is still in the address"
        return answer, answer
    assert_moved(first)
    assert_strict(answer)
    assert answer.all("set-cookie") == answer.all("location") == []
    return first, answer


def assert_clean(page):
    """Of any answer of ours to a callback: if it refuses, it leads away from its address, and sets no cookie."""
    assert not holds_a_response(page), page.url
    if is_error_page(page.location):
        assert_moved(page)
        assert all("Max-Age=0" in cookie for cookie in page.all("set-cookie"))


def is_error_page(url):
    """Whether *url* is that of the page that tells of a failed callback."""
    parts = urlsplit(url)
    return parts.path.endswith("/error") and parts.query.startswith("of=")


def holds_a_response(page):
    """Whether a page of ours stands at an address with what the provider answered; a fault of ours (500) knows no better place."""
    parts = urlsplit(page.url)
    is_page = page.header("content-type").startswith("text/html") and page.status != 500
    return is_page and parts.path.rstrip("/").endswith("/callback") and bool(parts.query)


def assert_moved(first):
    """The answer to a failed callback leads to the error page, to a clean address, and says nothing by itself."""
    assert (first.status, first.body, first.all("retry-after")) == (303, b"", [])
    assert_strict(first)
    asked, leads = urlsplit(first.url), urlsplit(first.location)
    assert (leads[:2], leads.path) == (asked[:2], asked.path.rstrip("/").removesuffix("/callback") + "/error")
    (sealed,) = re.fullmatch(r"of=([A-Za-z0-9_.-]+)", leads.query).groups()
    brought = {piece for pair in parse_qsl(asked.query, errors="replace") for text in pair for piece in (text, quote(text)) if len(piece) > 5}
    assert [piece for piece in brought if piece in first.location] == []
    assert len(first.location) <= 2_000
    assert leads.fragment == ""
    return sealed


def assert_strict(page):
    """The headers that every answer of ours carries (catalogue, section 0)."""
    for name, value in STRICT.items():
        assert page.all(name) == [value], name
    if page.header("content-type").startswith("text/html"):
        policy = page.header("content-security-policy")
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy


def flip_signature(token):
    """*token* with every byte of its signature changed, as the suite does it."""
    signed, _, signature = token.rpartition(".")
    raw = urlsafe_b64decode(signature + "==")
    return f"{signed}.{b64url(bytes(byte ^ 0x5A for byte in raw))}"
