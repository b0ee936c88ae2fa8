"""A connection that the token request leaves for UserInfo: never one with something in it, and none is left over."""

import asyncio
import gc
import socket
import threading
from dataclasses import replace
from types import SimpleNamespace

import anyio
import httpx
import pytest

from oidc_middleware.drive import AsyncWorld, arun
from oidc_middleware.errors import LoginError
from oidc_middleware.flows.effects import Connected, Fetch
from oidc_middleware.transports import streams, wire
from tests.transports.harness import AMPLE, get, post, reply
from tests.transports.signing import CLAIMS, FORGED, TOKENS, Signing, arrived, ended, serving, signing

# -- what is there before anybody asked ------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-OP-16", "F-OP-08")
@pytest.mark.parametrize(
    "extra",
    [FORGED, FORGED[:1], FORGED[:-1], b"\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"x" * 200_000, b"HTTP/1.1 200 OK\r\nX-Mine: "],
    ids=["whole", "a byte", "nearly whole", "empty line", "informational", "much", "a header that goes on"],
)
@pytest.mark.parametrize("together", [True, False])
def test_what_comes_after_the_tokens_is_no_answer_to_what_follows(shell, provider, maybe_tls, extra, together):
    """Response smuggling: in the packet of the first answer, where h11 holds it, or in one of its own, where the kernel or the event loop does."""

    def smuggles(peer):
        peer.heard()
        peer.send(TOKENS + (extra if together else b""))
        if not together:
            peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asked.wait(AMPLE)
            peer.send(extra)
        while peer.heard():
            peer.send(FORGED)

    asked = threading.Event()
    op = serving(provider, maybe_tls, smuggles)
    case = signing(shell, op, between=lambda case: together or (asked.set(), arrived(case)))
    assert case.run() == [b"tokens", b"claims"]
    ended(op, 2)
    assert "GET" not in op.log[0]


@pytest.mark.row("F-OP-16")
def test_what_cannot_be_looked_into_is_not_used_again(shell, provider, monkeypatch):
    """As with a future httpcore that is built in another way."""
    monkeypatch.setattr(wire, "_unread", lambda _connection: None)
    op = serving(provider, None)
    assert signing(shell, op).run() == [b"tokens", b"claims"]
    ended(op, 2)
    assert len(op.log) == 2


@pytest.mark.row("F-OP-16")
def test_what_tls_holds_back_is_seen(provider, maybe_tls):
    """Decrypted, and no longer in the kernel: whoever reads less than there is leaves the rest there."""
    op = provider(lambda peer: (peer.send(b"more than a byte"), peer.wait()), maybe_tls)
    stream = streams.ThreadBackend(streams.Limit(AMPLE, AMPLE)).connect_tcp("127.0.0.1", int(op.url.rsplit(":", 1)[1].partition("/")[0]))
    if maybe_tls is not None:
        stream = stream.start_tls(httpx.create_ssl_context(), "127.0.0.1")
    assert stream.read(1) == b"m"
    assert stream.get_extra_info("is_readable")
    assert stream.read(100) == b"ore than a byte"
    assert not stream.get_extra_info("is_readable")
    stream.close()


def test_nothing_can_be_said_about_what_is_no_connection():
    assert wire._unread(SimpleNamespace()) is None
    assert wire._unread(SimpleNamespace(_connection=SimpleNamespace(_h11_state=object()))) is None


@pytest.mark.row("DI-03")
def test_a_redirect_over_it_is_not_followed(shell, provider):
    op = serving(provider, None, lambda peer: (peer.heard(), peer.send(TOKENS), peer.heard(), peer.send(reply(b"", "Location: /\r\n", "302 Found"))))
    assert signing(shell, op).run() == [b"tokens", 302]
    assert op.log == [["POST", "GET"]]


# -- nothing is left over --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-OP-16", "F-PR-08")
def test_a_sign_in_that_ends_after_the_tokens_closes(shell, provider, maybe_tls):
    """A token that is refused, or claims that need no UserInfo; an error of ours as well."""

    def refuses(_case):
        raise LoginError("nonce_mismatch")

    def breaks(_case):
        raise ZeroDivisionError

    op = serving(provider, maybe_tls)
    for between, error in ((refuses, LoginError), (breaks, ZeroDivisionError)):
        with pytest.raises(error):
            signing(shell, op, between=between).run()
        ended(op, 1)
    Signing(shell, post(op.url)).run()
    ended(op, 1)
    gc.collect()
    assert op.log == [["POST", ""]] * 3


@pytest.mark.row("F-OP-16", "F-PR-08")
@pytest.mark.parametrize("how", ["task", "scope"])
@pytest.mark.parametrize("when", ["idle", "asking", "reading"])
def test_a_cancelled_sign_in_closes(provider, maybe_tls, when, how):
    """While nothing is asked, while the question is on its way, and in the middle of its answer."""
    silent = provider(lambda peer: peer.wait())

    def script(peer):
        if peer.heard() == "POST":
            peer.send(TOKENS)
        if peer.heard() == "GET":
            peer.send(CLAIMS[: 5 if when == "reading" else 0])
            peer.heard()

    def calls(kept):
        case.kept = kept
        yield Fetch(replace(post(op.url), kept=kept))
        if when == "idle":
            yield Fetch(get(silent.url))
        yield Fetch(replace(get(op.url), kept=kept))

    def whole():
        yield Connected(calls)

    async def work(scope):
        with scope:
            await arun(whole(), AsyncWorld(case.http))

    async def scenario():
        scope = anyio.CancelScope()
        task = asyncio.ensure_future(work(scope))
        while silent.connections == 0 and "GET" not in "".join(map("".join, op.log)):  # noqa: ASYNC110  # they are in other threads
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        (task if how == "task" else scope).cancel()
        assert [type(error) for error in await asyncio.gather(task, return_exceptions=True)] == (
            [asyncio.CancelledError] if how == "task" else [type(None)]
        )
        assert case.kept.connection is None
        ended(op, 1)  # before the event loop ends, which would close it as well

    op = serving(provider, maybe_tls, script)
    case = signing("asgi", op)
    asyncio.run(scenario())
    gc.collect()
    own = case.http._process.get_own().slots
    assert own._beginning._value == own._finishing._value == 20


def test_an_end_of_the_process_in_the_middle_closes(provider):
    """WSGI: what a server raises in a thread whose time is over."""
    op = serving(provider, None)

    def dies(_case):
        raise SystemExit

    with pytest.raises(SystemExit):
        signing("wsgi", op, between=dies).run()
    ended(op, 1)


# -- where connections are not ours ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["proxied", "users"])
def test_a_users_client_and_proxies_are_left_to_themselves(shell, provider, kind):
    op = serving(provider, None)
    case = signing(shell, op, client=httpx.Client() if kind == "users" else None)
    case.http._process.get_own().proxied = kind == "proxied"
    assert case.run() == [b"tokens", b"claims"]
    if kind == "users":
        case.http._given.close() if shell == "asgi" else case.http._direct.close()
    ended(op, 2 if kind == "proxied" else 1)
