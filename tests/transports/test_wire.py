"""Our own connections: what is said over them, which answers are answers, and that none stays open."""

import asyncio
import socket
import struct
import threading
import time

import anyio
import httpcore
import pytest

from oidc_middleware.errors import ProviderError, Unavailable
from oidc_middleware.protocol.messages import HttpRequest
from oidc_middleware.transports.client import AsyncHttp, SyncHttp
from oidc_middleware.transports.streams import AsyncioBackend
from tests.transports.harness import AMPLE, get, post, reply


def send(request, **options):
    """The answer, or the error."""
    http = AsyncHttp(None, trust_env=False, **{"deadline": AMPLE, "connect": AMPLE, **options})
    try:
        return anyio.run(http.send, request)
    except (Unavailable, ProviderError) as error:
        return error


def heard(provider, answer=None):
    """A provider that remembers what it was asked, and whether the other side then closed the connection."""

    def script(peer):
        op.requests.append(peer.read_request())
        peer.send(reply(b"{}") if answer is None else answer)
        op.closed.append(peer.sock.recv(1))

    op = provider(script)
    op.closed = []
    return op


def lines(data):
    head, _, body = data.partition(b"\r\n\r\n")
    first, *headers = head.decode("ascii").split("\r\n")
    return first, {name.lower(): value for name, value in (header.split(": ", 1) for header in headers)}, body


def test_what_is_said(provider):
    op = heard(provider)
    assert send(get(op.url + "?a=%C3%A9&b=c+d")).status == 200
    assert send(post(op.url, b"code=1")).status == 200
    assert send(post(op.url, b"")).status == 200
    [(first, headers, body), (posted, form, sent), (_, empty, nothing)] = map(lines, op.requests)
    assert first == "GET /endpoint?a=%C3%A9&b=c+d HTTP/1.1"
    own = {"host": op.url.split("/")[2], "user-agent": "oidc-middleware", "connection": "close", "accept-encoding": "identity"}
    assert headers == own
    assert (posted, body, sent, nothing) == ("POST /endpoint HTTP/1.1", b"", b"code=1", b"")
    assert form == {**own, "content-type": "application/x-www-form-urlencoded", "authorization": "Basic aHVzaA==", "content-length": "6"}
    assert empty["content-length"] == "0"


@pytest.mark.row("F-OP-16")
@pytest.mark.parametrize("shell", ["asgi", "wsgi"])
def test_every_connection_is_closed(provider, shell):
    """After an answer, after one that is refused, and after what is none."""
    big = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
    for answer in (None, big, b"SSH-2.0\r\n\r\n", reply(b"{}") + b"HTTP/1.1 200 OK\r\n\r\nmore than was asked for"):
        op = heard(provider, answer)
        if shell == "asgi":
            outcome = send(get(op.url, max_bytes=50))
        else:
            http = SyncHttp(None, trust_env=False)
            try:
                outcome = http.send(get(op.url, max_bytes=50))
            except (Unavailable, ProviderError) as error:
                outcome = error
        until = time.monotonic() + AMPLE
        while not op.closed and time.monotonic() < until:
            time.sleep(0.005)
        assert op.closed == [b""], outcome
        assert getattr(outcome, "body", getattr(outcome, "code", "")) in (b"{}", "response_too_large", "provider_unreachable")


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + reply(b"{}"), 200, b"{}"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;ext=1\r\nab\r\n1\r\nc\r\n0\r\nTrailer: x\r\n\r\n", 200, b"abc"),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}"),
    ],
)
def test_every_form_of_answer(provider, answer, status, body):
    got = send(get(provider(lambda peer: (peer.read_request(), peer.send(answer))).url))
    assert (got.status, got.body) == (status, body)


def test_headers_of_one_name_are_one(provider):
    got = send(get(heard(provider, reply(b"{}", "Cache-Control: no-store\r\nCACHE-CONTROL: private\r\n")).url))
    assert got.headers["cache-control"] == "no-store, private"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", b"", b"\r\n\r\n"])
def test_what_is_no_answer(provider, answer):
    error = send(post(provider(lambda peer: (peer.read_request(), peer.send(answer))).url))
    assert (error.code, error.sent) == ("provider_unreachable", True)


@pytest.mark.row("F-OP-09")
def test_who_refuses_before_everything_was_sent_is_heard(provider):
    """A request of a few megabytes, which nobody sends in earnest: the answer comes, and the rest of it goes nowhere."""

    def script(peer):
        peer.sock.recv(1000)
        peer.send(reply(b"enough", status="413 Too Large"))
        peer.sock.shutdown(socket.SHUT_WR)
        while peer.sock.recv(1_000_000):
            pass

    got = send(post(provider(script).url, b"x" * 5_000_000))
    assert (got.status, got.body) == (413, b"enough")


@pytest.mark.row("F-OP-09")
def test_a_connection_that_was_lost_after_its_last_byte_is_closed_like_any(provider):
    """The other side ends first, and takes the rest of what is sent later: asyncio's transport is then gone before anybody closes it."""
    go_on, taken = threading.Event(), threading.Event()

    def script(peer):
        peer.sock.shutdown(socket.SHUT_WR)
        go_on.wait(AMPLE)
        while peer.sock.recv(1_000_000):
            pass
        taken.set()

    async def written(port):
        stream = await AsyncioBackend().connect_tcp("127.0.0.1", port, AMPLE)
        writing = asyncio.ensure_future(stream.write(b"x" * 8_000_000))
        assert await stream.read(1) == b""
        go_on.set()
        with pytest.raises(httpcore.WriteError):
            await writing
        assert await asyncio.to_thread(taken.wait, AMPLE)
        await stream.aclose()
        await stream.aclose()

    asyncio.run(written(int(provider(script).url.rsplit(":", 1)[1].partition("/")[0])))


@pytest.mark.row("F-OP-09", "DI-09")
def test_a_reset_at_every_moment_is_told_for_what_it_is(provider):
    """Whatever the kernel says, of a code that may have left the error says so."""

    def broken(peer, read, sent):
        if read:
            peer.read_request()
        peer.send(reply(b"{}")[:sent])
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.sock.close()

    for read in (True, False):
        for sent in range(len(reply(b"{}"))):
            op = provider(lambda peer, read=read, sent=sent: broken(peer, read, sent))
            error = send(post(op.url))
            assert isinstance(error, Unavailable)
            assert error.code == "provider_unreachable"
            assert error.sent or not read
            assert op.connections == 1
            op.close()


def test_an_address_of_version_6(provider):
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    asked = []

    def serve():
        sock, _ = listener.accept()
        with sock:
            asked.append(sock.recv(65536))
            sock.sendall(reply(b"{}"))

    thread = threading.Thread(target=serve)
    thread.start()
    port = listener.getsockname()[1]
    got = send(get(f"http://[::1]:{port}/"))
    thread.join(AMPLE)
    listener.close()
    assert got.status == 200
    assert f"Host: [::1]:{port}\r\n".encode() in asked[0]


@pytest.mark.parametrize("url", ["ftp://op.example/", "https:///path", "https://op.example:x/", "op.example"])
def test_what_is_no_address(url):
    error = send(get(url))
    assert (error.code, error.sent) == ("provider_unreachable", False)
    assert error.detail.removeprefix("discovery: ").partition(" ")[0] in ("UnsupportedProtocol", "InvalidURL")


def test_a_header_that_would_be_two_is_not_sent(provider):
    op = heard(provider)
    error = send(HttpRequest("token", "POST", op.url, {"authorization": "Basic a\r\nX-Injected: 1"}))
    assert (error.code, error.sent) == ("provider_unreachable", False)
    op.close()
    assert b"".join(op.requests) == b""
