"""To the first address that answers, within the time there is, whatever the resolver does."""

import asyncio
import gc
import select
import socket
import threading
import time

import pytest

from oidc_middleware.errors import Unavailable
from oidc_middleware.transports import dial as module
from oidc_middleware.transports import streams
from oidc_middleware.transports.client import AsyncHttp, SyncHttp
from oidc_middleware.transports.dial import dial, readable
from tests.transports.harness import AMPLE, CONNECT, get, reply

RESOLVE = socket.getaddrinfo


@pytest.fixture
def resolver(monkeypatch):
    """``resolver(*addresses)``: what the name ``op.test`` has. ``asked``: how often. Set ``gate``, and it hangs until that is set."""

    class Resolver:
        asked, gate, known = 0, None, ()

        def __call__(self, *known):
            self.known = known

        def resolve(self, host, port, *args, **options):
            if host != "op.test":
                return RESOLVE(host, port, *args, **options)
            if options.get("flags", 0) & socket.AI_NUMERICHOST:
                raise socket.gaierror(socket.EAI_NONAME, "not an address")
            self.asked += 1
            if self.gate is not None:
                self.gate.wait(AMPLE)
            return [
                (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
                for address in self.known
            ]  # fmt: skip

    found = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", found.resolve)
    return found


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_an_address_needs_neither_resolver_nor_thread(listener):
    before = threading.active_count()
    with dial("127.0.0.1", listener.getsockname()[1], AMPLE) as sock:
        assert threading.active_count() == before
        assert sock.getpeername() == listener.getsockname()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert module._lookups == {}


@pytest.mark.row("F-OP-11")
@pytest.mark.parametrize("addresses", [["127.0.0.9", "127.0.0.1"], ["::1", "127.0.0.1"], ["127.0.0.1", "::1"], ["nonsense", "127.0.0.1"]])
def test_an_address_that_refuses_makes_room_for_the_next(listener, resolver, addresses):
    resolver(*addresses)
    with dial("op.test", listener.getsockname()[1], AMPLE) as sock:
        assert sock.getpeername()[0] == "127.0.0.1"


@pytest.mark.row("F-OP-11")
def test_families_take_turns(resolver):
    resolver("::1", "::2", "::3", "127.0.0.1", "127.0.0.2")
    assert [address for _, (address, _) in module._addresses("op.test", 1, AMPLE)] == ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"]


def test_nobody_answers(resolver, listener):
    port = listener.getsockname()[1]
    listener.close()
    resolver("127.0.0.1", "127.0.0.2")
    with pytest.raises(ConnectionRefusedError):
        dial("op.test", port, AMPLE)
    resolver()
    with pytest.raises(OSError, match="no address"):
        dial("op.test", port, AMPLE)
    gc.collect()  # what was left open would warn


@pytest.mark.row("DI-07", "F-OP-11")
def test_what_is_still_being_tried_is_closed(listener, resolver):
    """The first address is silent, the second answers; and one that is silent alone meets the limit."""
    with socket.create_server(("127.0.0.2", listener.getsockname()[1]), backlog=0) as full, socket.socket() as one, socket.socket() as two:
        for filler in (one, two):
            filler.settimeout(0)
            filler.connect_ex(full.getsockname())
        resolver("127.0.0.2", "127.0.0.1")
        with dial("op.test", listener.getsockname()[1], AMPLE) as sock:
            assert sock.getpeername()[0] == "127.0.0.1"
        resolver("127.0.0.2")
        with pytest.raises(TimeoutError):
            dial("op.test", listener.getsockname()[1], CONNECT)
    gc.collect()


@pytest.mark.row("DI-07", "F-OP-05")
@pytest.mark.parametrize("shell", ["asgi", "wsgi"])
def test_a_resolver_that_hangs_meets_the_connect_limit_and_holds_one_thread(resolver, provider, shell):
    """However many ask. Once it answers, so do we."""
    op = provider(lambda peer: (peer.read_request(), peer.send(reply(b"{}"))))
    url = op.url.replace("127.0.0.1", "op.test")
    resolver("127.0.0.1")
    resolver.gate = threading.Event()
    http = (AsyncHttp if shell == "asgi" else SyncHttp)(None, trust_env=False, deadline=AMPLE, connect=CONNECT)
    for _ in range(3):
        with pytest.raises(Unavailable) as caught:
            asyncio.run(http.send(get(url))) if shell == "asgi" else http.send(get(url))
        assert (caught.value.code, caught.value.sent) == ("provider_timeout", False)
    assert [thread.name for thread in threading.enumerate()].count("oidc_middleware DNS") == resolver.asked == 1
    resolver.gate.set()
    until = time.monotonic() + AMPLE
    while module._lookups and time.monotonic() < until:
        time.sleep(0.005)
    http = (AsyncHttp if shell == "asgi" else SyncHttp)(None, trust_env=False, deadline=AMPLE, connect=AMPLE)
    assert (asyncio.run(http.send(get(url))) if shell == "asgi" else http.send(get(url))).status == 200
    assert resolver.asked == 2


def test_who_cannot_start_a_thread_leaves_nothing_to_wait_for(resolver, monkeypatch):
    resolver("127.0.0.1")

    def refuses(_thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuses)
        with pytest.raises(RuntimeError, match="new thread"):
            module._addresses("op.test", 1, AMPLE)
    assert module._lookups == {}
    assert module._addresses("op.test", 1, AMPLE) == [(socket.AF_INET, ("127.0.0.1", 1))]


@pytest.mark.row("F-PR-08")
def test_a_connection_that_comes_when_nobody_waits_for_it_is_closed(resolver, listener):
    """The task is cancelled while the name is looked up."""
    resolver("127.0.0.1")
    resolver.gate = threading.Event()

    async def scenario():
        task = asyncio.ensure_future(streams._dialled("op.test", listener.getsockname()[1], AMPLE))
        while not resolver.asked:  # noqa: ASYNC110  # it is asked in another thread
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        resolver.gate.set()

    asyncio.run(scenario())  # its end waits for that thread
    accepted, _ = listener.accept()
    with accepted:
        accepted.settimeout(AMPLE)
        assert accepted.recv(1) == b""
    gc.collect()


@pytest.mark.parametrize("poll", [True, False])
def test_what_is_readable(monkeypatch, poll):
    if not poll:
        monkeypatch.delattr(select, "poll")
    one, other = socket.socketpair()
    with one, other:
        assert not readable(one)
        other.send(b"x")
        assert readable(one)
        one.recv(1)
        assert not readable(one)
        other.close()
        assert readable(one)
    assert readable(one)
