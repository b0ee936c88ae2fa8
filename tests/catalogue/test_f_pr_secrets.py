"""F-PR-03 and F-PR-04: a secret that is exchanged while everybody goes on working, and one that is not there."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from oidc_middleware.asgi import OIDCMiddleware as AsgiMiddleware
from oidc_middleware.errors import ConfigError
from oidc_middleware.testing.servers import server_for
from oidc_middleware.wsgi import OIDCMiddleware as WsgiMiddleware
from tests.catalogue.helpers import BASE_URL, landed, login_url
from tests.conformance.tokens import keeps_tokens, token_of

OLD, NEW = "the-old-secret-key-0123456789-abcdefghijk", "the-new-secret-key-0123456789-abcdefghijk"
MODES = {
    "cookie": {},
    "revocation": {"revocation": "sqlite:///{folder}/ended.db"},
    "store with tokens": {"store": "sqlite:///{folder}/sessions.db", "keep_tokens": True},
}
USERS = 4


@pytest.fixture(params=MODES)
def mode(request, stage, tmp_path):
    stage.kept = {name: url.format(folder=tmp_path) if isinstance(url, str) else url for name, url in MODES[request.param].items()}
    stage.restart()
    return request.param


class Site:
    """Workers that are exchanged for others while requests are under way."""

    def __init__(self, stage, *keys):
        self.stage = stage
        self.exchange(*keys)

    def exchange(self, *keys):
        """From now on, one worker for each list of *keys*; requests go to them in turn."""
        self.servers = [server_for(self.stage.worker(secret_key=list(key))) for key in keys]
        self.turn = 0

    def __call__(self, request):
        self.turn += 1
        servers = self.servers
        return servers[self.turn % len(servers)](request)

    def browser(self, twin=None):
        browser = self.stage.browser()
        browser._sites = [(browser.base_url, self)]
        if twin is not None:
            browser.cookies = twin.cookies.copy()
        return browser


class Load:
    """Users who go on all the time, each in a thread of its own."""

    def __init__(self, stage, pool):
        self.stage, self.pool, self.over = stage, pool, threading.Event()
        self.requests, self.running = {}, []

    def add(self, browser):
        self.requests[browser] = 0
        self.running.append(self.pool.submit(self._use, browser))

    def _use(self, browser):
        while not self.over.wait(0.01):  # the others want the processor as well
            assert self.stage.who(browser) == self.stage.provider.user["sub"]
            self.requests[browser] += 1

    def goes_on(self):
        """Until each of them has been served twice more: at least one of the requests began after this."""
        before, end = dict(self.requests), time.monotonic() + 60
        while any(self.requests[browser] < count + 2 for browser, count in before.items()) and time.monotonic() < end:
            assert not any(user.done() for user in self.running), [user.exception() for user in self.running if user.done()]
            time.sleep(0.005)
        assert all(self.requests[browser] >= count + 2 for browser, count in before.items()), "somebody was not served for a minute"

    def stop(self):
        self.over.set()
        return [user.result(60) for user in self.running]


def logs_out_nobody(stage, site, phases):
    """Users go on all the time, and others come, while the workers go through *phases*. Those who were there at any time."""
    subject, signed_in = stage.provider.user["sub"], []
    with ThreadPoolExecutor(USERS * (len(phases) + 1)) as pool:
        load = Load(stage, pool)
        try:
            for keys in (None, *phases):
                if keys:
                    site.exchange(*keys)
                load.goes_on()
                newcomers = [site.browser() for _ in range(USERS)]
                under_way = [browser.start_login(login_url("/deep")) for browser in newcomers]
                for browser, location in zip(newcomers, under_way, strict=True):
                    assert landed(browser.finish_login(location)) == "/deep"
                signed_in += newcomers
                for browser in newcomers[:2]:
                    load.add(site.browser(twin=browser))
                for _ in range(2):
                    stage.clock.advance(901)  # everybody's use is written down
                    assert [stage.who(browser) for browser in signed_in] == [subject] * len(signed_in)
                    load.goes_on()
        finally:
            load.over.set()
        load.stop()
    return signed_in


@pytest.mark.row("F-PR-03")
def test_f_pr_03_a_secret_is_exchanged_under_load(stage, mode):
    """All workers at once: [old], [new, old], [new]; the last step when nothing sealed with the old one is left."""
    site, subject = Site(stage, [OLD]), stage.provider.user["sub"]
    browsers = logs_out_nobody(stage, site, [[[NEW, OLD]]])
    for _ in range(35):
        stage.clock.advance(901)
        for browser in browsers:
            if stage.who(browser) is None:
                assert landed(browser.login(login_url("/deep"))) == "/deep", "eight hours are over"
    site.exchange([NEW])
    assert [stage.who(browser) for browser in browsers] == [subject] * len(browsers)


@pytest.mark.row("F-PR-03")
def test_f_pr_03_one_worker_after_the_other(stage, mode):
    """Half of the workers are a step ahead all the time. Then the new secret has to be known everywhere before anybody seals with it."""
    steps = [[OLD], [OLD, NEW], [NEW, OLD]]
    phases = [[steps[0], steps[1]], [steps[1], steps[1]], [steps[1], steps[2]], [steps[2], steps[2]]]
    logs_out_nobody(stage, Site(stage, [OLD], [OLD]), phases)


@pytest.mark.row("F-PR-03")
def test_f_pr_03_without_the_old_secret_its_sessions_are_over_and_nothing_else(stage, mode):
    """The emergency brake: no error, no deletion, and a way in for everybody."""
    site, subject = Site(stage, [OLD]), stage.provider.user["sub"]
    before, absent, under_way = site.browser(), site.browser(), site.browser()
    for browser in (before, absent):
        assert landed(browser.login(login_url("/deep"))) == "/deep"
    answer = stage.provider.respond(under_way.start_login("/deep"))
    site.exchange([NEW])
    session = stage.session_of(before)
    assert stage.who(before) is None
    assert stage.session_of(before) == session
    assert under_way.deliver(answer).status == 400
    assert stage.count("token") == 2
    for browser in (before, under_way):
        assert landed(browser.login(login_url("/again"))) == "/again"
        assert stage.who(browser) == subject
    site.exchange([OLD])  # it was a mistake: whoever did not sign in anew meanwhile goes on
    assert stage.who(absent) == subject


@pytest.mark.row("F-PR-03")
def test_f_pr_03_kept_tokens_go_along(stage, tmp_path):
    options = {"store": f"sqlite:///{tmp_path}/sessions.db", "keep_tokens": True}
    keeps_tokens(stage, **options, secret_key=[OLD])
    browser = stage.browser()
    assert browser.login("/start").status == 200
    first = token_of(browser)
    assert "token" in first
    for keys in ([NEW, OLD], [OLD, NEW]):
        assert token_of(browser, server_for(stage.worker(**options, secret_key=keys))) == first
    both = server_for(stage.worker(**options, secret_key=[NEW, OLD]))
    stage.clock.advance(901)
    renewed = token_of(browser, both)
    assert renewed != first
    assert token_of(browser, server_for(stage.worker(**options, secret_key=[NEW]))) == renewed


def middlewares(stage, **options):
    """Two workers that were given the same settings, and nobody to agree on a secret with."""
    shell, client = (AsgiMiddleware, stage.provider.client) if stage.shell == "asgi" else (WsgiMiddleware, stage.provider.sync_client)
    probe = stage._asgi_probe if stage.shell == "asgi" else stage._wsgi_probe
    given = {**stage.provider.options(), "base_url": BASE_URL, "clock": stage.clock, **options}
    return [shell(probe, http_client=client(), **given) for _ in range(2)]


@pytest.mark.row("F-PR-04")
@pytest.mark.parametrize("secret", [{"client_secret": None}, {"client_secret": "short-1234567"}])
@pytest.mark.parametrize("where", [{}, {"store": "memory://"}, {"revocation": "memory://"}])
def test_f_pr_04_no_worker_makes_a_secret_up(stage, secret, where):
    with pytest.raises(ConfigError) as caught:
        middlewares(stage, **secret, **where)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["secret_key"]
    assert "short-1234567" not in str(caught.value)


@pytest.mark.row("F-PR-04")
def test_f_pr_04_a_long_client_secret_is_one_for_all_workers(stage):
    first, second = (server_for(app) for app in middlewares(stage))
    browser = stage.browser()
    browser._sites = [(browser.base_url, first)]
    location = browser.start_login(login_url("/deep"))
    browser._sites = [(browser.base_url, second)]
    assert landed(browser.finish_login(location)) == "/deep"
    browser._sites = [(browser.base_url, first)]
    assert stage.who(browser) == stage.provider.user["sub"]
