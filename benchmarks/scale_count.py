"""What each thing that a user, a browser or the provider does asks of Redis: counted at the client and at the server, for whole requests.

Nothing here is estimated. The middleware is the real one, the provider the scripted one of the tests, Redis a ``redis-server`` of our own; a whole
sign-in, sign-out or refresh runs, and both ends are asked how many commands that were.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import httpx

from oidc_middleware.testing import Browser, FakeClock, ScriptedProvider, Sent
from oidc_middleware.testing.servers import server_for
from oidc_middleware.wsgi import OIDCMiddleware

BASE_URL: Final = "https://app.example.com"
SECRET: Final = "benchmark-only-0123456789-abcdefghij"
#: Seconds that an access token of the scripted provider lives.
TOKEN_LIFE: Final = 300
#: What a company's provider says about somebody.
CLAIMS: Final = {
    "name": "Ada Lovelace",
    "given_name": "Ada",
    "family_name": "Lovelace",
    "preferred_username": "ada",
    "email": "ada@example.com",
    "email_verified": True,
    "locale": "en-GB",
    "zoneinfo": "Europe/London",
    "groups": ["admins", "engineering", "analysts", "on-call", "reviewers", "building-4", "all-staff", "guests"],
}
#: Looked at between two counts; they are not the middleware's.
_OURS: Final = frozenset({"info", "config|resetstat", "hello", "client|setinfo", "client|setname", "select", "ping", "command"})


@dataclass(frozen=True)
class Cost:
    """Of one of a kind. ``executed`` includes what scripts run inside Redis. Bytes as Redis sees them, with the protocol's framing.

    ``redis_us`` and ``worker_us`` are microseconds of CPU: of Redis, and of the process that the middleware runs in without the provider's own part.
    """

    round_trips: float
    commands: float
    executed: float
    bytes_in: float
    bytes_out: float
    provider_calls: float
    redis_us: float
    worker_us: float


class _Counter:
    """Stands in front of the way to Redis."""

    def __init__(self, store: Any) -> None:
        self.round_trips = self.commands = 0
        self._send = store._send  # noqa: SLF001  # the one place where all commands pass
        store._send = self.send  # noqa: SLF001  # likewise

    def send(self, commands: list[Any]) -> list[Any]:
        self.round_trips += 1
        self.commands += len(commands)
        answers: list[Any] = self._send(commands)
        return answers


class Rig:
    """One worker, its provider, and as many browsers as wished. *redis*: a client to look with; *url*: where the store is."""

    def __init__(self, redis: Any, url: str, *, keep_tokens: bool = False, **options: Any) -> None:
        self.redis = redis
        self.clock = FakeClock()
        self.provider = ScriptedProvider(clock=self.clock)
        self.provider.sid, self.provider.refresh_tokens, self.provider.expires_in = "sid-0", True, TOKEN_LIFE
        self.calls, self.provider_seconds = 0, 0.0
        given = {**self.provider.options(), "base_url": BASE_URL, "secret_key": SECRET, "clock": self.clock, "keep_tokens": keep_tokens, **options}
        given.setdefault("store", url)
        client = httpx.Client(transport=httpx.MockTransport(self._at_provider))
        self.app = OIDCMiddleware(_application, http_client=client, **given)
        self.counter = _Counter(self.app._world.store)  # noqa: SLF001  # a benchmark looks inside

    def _at_provider(self, request: httpx.Request) -> httpx.Response:
        began = time.process_time()
        self.calls += 1
        try:
            return self.provider._handle(request)  # noqa: SLF001  # what its own client does
        finally:
            self.provider_seconds += time.process_time() - began

    def browser(self) -> tuple[Browser, str]:
        """A browser, and its way to the provider: the request without a session is behind it."""
        browser = Browser(self.app, base_url=BASE_URL, provider=self.provider, clock=self.clock)
        return browser, browser.start_login("/")

    def sign_in(self, number: int, begun: tuple[Browser, str] | None = None) -> Browser:
        """User *number* comes back from the provider."""
        browser, location = begun or self.browser()
        self.provider.user = {"sub": f"user-{number}", **CLAIMS}
        self.provider.sid = f"sid-{number}"
        page = browser.finish_login(location, follow=False)
        assert page.status == 303, page.status
        return browser

    def ended_by_provider(self, user: int) -> None:
        """The provider ends the session of *user*: a back-channel logout."""
        token = self.provider.logout_token(sub=f"user-{user}", sid=f"sid-{user}")
        server = server_for(self.app)
        body = f"logout_token={token}".encode()
        headers = (("host", "app.example.com"), ("content-length", str(len(body))), ("content-type", "application/x-www-form-urlencoded"))
        page = server(Sent("POST", BASE_URL + "/oidc/backchannel-logout", headers=headers, body=body))
        assert page.status == 200, page.body

    def cost(self, action: Callable[[Any], object], things: list[Any]) -> Cost:
        """What *action* costs for each of *things*, on average. Raises ``AssertionError`` if they did not all ask the same of Redis.

        Others use this machine: CPU is the median of up to eight parts.
        """
        size = max(1, len(things) // 8)
        parts = [self._part(action, things[start : start + size]) for start in range(0, len(things), size)]
        asked = set().union(*(asked for asked, *_ in parts))
        assert len(asked) == 1, f"some asked more than others: {asked}"
        ((round_trips, commands),) = asked
        executed, bytes_in, bytes_out, calls = (sum(part[2][each] for part in parts) / len(things) for each in range(4))
        redis_us, worker_us = median(part[2][4] / part[3] for part in parts), median(part[1] / part[3] for part in parts)
        return Cost(round_trips, commands, executed, bytes_in, bytes_out, calls, 1e6 * redis_us, 1e6 * worker_us)

    def _part(self, action: Callable[[Any], object], things: list[Any]) -> tuple[set[tuple[int, int]], float, list[float], int]:
        """What was asked, seconds of CPU here, what :meth:`_state` has more than before, how many there were."""
        asked = set()
        before, began = self._state(), (time.process_time(), self.provider_seconds)
        for thing in things:
            at = self.counter.round_trips, self.counter.commands
            action(thing)
            asked.add((self.counter.round_trips - at[0], self.counter.commands - at[1]))
        spent = time.process_time() - began[0] - (self.provider_seconds - began[1])
        return asked, spent, [late - early for early, late in zip(before, self._state(), strict=True)], len(things)

    def _state(self) -> tuple[float, ...]:
        stats, cpu = self.redis.info("commandstats"), self.redis.info("cpu")
        executed = sum(entry["calls"] for name, entry in stats.items() if name.removeprefix("cmdstat_") not in _OURS)
        traffic = self.redis.info("stats")
        return (
            executed, traffic["total_net_input_bytes"], traffic["total_net_output_bytes"], self.calls,
            cpu["used_cpu_user"] + cpu["used_cpu_sys"],
        )  # fmt: skip


def _application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    if environ["PATH_INFO"] == "/token":
        assert environ["oidc_middleware.user"].access_token()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


def _fetch(path: str) -> Callable[[Browser], None]:
    def fetch(browser: Browser) -> None:
        assert browser.fetch(path).status == 200

    return fetch


def counted(redis: Any, url: str, number: int) -> dict[str, Cost]:
    """The cost of each kind of thing, of *number* each: without kept tokens, and the three kinds that keeping them adds or changes."""
    rig = Rig(redis, f"{url}?prefix=count:")
    costs = {}
    begun = [rig.browser() for _ in range(number)]
    rig.sign_in(number)  # whoever comes first fetches the provider's metadata and keys
    ready = iter(begun)
    browsers: list[Browser] = []
    costs["sign-in"] = rig.cost(lambda user: browsers.append(rig.sign_in(user, next(ready))), list(range(number)))
    costs["request"] = rig.cost(_fetch("/api"), browsers)
    rig.clock.advance(901)
    costs["request, written down"] = rig.cost(_fetch("/api"), browsers)
    costs["sign-out"] = rig.cost(lambda browser: browser.post_form("/oidc/logout", follow=False), browsers)
    others = range(number + 1, 2 * number + 1)  # who signed in before has left a name in the indexes
    for user in others:
        rig.sign_in(user)
    rig.clock.advance(1)
    costs["back-channel logout, one session"] = rig.cost(rig.ended_by_provider, list(others))
    costs["back-channel logout, no session"] = rig.cost(rig.ended_by_provider, list(others))
    return costs | _with_tokens(redis, url, number) | _with_list(redis, url, number)


def _with_tokens(redis: Any, url: str, number: int) -> dict[str, Cost]:
    rig = Rig(redis, f"{url}?prefix=tokens:", keep_tokens=True)
    begun = [rig.browser() for _ in range(number)]
    rig.sign_in(number)
    ready = iter(begun)
    browsers: list[Browser] = []

    def refresh(user: int) -> None:
        rig.provider.user = {"sub": f"user-{user}", **CLAIMS}
        _fetch("/token")(browsers[user])

    costs = {"sign-in, keep_tokens": rig.cost(lambda user: browsers.append(rig.sign_in(user, next(ready))), list(range(number)))}
    costs["request that asks for the token"] = rig.cost(_fetch("/token"), browsers)
    rig.clock.advance(TOKEN_LIFE - 30)
    costs["request that refreshes it"] = rig.cost(refresh, list(range(number)))
    costs["sign-out, keep_tokens"] = rig.cost(lambda browser: browser.post_form("/oidc/logout", follow=False), browsers)
    others = range(number + 1, 2 * number + 1)  # who signed in before has left a name in the indexes
    for user in others:
        rig.sign_in(user)
    rig.clock.advance(1)
    costs["back-channel logout, keep_tokens"] = rig.cost(rig.ended_by_provider, list(others))
    return costs


def _with_list(redis: Any, url: str, number: int) -> dict[str, Cost]:
    """Sessions in cookies, and a list of ended ones: what a request costs when the list has to be asked, and when it was a moment ago."""
    rig = Rig(redis, url, store=None, revocation=f"{url}?prefix=list:")
    browsers = [rig.sign_in(user) for user in range(number)]
    rig.clock.advance(10)
    costs = {"request, list asked": rig.cost(_fetch("/api"), browsers)}
    costs["request, list remembered"] = rig.cost(_fetch("/api"), browsers)
    rig.clock.advance(1)
    costs["back-channel logout, list"] = rig.cost(rig.ended_by_provider, list(range(number)))
    costs["sign-out, list"] = rig.cost(lambda browser: browser.post_form("/oidc/logout", follow=False), browsers)
    return costs
