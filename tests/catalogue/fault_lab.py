"""Where the flows of the fault-point enumeration run, and what has to hold after each (catalogue, section 0)."""

import asyncio
from urllib.parse import urlsplit

from oidc_middleware.drive import _UNFINISHED, settled
from oidc_middleware.errors import Unavailable
from oidc_middleware.flows.stored_tokens import token_key
from oidc_middleware.flows.tokens import LEASE_SECONDS
from oidc_middleware.testing import Page, Sent
from oidc_middleware.testing.keys import ProviderKeys
from oidc_middleware.testing.servers import run_async, server_for
from tests.catalogue.faultpoints import SECRET, Faults
from tests.catalogue.helpers import BASE_URL, is_error_page, shown
from tests.conformance.tokens import keeps_tokens, token_of

#: What a browser gets that went away: nothing.
GONE = 499
#: What a fault of the provider or the store may turn an answer into.
REFUSALS = (400, 502, 503)


class Lab:
    """One middleware whose effects are disturbed; for each run a new person, a new browser, and a provider of which nothing is known yet."""

    def __init__(self, stage, *, tokens, **options):
        self.stage, self.tokens = stage, tokens
        registration = {"revocation": tokens, "end_session": True}
        given = {"public": ["/public/*"], **({"keep_tokens": True} if tokens else {"store": None, "keep_tokens": False}), **options}
        self.users = keeps_tokens(stage, registration=registration, **given)
        stage.provider.refresh_grace = 60.0
        if stage.shell == "asgi":
            self._http_app, stage.app.app = stage.app.app, self._application
        self.faults = Faults(stage)
        self.server = server_for(self._watched if stage.shell == "asgi" else stage.app)
        self.runs = 0
        stage.provider.rotate_keys()
        self.other_keys = ProviderKeys()

    @property
    def provider(self):
        return self.stage.provider

    async def _application(self, scope, receive, send):
        if scope["type"] == "http":
            await self._http_app(scope, receive, send)
        else:
            self.users.append(scope["user"])
            await receive()
            await send({"type": "websocket.accept"})
            await receive()

    async def _watched(self, scope, receive, send):
        """The middleware, in a task that can be cancelled as a server cancels that of a client who went away."""
        self.faults.task = asyncio.ensure_future(self.stage.app(scope, receive, send))
        try:
            await self.faults.task
        except asyncio.CancelledError:
            if scope["type"] == "http":
                await send({"type": "http.response.start", "status": GONE, "headers": []})
                await send({"type": "http.response.body", "body": b""})

    def begin(self):
        """A new run."""
        self.runs += 1
        self.subject = f"person-{self.runs}"
        self.provider.user = {**self.provider.user, "sub": self.subject}
        self.provider.sid = f"sid-{self.runs}"
        self.provider.secrets.clear()
        self.provider.complaints.clear()
        self.provider.refresh_edits.clear()
        self.provider.metadata_edits.clear()
        self.provider.refresh_grants.clear()
        self.stage.clock.advance(61)  # an unknown key is looked for once a minute, and the log takes so many lines a second
        self.stage.caplog.clear()
        self.stage.browsers.clear()
        self.stage.rp.provider.metadata.value = self.stage.rp.provider.keys.value = None
        self.users.clear()
        self.faults.stored.clear()

    def browser(self):
        return self.stage.browser(self.server)

    def signed_in(self):
        browser = self.browser()
        assert browser.login("/start").status == 200
        self.cold()
        return browser

    def cold(self):
        """Forget what is known of the provider: it is asked again."""
        memory = self.stage.rp.provider
        memory.metadata.value = memory.keys.value = None

    def token(self, browser):
        return token_of(browser, self.server)

    def sign_out_everywhere(self):
        """As the operator's program calls it: how many ended, ``Unavailable``, or ``None`` when its task was cancelled."""
        try:
            if self.stage.shell == "wsgi":
                return self.stage.app.sign_out_everywhere(self.subject)
            return run_async(self._cancellable(self.stage.app.sign_out_everywhere(self.subject)))
        except Unavailable as error:
            return error

    async def _cancellable(self, work):
        self.faults.task = asyncio.ensure_future(work)
        await asyncio.wait([self.faults.task])
        return None if self.faults.task.cancelled() else self.faults.task.result()

    def websocket(self, browser):
        """What is sent to a WebSocket that is open for one look at its session."""
        headers = {"host": "app.example.com", "origin": BASE_URL, "cookie": browser.cookies.header(BASE_URL + "/x", self.stage.clock.now())}
        scope = self.server.scope(Sent("GET", "wss://app.example.com/ws", headers=tuple(headers.items())), "websocket")

        async def attended():
            sent, incoming = [], asyncio.Queue()
            incoming.put_nowait({"type": "websocket.connect"})

            async def send(message):
                sent.append(message)

            task = asyncio.ensure_future(self._watched(scope, incoming.get, send))
            await _a_while()
            for watch in {watch for watches in self.stage.rp.sockets._watches.values() for watch in watches}:
                watch.wake()
            await _a_while()
            incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
            await asyncio.wait_for(task, 20)
            return sent

        return run_async(attended())

    def lease(self):
        """Take the lease of the only session for ever, as a worker does that hangs."""
        (key,) = [key for key in self.faults.stored if key.startswith("t:")]
        taken = self.faults.world.store.acquire("r" + key, "another worker", 2 * LEASE_SECONDS, self.stage.clock.now())
        assert run_async(taken) if self.stage.shell == "asgi" else taken

    @property
    def revocable(self):
        return self.stage.rp.revocable

    def lives(self, browser):
        """Whether the application sees this run's person behind *browser*."""
        page = browser.fetch("/api")
        assert page.status in (200, 401), page.status
        assert page.status == 401 or page.json()["sub"] == self.subject
        return page.status == 200

    def records(self):
        """The keys of this run that are still in the store."""
        store, now = self.faults.world.store, self.stage.clock.now()
        if store is None:
            return set()

        async def found():
            return {key for key in self.faults.stored if await store.get(key, now) is not None}

        return run_async(found()) if self.stage.shell == "asgi" else {key for key in self.faults.stored if store.get(key, now) is not None}

    def settled(self):
        """Wait for what goes on after its request has gone."""

        async def wait():
            await settled(20.0)
            await asyncio.sleep(0)
            assert not _UNFINISHED, "something shielded never ends"

        if self.stage.shell == "asgi":
            run_async(wait())

    # -- the oracle of section 0 ---------------------------------------------------------------------------------------------------------

    def judge_records(self):
        """A session and its tokens are there, or neither is."""
        records = self.records()
        sessions = {token_key(key) for key in records if key.startswith("s:")}
        assert {key for key in records if key.startswith("t:")} == (sessions if self.tokens else set())

    def judge(self, outcome):
        """What holds after every step, whatever it was and however it was disturbed. *outcome*: a page, or what came instead of one."""
        assert {user.identity for user in self.users} <= {"", self.subject}
        page = outcome if isinstance(outcome, Page) else None
        refused = page is not None and (page.status >= 400 or is_error_page(page.location))
        if self.faults.fault is None or self.faults.fault.startswith("cancelled") or (page is not None and not refused):
            self.judge_records()
        if page is None:
            return
        assert page.status != 500, "a fault of the surroundings is none of ours"
        location = page.header("location")
        assert not location or urlsplit(location).netloc == "" or location.startswith((BASE_URL + "/", self.provider.issuer + "/"))
        assert not location.startswith(("//", "/\\"))
        gives_session = [item for item in page.all("set-cookie") if item.startswith(self.stage.session_name) and "Max-Age=0" not in item]
        if refused:
            assert gives_session == [], "a refusal set a session"
            assert SECRET not in page.text
        if page.status == 503:
            assert int(page.header("retry-after")) > 0
        assert SECRET not in self.stage.caplog.text
        self.stage.assert_nothing_leaked(*([page] if refused else []))

    def says_so(self, answer, browser):
        """Whether the refused callback *answer* leads to a page that says what any other refusal says."""
        _, page = shown(answer, browser)
        self.judge(page)
        return page.status in REFUSALS


async def _a_while():
    for _ in range(50):
        await asyncio.sleep(0)
