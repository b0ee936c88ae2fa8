"""Very many requests of every kind that a stranger can make up, in a process of their own; says how much memory they cost (F-PR-11).

    python -m tests.catalogue.soak asgi 20000

Prints one JSON object: the growth in bytes after the warm-up, the size and the bound of every cache, and how often each answer was given.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import logging
import os
import random
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import oidc_middleware.audit
import oidc_middleware.drive
import oidc_middleware.flows.outgoing
import oidc_middleware.flows.raw_headers
import oidc_middleware.policy.email  # its cache is looked at as well
import oidc_middleware.wsgi
from oidc_middleware.asgi import OIDCMiddleware as AsgiMiddleware
from oidc_middleware.flows.lane import CAPACITY, LONGEST_ADDRESS
from oidc_middleware.testing import AsgiServer, Browser, FakeClock, ScriptedProvider, Sent, WsgiServer
from oidc_middleware.wsgi import OIDCMiddleware as WsgiMiddleware

BASE = "https://app.example.com"
SECRET = "soak-secret-key-0123456789-abcdefghijklmnop"
NAVIGATION = {"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
#: Of all requests, the part that fills what is bounded before the measurement begins.
WARM_UP = 0.5
#: Seconds between two requests, so that what expires does.
PACE = 2.0
LIVES = {"session_lifetime": 600, "idle_timeout": 300, "public": ["/public/*"]}
#: Where sessions live. Short lives: what is over has to be thrown away within the time of the run. One has no fixed address.
KINDS = {
    "cookie": {"base_url": BASE},
    "revocation": {"base_url": BASE, "revocation": "memory://?max_sessions=500"},
    "store": {"base_url": BASE, "store": "memory://?max_sessions=500", "keep_tokens": True},
    "hosts": {"allowed_hosts": ["app.example.com", "other.example.com"]},
}


async def asgi_app(scope, receive, send):
    if scope["path"].startswith("/token"):
        await scope["user"].access_token()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"inside"})


def wsgi_app(environ, start_response):
    if environ["PATH_INFO"].startswith("/token"):
        environ["oidc_middleware.user"].access_token()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"inside"]


class Mix:
    """One application and all that strangers, and some who are signed in, send to it."""

    def __init__(self, shell, options, seed):
        self.draw = random.Random(seed)
        self.clock = FakeClock(seed=f"soak {seed}")
        self.provider = ScriptedProvider(clock=self.clock)
        self.provider.expires_in, self.provider.refresh_tokens = 60, True
        given = {**self.provider.options(), "secret_key": SECRET, "clock": self.clock, **LIVES, **options}
        if shell == "asgi":
            self.app = AsgiMiddleware(asgi_app, http_client=self.provider.client(), **given)
            self.call = AsgiServer(self.app).call
        else:
            self.app = WsgiMiddleware(wsgi_app, http_client=self.provider.sync_client(), **given)
            server = WsgiServer(self.app, validate=False)

            async def call(sent):
                return server(sent)

            self.call = call
        self.inside: list[Browser] = []
        self.answers: Counter[str] = Counter()

    async def one(self):
        """One request (or a login, which is three)."""
        self.clock.advance(PACE)
        kind = self.draw.choices(*zip(*_KINDS.items(), strict=True))[0]
        for page in await getattr(self, f"_{kind}")():
            self.answers[f"{kind} {page.status}"] += 1
        if self.draw.random() < 0.01:
            self.forget()

    def forget(self):
        """What only the test's own provider and browsers keep."""
        for kept in (self.provider.requests, self.provider.authorizations, self.provider.complaints, self.provider.issued_id_tokens):
            kept.clear()
        self.provider.secrets.clear()
        self.provider.grants.clear()
        del self.inside[:-5]
        if len(self.provider.tokens) > 50:
            self.provider.tokens.clear()
        if len(self.provider.refresh_grants) > 50:
            self.provider.refresh_grants.clear()

    # -- what is sent ------------------------------------------------------------------------------------------------------------------

    def text(self, most=40):
        return self.draw.randbytes(self.draw.randint(1, most)).hex()

    async def send(self, path, *, cookie="", headers=None, method="GET", body=b"", host="app.example.com"):
        pairs = {"host": host, **NAVIGATION, **(headers or {}), **({"cookie": cookie} if cookie else {})}
        if body:
            pairs["content-length"] = str(len(body))
        return await self.call(Sent(method, f"https://{host}{path}", headers=tuple(pairs.items()), body=body))

    async def _error_page(self, answer):
        """What a callback that failed leads to."""
        return [answer, await self.send(answer.header("location"))]

    @property
    def name(self):
        return next((cookie.name for browser in self.inside for cookie in browser.cookies if cookie.name.endswith("_s")), "__Host-oidc_x_s")

    async def _bad_cookie(self):
        value = self.draw.choice([self.text(), self.text(1_500), f"2~{self.text()}", f"{self.text()}.{'A' * 43}", f"x; {self.name}=y"])
        return [await self.send(f"/{self.text()}", cookie=f"{self.text()}=1; {self.name}={value}")]

    async def _bad_callback(self):
        extra = self.draw.choice(["", f"&iss=https://{self.text()}.example", f"&error={self.text()}", "&state=twice"])
        login = f"{self.name[:-1]}l_{self.text(6)[:12]}={self.text(400)}"
        return await self._error_page(await self.send(f"/oidc/callback?code={self.text()}&state={self.text()}{extra}", cookie=login))

    async def _path(self):
        return [await self.send(f"/{self.text()}?{self.text()}={self.text(200)}")]

    async def _public(self):
        return [await self.send(f"/public/{self.text(200)}")]

    async def _host(self):
        host = self.draw.choice([f"{self.text(10)}.example", f"127.0.0.1:{self.draw.randint(1, 65535)}", "other.example.com"])
        return [await self.send(f"/{self.text()}", host=host)]

    async def _initiate(self):
        return [await self.send(f"/oidc/initiate?iss={quote(f'https://{self.text()}.example', safe='')}&login_hint={self.text()}")]

    async def _headers(self):
        names = {self.text(60): self.text(), f"X-{self.text(10)}_{self.text(10)}": "1", f"x-auth-request-{self.text(20)}": "root"}
        return [await self.send(f"/{self.text()}", headers=names)]

    async def _logout_token(self):
        token = self.draw.choice([self.text(500), self.provider.logout_token(sub=f"user-{self.text()}")])
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return [await self.send("/oidc/backchannel-logout", method="POST", body=f"logout_token={token}".encode(), headers=headers)]

    async def _front_channel(self):
        issuer = quote(self.provider.issuer, safe="")
        return [await self.send(f"/oidc/frontchannel-logout?iss={issuer}&sid={self.text()}", headers={"sec-fetch-dest": "iframe"})]

    async def _login(self):
        """Begun, and finished with a good token, one by an unknown key, one of another issuer, or a wrong code."""
        self.provider.user["sub"] = f"user-{self.text()}"
        self.provider.user["email"] = f"{self.text()}@{self.text(5)}.example"
        browser = Browser({BASE: asgi_app}, provider=self.provider, clock=self.clock)
        first = await self.send(f"/oidc/login?return_to=/{self.text()}")
        if first.status != 302:
            return [first]
        browser.cookies.receive(BASE, first.all("set-cookie"), self.clock.now())
        bend = self.draw.choice(["", "", "kid", "iss", "code"])
        self.provider.id_token_header = {"kid": self.text()} if bend == "kid" else {}
        self.provider.id_token_claims = {"iss": f"https://{self.text()}.example"} if bend == "iss" else {}
        answer = self.provider.respond(first.location, **({"code": self.text()} if bend == "code" else {}))
        cookie = browser.cookies.header(BASE, self.clock.now())
        second = await self.send(answer.url.removeprefix(BASE), cookie=cookie)
        if "/oidc/error?" in second.location:
            return [first, *await self._error_page(second)]
        browser.cookies.receive(BASE, second.all("set-cookie"), self.clock.now())
        self.inside.append(browser)
        return [first, second, await self.send("/", cookie=browser.cookies.header(BASE, self.clock.now()))]

    async def _signed_in(self):
        """The same few users, each time with other cookies beside ours, so that no header comes twice."""
        if not self.inside:
            return []
        browser = self.draw.choice(self.inside[-5:])
        cookie = f"{browser.cookies.header(BASE, self.clock.now())}; {self.text()}={self.text(self.draw.choice([50, 3_000, 30_000]))}"
        page = await self.send(self.draw.choice(["/", "/token"]) if "keep" in self.text(1) else "/", cookie=cookie)
        browser.cookies.receive(BASE, page.all("set-cookie"), self.clock.now())
        return [page]


_KINDS = {
    "bad_cookie": 20, "bad_callback": 20, "path": 15, "public": 5, "host": 8, "initiate": 5, "headers": 8, "logout_token": 3, "front_channel": 3,
    "login": 3, "signed_in": 10,
}  # fmt: skip


# -- what is measured ------------------------------------------------------------------------------------------------------------------------------


def resident():
    """Bytes of memory that the process has."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def caches(mixes):
    """Every place that remembers something: its size, and the most it may be."""
    found = {}
    for name, mix in mixes.items():
        rp, world, lane = mix.app._rp, mix.app._world, mix.app._lane
        sites = [*rp.sites._sites.values(), *([rp.sites.fixed] if rp.sites.fixed else [])]
        found |= {
            f"{name}: lane": (len(lane._young) + len(lane._old), 2 * CAPACITY),
            f"{name}: longest header in the lane": (max(map(len, [*lane._young, *lane._old]), default=0), 8_192),
            f"{name}: public addresses": (len(lane._public), CAPACITY),
            f"{name}: longest public address": (max((sum(map(len, address)) for address in lane._public), default=0), LONGEST_ADDRESS),
            f"{name}: sites": (len(rp.sites._sites), 64),
            f"{name}: sessions opened": (max(site.sessions._opened.cache_info().currsize for site in sites), 1_024),
            f"{name}: used": (len(world.used), 100_000),
            f"{name}: ended": (len(rp.revocations._ended), 10_000),
            f"{name}: heard": (len(rp.revocations._heard), 10_000),
            f"{name}: flights": (len(world.flights._runs), 0),
            f"{name}: sockets": (len(rp.sockets), 0),
        }
        store = getattr(world.store, "_store", world.store)
        if store is not None:
            found[f"{name}: sessions"] = (len(store._sessions), 500)
            for shelf in ("_tombstones", "_marks", "_owners"):
                found[f"{name}: {shelf}"] = (len(getattr(store, shelf)), 1_000)
            found[f"{name}: members"] = (len(store._members), 500 * 6)
    return found | {
        "harmless headers": (len(oidc_middleware.flows.raw_headers._harmless), 1_024),
        "harmless keys": (len(oidc_middleware.wsgi._harmless), 1_024),
        "unfinished": (len(oidc_middleware.drive._UNFINISHED), 0),
        "lines of the log": (sum(writer._lines.qsize() for writer in oidc_middleware.audit._writers.values()), 1_000),
    }


def lru_caches():
    """Every ``lru_cache`` of the package: its size, and its bound (``None`` would be none)."""
    wrappers = [item for item in gc.get_objects() if isinstance(item, functools._lru_cache_wrapper)]
    ours = [item for item in wrappers if str(getattr(item, "__module__", "")).startswith("oidc_middleware")]
    return {f"{item.__module__}.{item.__qualname__}": (item.cache_info().currsize, item.cache_parameters()["maxsize"]) for item in ours}


async def run(shell, count):
    mixes = {name: Mix(shell, options, seed) for seed, (name, options) in enumerate(KINDS.items())}
    order, warm = list(mixes.values()), None
    for number in range(count):
        if number == int(count * WARM_UP):
            for mix in order:
                mix.forget()
            warm = resident()
        await order[number % len(order)].one()
    for mix in order:
        mix.forget()
    growth = resident() - warm
    answers = sum((mix.answers for mix in order), Counter())
    return {"growth": growth, "resident": resident(), "caches": caches(mixes), "lru": lru_caches(), "answers": dict(sorted(answers.items()))}


def main(shell, count):
    logger = logging.getLogger("oidc_middleware")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    print(json.dumps(asyncio.run(run(shell, int(count)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
