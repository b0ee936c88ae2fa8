"""The oracle that judges every refusal (catalogue, section 0), on top of the relying party that the conformance modules use.

A refusal has the right status and stable code, sets no session, leaves a session from before alive, leaves other logins under way usable, costs
the provider only the requests the row allows, and tells no secret to the log or the page.
"""

import re
from urllib.parse import quote, urlencode, urlsplit

from oidc_middleware.sessions.pending import _decode
from oidc_middleware.stores.redis import AsyncRedisStore, RedisStore
from oidc_middleware.testing import Sent
from oidc_middleware.testing.servers import run_async
from tests.conformance.party import BASE_URL, Party, assert_moved, assert_strict, codes_on, is_error_page, shown

__all__ = ["BASE_URL", "IDS", "MODES", "Stage", "assert_moved", "assert_strict", "codes_on", "cookie_named", "is_error_page", "landed", "login_url",
           "quoted", "raw_request", "shown"]  # fmt: skip


#: Where sessions can be: options of the middleware, and what a test's name says of each.
MODES = [{}, {"revocation": "memory://"}, {"store": "memory://"}]
IDS = ["cookie", "cookie and list", "store"]


class Stage(Party):
    """One middleware, its provider, and any number of browsers."""

    def worker(self, **options):
        """One more process of the relying party; its connections to Redis are closed with the test."""
        app = super().worker(**options)
        self.workers = [*getattr(self, "workers", ()), app]
        return app

    def close(self):
        for store in [app._world.store for app in self.workers]:
            if isinstance(store, RedisStore):
                store.close()
            elif isinstance(store, AsyncRedisStore):
                run_async(store.close())

    @property
    def rp(self):
        return self.app._rp

    @property
    def site(self):
        """The site at ``base_url``."""
        return self.rp.sites.fixed

    @property
    def session_name(self):
        return self.site.sessions._name

    @property
    def login_prefix(self):
        return self.site.logins._prefix

    # -- browsers --------------------------------------------------------------------------------------------------------------------------

    def browser(self, app=None, *, pep3333=True):
        """A browser without cookies, in front of *app* if given.

        *pep3333*: whether the checks of ``wsgiref.validate`` look on, which refuse some hostile requests themselves.
        """
        browser = super().browser(app)
        if not pep3333 and self.shell == "wsgi":
            browser._sites[0][1]._called = app or self.app
        return browser

    def visitor(self, *, signed_in=False):
        """A browser, with a session if so wished."""
        browser = self.browser()
        if signed_in:
            self.accepts(browser)
        return browser

    def both_visitors(self):
        """``(browser, subject)``: one without, one with a session."""
        return [(self.visitor(), None), (self.visitor(signed_in=True), self.provider.user["sub"])]

    def pending(self, browser):
        """The logins under way in *browser*, as the sealed cookies hold them; their secrets may not appear anywhere from now on."""
        cookies = [cookie for cookie in browser.cookies if cookie.name.startswith(self.login_prefix)]
        logins = [_decode(self.site.keyring.open("login", cookie.value)) for cookie in cookies]
        for login in logins:
            self.provider.secrets.update((login.state, login.nonce, login.code_verifier))
        return logins

    def logins_of(self, browser):
        """The names of the cookies of logins under way."""
        return sorted(cookie.name for cookie in browser.cookies if cookie.name.startswith(self.login_prefix))

    def session_of(self, browser):
        """The session cookies of *browser*: name to value."""
        return {cookie.name: cookie.value for cookie in browser.cookies if cookie.name.startswith(self.session_name)}

    def who(self, browser):
        """The subject the application sees, ``None`` without a session."""
        page = browser.fetch("/api")
        assert page.status in (200, 401)
        return page.json()["sub"] if page.status == 200 else None

    # -- the oracle ------------------------------------------------------------------------------------------------------------------------

    def refuses_attack(self, attack, *, code, status=400, token=0, survives=True, replay=False):
        """*attack(browser, location)* is refused in a browser without and in one with a session, each with two logins under way.

        *location* is the authorization request of the login under attack. *token*: requests the attack may cost. *survives*: whether that login
        can still be completed. *replay*: it looks like the Back button, so a browser with a session is just sent on (catalogue ST-06).
        """
        for browser, subject in self.both_visitors():
            self.clock.advance(1)  # the log admits so many lines a second
            bystander, target = browser.start_login(login_url("/bystander")), browser.start_login(login_url("/target"))
            self.pending(browser)
            before, session = self.count("token"), self.session_of(browser)
            if replay and subject:
                self.assert_sent_on(lambda: attack(browser, target), browser, subject)  # noqa: B023  # called at once
            else:
                self.assert_refused(lambda: attack(browser, target), browser, code=code, status=status, subject=subject)  # noqa: B023  # likewise
            assert self.count("token") - before == token
            assert self.session_of(browser) == session
            self.provider.complaints.clear()
            if survives:
                assert landed(browser.finish_login(target)) == "/target"
            assert landed(browser.finish_login(bystander)) == "/bystander"
            self.assert_nothing_leaked()

    def refuses_tokens(self, bend, *, code, status=502, token=1, userinfo=0, patience=61):
        """With the provider bent by *bend(provider)*, a login fails after the call for tokens; the other one completes once it is mended.

        *patience*: seconds until then, for a provider that asks to be left alone.
        """
        for browser, subject in self.both_visitors():
            self.clock.advance(61)  # an unknown key is looked for once a minute
            bystander, target = browser.start_login(login_url("/bystander")), browser.start_login(login_url("/target"))
            self.pending(browser)
            before, session = (self.count("token"), self.count("userinfo")), self.session_of(browser)
            kept = vars(self.provider).copy()
            edits = {name: dict(value) for name, value in kept.items() if name.endswith(("_edits", "_claims", "_header"))}
            bend(self.provider)
            answer = self.provider.respond(target)
            self.assert_refused(lambda: browser.deliver(answer), browser, code=code, status=status, subject=subject)  # noqa: B023  # called at once
            assert (self.count("token") - before[0], self.count("userinfo") - before[1]) == (token, userinfo)
            assert self.session_of(browser) == session
            vars(self.provider).update({**kept, **edits})
            self.provider.unscript()
            self.provider.complaints.clear()
            self.clock.advance(patience)
            assert landed(browser.finish_login(bystander)) == "/bystander"
            self.assert_nothing_leaked()

    def assert_sent_on(self, step, browser, subject):
        """*step()* leads, without any session being set, to a page of ours that the session from before opens."""
        session, records = self.session_of(browser), len(self.caplog.records)
        page = step()
        first = next(entry for entry in reversed(browser.history) if "/oidc/callback" in entry.url)
        assert (first.status, page.status) == (303, 200)
        assert_strict(first)
        assert first.all("set-cookie") == []
        assert urlsplit(page.url)._replace(path="", query="").geturl() == BASE_URL
        assert self.session_of(browser) == session
        assert self.who(browser) == subject
        assert not [record for record in self.caplog.records[records:] if record.levelname == "ERROR"]
        self.assert_nothing_leaked(first)
        return page


def login_url(return_to):
    """The path of our endpoint that starts a login."""
    return f"/oidc/login?{urlencode({'return_to': return_to})}"


def landed(page):
    """Path and query of the page of the application that a browser ended on."""
    assert page.status == 200, (page.status, codes_on(page))
    assert page.url.startswith(BASE_URL + "/")
    return page.url.removeprefix(BASE_URL)


def cookie_named(set_cookies, name):
    """``(value, {attribute: value})`` of the only Set-Cookie header for *name*; attribute names in lower case."""
    (found,) = [header for header in set_cookies if header.startswith(f"{name}=")]
    pair, *attributes = re.split(r"; ?", found)
    return pair.partition("=")[2], {key.lower(): value for key, _, value in (item.partition("=") for item in attributes)}


def raw_request(browser, url, *, cookie=None, method="GET", headers=None, body=b""):
    """A navigation whose ``Cookie`` header is exactly *cookie*: what no browser sends, but an attacker's program does."""
    given = {"host": "app.example.com", "accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", **(headers or {})}
    pairs = [*given.items(), *([("cookie", item) for item in ([cookie] if isinstance(cookie, str) else cookie or [])])]
    full = url if "://" in url else BASE_URL + url
    return browser._sites[0][1](Sent(method, full, headers=tuple(pairs), body=body))


def quoted(text):
    """*text* percent-encoded, every byte of it that a URL would read otherwise."""
    return quote(text, safe="", errors="surrogatepass")
