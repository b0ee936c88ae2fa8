"""F-PR-07: one middleware in several event loops and threads, and two kinds of application side by side in one process."""

import asyncio
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from oidc_middleware.asgi import OIDCMiddleware as AsgiMiddleware
from oidc_middleware.testing import AsgiServer, Browser, Page, WsgiServer
from oidc_middleware.wsgi import OIDCMiddleware as WsgiMiddleware
from tests.catalogue.helpers import login_url
from tests.catalogue.real import SECRET_KEY, provider_on_a_port

pytestmark = pytest.mark.row("F-PR-07")

BASE = "http://127.0.0.1:8000"
STORES = {
    "cookie": lambda _request: {},
    "memory": lambda _request: {"store": "memory://", "keep_tokens": True},
    "sqlite": lambda request: {"store": f"sqlite:///{request.getfixturevalue('tmp_path')}/s.db", "keep_tokens": True},
    "redis": lambda request: {
        "store": f"{request.getfixturevalue('redis_url')}?prefix={request.getfixturevalue('tmp_path').name}:",
        "keep_tokens": True,
    },
}


@pytest.fixture
def provider():
    """On real sockets: only those belong to an event loop."""
    with provider_on_a_port(BASE) as provider:
        provider.refresh_tokens, provider.expires_in = True, 3_600
        yield provider


@pytest.fixture(params=STORES)
def options(request, provider):
    return {**provider.options(), "base_url": BASE, "secret_key": SECRET_KEY, **STORES[request.param](request)}


async def who(request):
    token = await request.user.access_token() if request.app.state.tokens else None
    return JSONResponse({"sub": request.user.identity, "token": token})


def asgi(options):
    app = Starlette(routes=[Route("/who", who)])
    app.state.tokens = "store" in options
    return AsgiMiddleware(app, **options)


def wsgi(options):
    def app(environ, start_response):
        user = environ["oidc_middleware.user"]
        if "store" in options:
            assert user.access_token()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [user.identity.encode()]

    return WsgiMiddleware(app, **options)


class Looped(AsgiServer):
    """An ASGI server with an event loop of its own, in a thread of its own."""

    def __init__(self, app):
        super().__init__(app)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def __call__(self, request):
        return asyncio.run_coroutine_threadsafe(self.call(request), self.loop).result(60)

    def close(self):
        asyncio.run_coroutine_threadsafe(self.loop.shutdown_asyncgens(), self.loop).result(20)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(20)
        self.loop.close()


class OneLoopEach(AsgiServer):
    """Every request in a new event loop, as frameworks do that run coroutines from threads."""

    def __call__(self, request):
        return asyncio.run(self.call(request))


def browser_at(server, provider):
    browser = Browser({BASE: _nobody}, provider=provider, clock=provider.clock)
    browser._sites = [(BASE, server)]
    return browser


async def _nobody(scope, receive, send):
    raise AssertionError("not here")


@pytest.fixture
def looped():
    servers = []

    def start(app):
        servers.append(Looped(app))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def signs_in(server, provider, count=4):
    """So many people sign in and look around; the browsers."""
    browsers = [browser_at(server, provider) for _ in range(count)]
    for browser in browsers:
        assert landed_at(browser.login(login_url("/who"))) == "/who"
        assert browser.fetch("/who").status == 200
    return browsers


def landed_at(page):
    assert page.status == 200, (page.status, page.body[:300])
    return page.url.removeprefix(BASE)


def test_f_pr_07_one_application_in_three_event_loops_at_once(options, provider, looped):
    """Nobody waits for another loop's answer, nobody gets another loop's socket, and a session is one in all of them."""
    app = asgi(options)
    servers = [looped(app) for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(signs_in, server, provider) for server in servers for _ in range(2)]
        browsers = [browser for future in futures for browser in future.result(120)]
    assert len(provider.received("discovery")) <= 3, "one flight in each loop"
    assert len(provider.received("jwks")) <= 3
    assert len(provider.received("token")) == 24
    for server in servers:
        for browser in browsers:
            browser._sites = [(BASE, server)]
            assert browser.fetch("/who").json()["sub"] == provider.user["sub"]
    assert provider.complaints == []


def test_f_pr_07_a_new_event_loop_for_every_request(options, provider):
    server = OneLoopEach(asgi(options))
    (browser, other) = signs_in(server, provider, 2)
    assert browser.post_form("/oidc/logout").status == 200
    assert (browser.fetch("/who").status, other.fetch("/who").status) == (401, 200)
    assert provider.complaints == []


@pytest.mark.parametrize("entered", [True, False], ids=["one loop", "a loop for each request"])
def test_f_pr_07_the_test_client_of_starlette(options, provider, entered):
    """Within ``with`` it has one event loop, without it a new one for each request."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it wants another version of httpx
        from starlette.testclient import TestClient
    client = TestClient(asgi(options), base_url=BASE, follow_redirects=False)

    def server(sent):
        answer = client.request(sent.method, sent.url, headers=list(sent.headers), content=sent.body)
        client.cookies.clear()
        return Page(answer.status_code, [(name.lower(), value) for name, value in answer.headers.multi_items()], [answer.content], sent)

    if entered:
        with client:
            signs_in(server, provider, 2)
    else:
        signs_in(server, provider, 2)
    assert provider.complaints == []


def test_f_pr_07_threads(options, provider):
    server = WsgiServer(wsgi(options))
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(signs_in, server, provider, 2) for _ in range(8)]
        browsers = [browser for future in futures for browser in future.result(120)]
        assert [page.body.decode() for page in pool.map(lambda browser: browser.fetch("/who"), browsers)] == [provider.user["sub"]] * 16
    assert (len(provider.received("discovery")), len(provider.received("jwks"))) == (1, 1), "one flight for all threads"
    assert provider.complaints == []


def test_f_pr_07_both_kinds_side_by_side_are_one_site(options, provider, looped):
    """A dashboard under WSGI beside an API under ASGI: whoever signs in at one is signed in at the other, and out at both."""
    if options.get("store") == "memory://":
        options = {name: value for name, value in options.items() if name not in ("store", "keep_tokens")}  # each would have its own
    first, second = looped(asgi(options)), WsgiServer(wsgi(options))
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(signs_in, server, provider, 3) for server in (first, second, first, second)]
        browsers = [browser for future in futures for browser in future.result(120)]
    for browser in browsers:
        for server in (first, second):
            browser._sites = [(BASE, server)]
            assert browser.fetch("/who").status == 200
    browser, *others = browsers
    browser._sites = [(BASE, second)]
    location = browser.start_login(login_url("/who"))
    browser._sites = [(BASE, first)]
    assert landed_at(browser.finish_login(location)) == "/who"
    assert browser.post_form("/oidc/logout").status == 200
    browser._sites = [(BASE, second)]
    assert browser.fetch("/who").status == 401
    assert {other.fetch("/who").status for other in others} == {200}
    assert provider.complaints == []


def test_f_pr_07_a_refresh_is_one_for_all_loops_and_threads(request, provider, looped, tmp_path):
    """A refresh token that rotates is good for one use: loops and threads of one process, and both kinds of application, share one refresh."""
    ahead = [0.0]

    class Clock(type(provider.clock)):
        def now(self):
            return super().now() + ahead[0]

    options = {**provider.options(), "base_url": BASE, "secret_key": SECRET_KEY, "store": f"sqlite:///{tmp_path}/s.db", "keep_tokens": True}
    provider.expires_in = 300
    asgi_app, wsgi_app = asgi({**options, "clock": Clock()}), wsgi({**options, "clock": Clock()})
    servers = [looped(asgi_app), looped(asgi_app), WsgiServer(wsgi_app), WsgiServer(wsgi_app)]
    (browser,) = signs_in(servers[0], provider, 1)
    provider.script("token", delay=0.3)
    ahead[0] = 290.0

    def use(number):
        twin = browser_at(servers[number % 4], provider)
        twin.cookies = browser.cookies.copy()
        return twin.fetch("/who").status

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(use, range(12))) == [200] * 12
    assert sum(sent.form.get("grant_type") == "refresh_token" for sent in provider.received("token")) == 1
    assert provider.complaints == []
