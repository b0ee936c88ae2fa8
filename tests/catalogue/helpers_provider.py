"""Times, counts and logs of a provider that is away (catalogue 2.1, F-OP)."""

import json
from contextlib import contextmanager
from dataclasses import replace

import httpx

from oidc_middleware.drive import arun, run
from oidc_middleware.flows.claims import session_cookies
from oidc_middleware.testing import Sent
from oidc_middleware.testing.servers import run_async
from tests.catalogue.helpers import BASE_URL
from tests.flows.hand import request

BACK_CHANNEL = ("discovery", "jwks", "token", "userinfo", "revocation")
AWAY = {"raises": httpx.ConnectError("refused")}


def down(provider, *endpoints, **fault):
    """*endpoints* (all of the back channel, if none is named) cannot be reached, or answer with *fault*."""
    for endpoint in endpoints or BACK_CHANNEL:
        provider.script(endpoint, **(fault or AWAY))


def lines(stage, *, event=None, level=None):
    """The records of our log, in order."""
    found = [record for record in stage.caplog.records if record.name == "oidc_middleware"]
    return [record for record in found if event in (None, record.event) and level in (None, record.levelname)]


@contextmanager
def new_lines(stage, **which):
    """The records that are written inside."""
    before, found = len(lines(stage, **which)), []
    yield found
    found += lines(stage, **which)[before:]


def assert_503(page, *, code=None, retry_after=None):
    """A page of ours that says when to come again, and keeps all that is there."""
    assert page.status == 503
    assert code is None or f"<dd>{code}</dd>" in page.text
    assert page.header("cache-control") == "no-store"
    assert page.all("set-cookie") == []
    seconds = int(page.header("retry-after"))
    assert 1 <= seconds <= 300
    assert retry_after is None or seconds == retry_after


def found_again(stage, browser, path):
    """Where *browser* is sent to sign in, once somebody has noticed that the provider is back: after five seconds at most (catalogue F-OP-01)."""
    stage.provider.unscript()
    back = stage.clock.now()
    while (page := browser.navigate(path, follow=False)).status != 302:
        assert_503(page)
        stage.clock.advance(0.1)
    assert stage.clock.now() - back <= 5
    return page.location


def drive(stage, flow):
    """The result of a flow of the middleware, in its own world."""
    world = stage.app._world
    return run_async(arun(flow, world)) if stage.shell == "asgi" else run(flow, world)


class Crowd:
    """Many signed-in browsers, without the weight of one: a jar of cookies each, and plain requests."""

    def __init__(self, stage, browser, count):
        """*count* sessions as that of *browser*, each of a subject of its own."""
        self.server = browser._sites[0][1]
        site, now = stage.site, stage.clock.now()
        cookie = browser.cookies.header(BASE_URL + "/x", now)
        first = site.sessions.read(cookie, now) if site.stored is None else drive(stage, site.stored.read(request("/x", cookie=cookie, now=now)))
        tokens = None
        if site.stored is not None and site.stored.tokens is not None:
            tokens = drive(stage, site.stored.tokens.read(first.session.record[0])).tokens
        self.jars = []
        for number in range(count):
            claims = json.dumps({**json.loads(first.session.claims_json), "sub": f"user-{number}"})
            session = replace(first.session, subject=f"user-{number}", claims_json=claims)
            if site.stored is None:
                cookies = session_cookies(session, stage.rp, site, now, stage.clock.random(12), ())
            else:
                kept = tokens and replace(tokens, subject=session.subject, refresh_token=f"canary-refresh-{number}-abcdefghijkl")
                cookies = drive(stage, site.stored.write(session, request("/x", now=now), now, kept))
            self.jars.append(_keep({}, cookies))
        stage.provider.secrets.update(f"canary-refresh-{number}-abcdefghijkl" for number in range(count))

    def ask(self, path):
        """What each of them gets for *path*; cookies are kept as a browser would."""
        pages = []
        for jar in self.jars:
            cookie = "; ".join(f"{name}={value}" for name, value in jar.items())
            page = self.server(Sent("GET", BASE_URL + path, headers=(("host", "app.example.com"), ("accept", "*/*"), ("cookie", cookie))))
            _keep(jar, page.all("set-cookie"))
            pages.append(page)
        return pages

    def all_signed_in(self):
        """Whether each is still who it was."""
        pages = self.ask("/api")
        return [page.status == 200 and page.json()["sub"] for page in pages] == [f"user-{number}" for number in range(len(pages))]


def _keep(jar, set_cookies):
    for header in set_cookies:
        name, _, value = header.partition(";")[0].partition("=")
        if value:
            jar[name] = value
        else:
            jar.pop(name, None)
    return jar
