"""Long answers under way, and an application that gives them: for ASGI."""

import asyncio

from oidc_middleware.testing import Sent
from tests.catalogue.helpers import BASE_URL
from tests.catalogue.test_ws_open import settled


class Stream:
    """A long answer as a server keeps it: what was sent to the client, and whether the application returned. The client stays."""

    def __init__(self, stage, browser, path="/events", app=None, extensions=None):
        self.sent = []
        server = browser._sites[0][1]
        cookie = browser.cookies.header(BASE_URL + "/x", stage.clock.now())
        headers = (("host", "app.example.com"), *((("cookie", cookie),) if cookie else ()))
        self.scope = {**server.scope(Sent("GET", BASE_URL + path, headers=headers)), "extensions": extensions or {}}
        self._request = [{"type": "http.request", "body": b"", "more_body": False}]
        self.left = asyncio.Event()
        self.task = asyncio.ensure_future((app or stage.app)(self.scope, self.receive, self.send))

    async def receive(self):
        if self._request:
            return self._request.pop()
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.sent.append(message)

    @property
    def pieces(self):
        return [message["body"] for message in self.sent[1:] if message.get("body")]

    @property
    def complete(self):
        """Whether the client takes the answer for a whole one."""
        return not self.sent[-1].get("more_body", False)

    async def over(self):
        await asyncio.wait_for(asyncio.shield(self.task), 20)

    async def leaves(self):
        self.left.set()
        await self.over()


class Feed:
    """An application with long answers. ``say`` sends a piece to all that are open; ``told`` is what each heard at its end."""

    def __init__(self, stage, **options):
        self.queues, self.told, self.scopes = [], [], []
        self.content_type = b"text/event-stream; charset=utf-8"
        self.listens, self.gate = True, None
        stage._asgi_probe = self
        stage.restart(**{"end_long_responses": True, **options})

    async def __call__(self, scope, receive, send):
        self.scopes.append((scope, receive, send))
        if scope["path"].endswith("/api"):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b'{"sub": "x"}'})
            return
        await receive()
        if self.gate is not None:
            await self.gate.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", self.content_type)]})
        queue = asyncio.Queue()
        self.queues.append(queue)
        talk = asyncio.ensure_future(self._talk(queue, send))
        try:
            if self.listens:
                ears = asyncio.ensure_future(receive())
                await asyncio.wait([talk, ears], return_when="FIRST_COMPLETED")
                self.told.append((await ears)["type"])
            else:
                await talk
        except asyncio.CancelledError:
            self.told.append("cancelled")
            raise
        finally:
            talk.cancel()

    async def _talk(self, queue, send):
        while True:
            text = await queue.get()
            if text is None:
                raise LookupError("of the app")
            await send({"type": "http.response.body", "body": text, "more_body": True})

    async def say(self, text):
        for queue in self.queues:
            queue.put_nowait(text)
        await settled()


def signed_in_at(stage):
    browser = stage.browser()
    assert browser.login("/api").status == 200
    return browser
