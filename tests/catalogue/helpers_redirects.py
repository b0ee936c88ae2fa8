"""Return-path payloads, the gate without a shell to push them through, and a browser's own URL parser as the judge."""

import json
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import ada_url

from oidc_middleware.drive import run
from oidc_middleware.flows.gate import gate
from oidc_middleware.flows.messages import PassThrough, Request, Respond
from oidc_middleware.protocol.messages import HttpResponse
from oidc_middleware.sessions.pending import PendingLogin, _encode
from oidc_middleware.testing import FakeClock, ScriptedProvider, session_set_cookies
from oidc_middleware.wsgi import OIDCMiddleware
from tests.catalogue.helpers import BASE_URL, assert_strict, landed, login_url, quoted
from tests.conformance.party import SECRET_KEY

PAYLOADS = Path(__file__).parents[1] / "hostile" / "redirect_payloads.tsv"
NAVIGATION = {"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "host": "app.example.com"}
SAME_ORIGIN = {**NAVIGATION, "sec-fetch-site": "same-origin", "origin": BASE_URL, "content-type": "application/x-www-form-urlencoded"}
CROSS_SITE = {**NAVIGATION, "sec-fetch-site": "cross-site"}


@lru_cache(1)
def payloads():
    """``[(group, payload, origin)]`` of the whole list."""
    rows = [line.split("\t") for line in PAYLOADS.read_text(encoding="ascii").splitlines() if not line.startswith("#")]
    return [(group, text.encode("ascii").decode("unicode_escape"), origin) for group, text, origin in rows]


def forms(payload):
    """The payload as it stands, decoded once, decoded twice."""
    once = unquote(payload)
    return [payload, once, unquote(once)]


@lru_cache(1)
def values():
    """Every form of every payload, each once."""
    return list(dict.fromkeys(form for _, payload, _ in payloads() for form in forms(payload)))


def sample(count=3):
    """``(group, value)``: payloads of each group, evenly taken, in all their forms."""
    groups = {}
    for group, payload, _ in payloads():
        groups.setdefault(group, []).append(payload)
    return [(group, form) for group, found in groups.items() for payload in found[:: max(1, len(found) // count)] for form in forms(payload)]


@lru_cache(65_536)
def origin_for_browsers(location, base=BASE_URL + "/some/page"):
    """Where a browser that got *location* goes: the origin by the WHATWG URL standard; ``null`` for ``javascript:`` and its kin."""
    try:
        url = ada_url.URL(location, base=base)
    except ValueError:
        return "INVALID"
    return url.origin


def stays(location):
    """Whether a browser stays at the application, and the header is one that every server can send."""
    return origin_for_browsers(location) == BASE_URL and location.isascii() and location.isprintable()


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.tags = [], set()

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.tags.add(tag)
        self.found += [named[name] for name in ("href", "src", "action") if name in named]
        if named.get("name") == "return_to":
            self.found.append(named["value"])


def links_on(body):
    """Every link, form action and return path on a page of ours."""
    parser = _Links()
    parser.feed(body.decode())
    assert "script" not in parser.tags
    assert "meta" not in parser.tags or b"http-equiv" not in body.lower()
    return parser.found


class Desk:
    """A relying party without a shell. Requests are made by hand, so thousands take seconds; what the shells add is tested with browsers."""

    def __init__(self, **options):
        self.clock = FakeClock()
        self.provider = ScriptedProvider(clock=self.clock, end_session=True)
        self.app = OIDCMiddleware(
            None,
            http_client=self.provider.sync_client(),
            clock=self.clock,
            base_url=BASE_URL,
            secret_key=SECRET_KEY,
            **self.provider.options(),
            **options,
        )
        self.rp, self.world = self.app._rp, self.app._world
        self.site = self.rp.sites.fixed
        self.session = "; ".join(header.partition(";")[0] for header in session_set_cookies(self.app))

    def ask(self, path, *, method="GET", query="", target="", cookie="", headers=NAVIGATION, body=b""):
        """What the gate decides about one request."""

        def values_of(name):
            return [headers[name]] if name in headers else []

        request = Request("http", method, "https", "", path, target, query, cookie, values_of, "127.0.0.1", self.clock.now())
        outcome = gate(request, self.rp)
        return outcome if isinstance(outcome, (PassThrough, Respond)) else run(outcome, self.world, lambda _: body)

    def stored_return_to(self, answer):
        """The return path in the sealed cookie of the login that *answer* starts; the redirect itself goes to the provider."""
        location = header(answer, "Location")
        assert location.startswith(self.provider.issuer + "/authorize?")
        cookies = "; ".join(value.partition(";")[0] for name, value in answer.headers if name == "Set-Cookie")
        return self.site.logins.take(cookies, dict(parse_qsl(urlsplit(location).query))["state"], self.clock.now()).return_to

    def planted_login(self, return_to, state="s" * 43, nonce="n" * 43):
        """A cookie of ours that holds *return_to* as it is: as if no check had looked at it when the login began."""
        login = PendingLogin(state, nonce, "v" * 43, return_to, self.provider.issuer, self.site.redirect_uri, self.clock.now())
        return f"{self.site.logins._name(state)}={self.site.keyring.seal('login', _encode(login), self.clock.random(12))}"


class CannedTokens:
    """A transport that answers every call for tokens with the same ones, and lets everything else through."""

    def __init__(self, desk):
        self._through = desk.world.transport
        self._token_endpoint = desk.provider.metadata()["token_endpoint"]
        access_token = "canned-access-token"
        token = desk.provider.id_token({"nonce": "n" * 43}, access_token)
        self._body = json.dumps({"access_token": access_token, "token_type": "Bearer", "id_token": token}).encode()

    def send(self, request):
        if request.url == self._token_endpoint:
            return HttpResponse(200, {"content-type": "application/json"}, self._body)
        return self._through.send(request)


def header(answer, name):
    """The only value of a header of a decision, ``""`` without one."""
    found = [value for key, value in answer.headers if key == name]
    assert len(found) <= 1
    return found[0] if found else ""


def encoded(**parameters):
    """A query or form, whatever the values are."""
    return urlencode(parameters, errors="surrogatepass")


def as_target(path):
    """How a client writes *path* into the request line, escaping only what no request line can hold."""
    return quote(path, safe="/:@!$&'()*+,;=-._~%\\<>\"{}|^`[]", errors="surrogatepass")


def comes_home(stage, value, *, expected="/"):
    """*value* as return path of a login, of a sign-out without and of one with a session: the browser ends at *expected*, never elsewhere."""
    browser = stage.browser()
    assert landed(browser.login(login_url(value))) == expected
    signed_out = browser.navigate(f"/oidc/logout?return_to={quoted(value)}", initiator=BASE_URL, follow=False)
    assert signed_out.status == 303
    assert origin_for_browsers(signed_out.location, signed_out.url) == BASE_URL
    # Refused after a sign-out, it is the page that says so: the landing page would sign in again by itself.
    assert signed_out.header("location") == (expected if value == expected else "/oidc/signed-out")
    again = browser.navigate(f"/oidc/logout?return_to={quoted(value)}", initiator=BASE_URL, follow=False)
    assert again.header("location") == signed_out.header("location")
    stays_at_home(stage, browser)


def stays_at_home(stage, browser):
    """Every redirect that *browser* ever got led to the application or to the provider's endpoints, and every answer of ours was strict."""
    for page in browser.history:
        for location in page.all("location"):
            origin = origin_for_browsers(location, page.url)
            at_provider = location.startswith((f"{stage.provider.issuer}/authorize?", f"{stage.provider.issuer}/end_session?"))
            assert origin == BASE_URL or at_provider, location
            assert location.isascii()
            assert location.isprintable()
            assert_strict(page)
    stage.assert_nothing_leaked()
