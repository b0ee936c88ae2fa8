"""The calls of one sign-in, and a provider that goes by a script for each connection: for the tests of kept connections."""

import asyncio
import gc
import socket
import struct
import threading
import time
from dataclasses import replace

from oidc_middleware.drive import AsyncWorld, SyncWorld, arun, run
from oidc_middleware.errors import ProviderError, Unavailable
from oidc_middleware.flows.effects import Connected, Fetch
from oidc_middleware.transports.client import AsyncHttp, SyncHttp
from tests.transports.harness import AMPLE, get, post, reply

TOKENS = reply(b"tokens")
CLAIMS = reply(b"claims")
#: What would pass for the answer to UserInfo, if it were taken for one.
FORGED = reply(b"forged")


class Signing:
    """The calls of one sign-in as its flow makes them. ``between(this)`` comes after the first."""

    def __init__(self, shell, *requests, between=lambda _case: None, client=None, **options):
        self.requests, self.between, self.answers = requests, between, []
        options = {"deadline": AMPLE, "connect": AMPLE, **options}
        self.http = (AsyncHttp if shell == "asgi" else SyncHttp)(client, trust_env=False, **options)
        self.shell = shell

    def flow(self, kept):
        for number, request in enumerate(self.requests):
            try:
                answer = yield Fetch(replace(request, kept=kept))
                self.answers.append(answer.body or answer.status)
            except (Unavailable, ProviderError) as error:
                self.answers.append(error)
            if number == 0:
                self.kept = kept
                self.between(self)

    def whole(self):
        yield Connected(self.flow)

    def run(self):
        if self.shell == "asgi":
            asyncio.run(arun(self.whole(), AsyncWorld(self.http)))
        else:
            run(self.whole(), SyncWorld(self.http))
        assert self.kept.connection is None
        gc.collect()  # a socket that was forgotten would warn, and a warning is an error
        return self.answers


def signing(shell, op, **options):
    return Signing(shell, post(op.url), get(op.url, purpose="userinfo"), **options)


def serving(provider, tls, *scripts):
    """A provider whose first connection goes by the first of *scripts*, and so on; the last one by ``polite``. ``log``: requests by connection."""
    left = list(scripts)

    def script(peer):
        mine = []
        op.log.append(mine)
        peer.heard = lambda: mine.append(peer.read_request().split(b" ")[0].decode()) or mine[-1]
        try:
            (left.pop(0) if left else polite)(peer)
        finally:  # whoever closes with something unread resets
            op.done.release()

    op = provider(script, tls)
    op.log, op.done = [], threading.Semaphore(0)
    return op


def polite(peer):
    """Answers everything, until the other side has closed."""
    while method := peer.heard():
        peer.send(TOKENS if method == "POST" else CLAIMS)


def ended(op, count):
    """Wait until *count* connections are over."""
    for _ in range(count):
        assert op.done.acquire(timeout=AMPLE)


def arrived(case):
    """Wait until something has come over the idle connection of *case*; a reset may have been so quick that there is none."""
    connection = getattr(case.kept.connection, "connection", case.kept.connection)
    until = time.monotonic() + AMPLE
    while connection is not None and not connection.has_expired() and time.monotonic() < until:
        time.sleep(0.005)


def reset(peer):
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.sock.close()
