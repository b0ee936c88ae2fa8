"""Whatever the provider's socket does, a call ends in time with a whole answer or a typed error, and no error tells a secret."""

from __future__ import annotations

import gzip
import socket
import ssl
import time
import zlib
from dataclasses import replace

import anyio
import pytest
import trustme

from oidc_middleware.errors import ProviderError, Unavailable
from oidc_middleware.protocol.messages import HttpResponse
from oidc_middleware.transports.client import AsyncHttp
from tests.transports.harness import CONNECT, DEADLINE, PATIENCE, get, post, reply


def timed(call, *requests, **options):
    begin = time.monotonic()
    results = call(*requests, **{"deadline": DEADLINE, "connect": CONNECT, **options})
    return results, time.monotonic() - begin


def assert_unavailable(error, code, *, sent):
    assert isinstance(error, Unavailable), error
    assert (error.code, error.sent) == (code, sent), error.detail
    for secret in ("the-secret-code", "hush", "Basic", "?", "query"):
        assert secret not in error.detail


def test_a_good_answer_is_complete(call, provider):
    op = provider(lambda peer: (op.requests.append(peer.read_request()), peer.send(reply(b'{"a": 1}', "Content-Type: application/json\r\n"))))
    [answer] = call(post(op.url))
    assert answer == HttpResponse(200, answer.headers, b'{"a": 1}')
    assert answer.headers["content-type"] == "application/json"
    assert b"POST /endpoint" in op.requests[0]
    assert op.requests[0].endswith(b"code=the-secret-code&client_secret=hush")
    assert b"accept-encoding: identity\r\n" in op.requests[0].lower()
    assert b"basic ahvzaa==" in op.requests[0].lower()


@pytest.mark.row("DI-06", "F-OP-06", "F-OP-05")
def test_a_dripping_body_meets_the_total_deadline(call, provider):
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        peer.drip(b"x" * 1000, every=0.05)

    [error], seconds = timed(call, post(provider(script).url))
    assert_unavailable(error, "provider_timeout", sent=True)
    assert DEADLINE * 0.9 < seconds < PATIENCE


@pytest.mark.row("LO-12", "DI-06")
def test_a_call_may_be_quicker_than_others(call, provider):
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        peer.wait()

    [error], seconds = timed(call, replace(post(provider(script).url), seconds=DEADLINE), deadline=30)
    assert_unavailable(error, "provider_timeout", sent=True)
    assert DEADLINE * 0.9 < seconds < PATIENCE


@pytest.mark.row("DI-06", "F-OP-06")
def test_a_dripping_header_meets_the_total_deadline(call, provider):
    def script(peer):
        peer.read_request()
        peer.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * (1000 if call.cuts_headers else 3) + b"\r\nContent-Length: 2\r\n\r\n{}", every=0.05)

    [error], seconds = timed(call, post(provider(script).url))
    assert_unavailable(error, "provider_timeout", sent=True)  # a user's own synchronous client: only once the header is there
    assert DEADLINE * 0.9 < seconds < PATIENCE + (0 if call.cuts_headers else 3)


@pytest.mark.row("F-OP-05")
def test_a_provider_that_never_answers(call, provider):
    def script(peer):
        peer.read_request()
        peer.wait()

    [error], seconds = timed(call, post(provider(script).url))
    assert_unavailable(error, "provider_timeout", sent=True)
    assert DEADLINE * 0.9 < seconds < PATIENCE


@pytest.mark.row("DI-07")
def test_a_black_hole_meets_the_connect_limit(call):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, socket.socket() as first, socket.socket() as second:
        for filler in (first, second):  # the queue of a listener that never accepts is full now: further SYNs are dropped
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        [error], seconds = timed(call, post(f"http://127.0.0.1:{listener.getsockname()[1]}/"), deadline=30)
    assert_unavailable(error, "provider_timeout", sent=False)
    assert seconds < PATIENCE


@pytest.mark.row("DI-07")
def test_refused(call):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    [error] = call(post(f"http://127.0.0.1:{port}/?query=secret"))
    assert_unavailable(error, "provider_unreachable", sent=False)
    assert error.detail.startswith("token: ConnectError")


@pytest.mark.row("DI-07", "F-OP-11")
def test_a_name_that_does_not_exist(call, monkeypatch):
    def nowhere(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    [error] = call(post("http://nowhere.invalid/"))
    assert_unavailable(error, "provider_unreachable", sent=False)
    assert "gaierror" in error.detail


@pytest.mark.row("DI-07")
def test_reset_before_any_answer(call, provider):
    def script(peer):
        peer.read_request()
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        peer.sock.close()

    op = provider(script)
    [error] = call(post(op.url))
    assert_unavailable(error, "provider_unreachable", sent=True)
    assert op.connections == 1


@pytest.fixture(scope="module")
def tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.mark.row("DI-11", "F-OP-12")
def test_a_certificate_nobody_vouches_for(call, provider, tls):
    op = provider(lambda peer: op.requests.append(peer.read_request()), tls)
    [error] = call(post(op.url))
    assert_unavailable(error, "provider_unreachable", sent=False)
    assert "SSLCertVerificationError" in error.detail
    assert op.requests == []


@pytest.mark.row("DI-07")
def test_a_stalled_tls_handshake_meets_the_connect_limit(call, provider):
    op = provider(lambda peer: peer.wait())
    [error], seconds = timed(call, post(op.url.replace("http:", "https:")), deadline=30)
    assert_unavailable(error, "provider_timeout", sent=False)
    assert seconds < CONNECT + PATIENCE


@pytest.mark.row("DI-03")
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_redirects_are_not_followed(call, provider, status):
    other = provider(lambda peer: other.requests.append(peer.read_request()))
    op = provider(lambda peer: (peer.read_request(), peer.send(reply(b"", f"Location: {other.url}\r\n", status))))
    answers = call(post(op.url), get(op.url))
    assert [answer.status for answer in answers] == [int(status[:3])] * 2
    assert (other.connections, op.connections) == (0, 2)


@pytest.mark.row("DI-05")
def test_a_body_that_says_it_is_too_large(call, provider):
    op = provider(lambda peer: (peer.read_request(), peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000001\r\n\r\n"), peer.wait()))
    [error] = call(get(op.url))
    assert isinstance(error, ProviderError)
    assert error.code == "response_too_large"


@pytest.mark.row("DI-05")
def test_a_body_without_end(call, provider):
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not peer.over.is_set():
            peer.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

    [error] = call(get(provider(script).url, max_bytes=200_000))
    assert isinstance(error, ProviderError)
    assert error.code == "response_too_large"


@pytest.mark.row("DI-05")
@pytest.mark.parametrize("size", [99_999, 100_000, 100_001])
def test_the_limit_is_exact(call, provider, size):
    op = provider(lambda peer: (peer.read_request(), peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * size)))
    [result] = call(get(op.url, max_bytes=100_000))
    if size > 100_000:
        assert isinstance(result, ProviderError)
    else:
        assert result.body == b"x" * size


@pytest.mark.row("DI-05")
@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compression_bomb_is_not_unpacked(call, provider, encoding, compress):
    bomb = compress(bytes(50_000_000))
    assert len(bomb) < 100_000
    op = provider(lambda peer: (peer.read_request(), peer.send(reply(bomb, f"Content-Encoding: {encoding}\r\n"))))
    [error] = call(get(op.url))
    assert isinstance(error, ProviderError)
    assert error.code == "response_too_large"


@pytest.mark.row("DI-05")
@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_small_compressed_answers_are_read_all_the_same(call, provider, encoding, compress):
    packed = compress(b'{"a": 1}')
    bodies = iter([packed, packed[:-9], b"not compressed at all"])
    op = provider(lambda peer: (peer.read_request(), peer.send(reply(next(bodies), f"Content-Encoding: {encoding}\r\nConnection: close\r\n"))))
    good, cut, damaged = call(get(op.url), get(op.url), get(op.url))
    assert good.body == b'{"a": 1}'
    assert_unavailable(cut, "provider_unreachable", sent=True)
    assert_unavailable(damaged, "provider_unreachable", sent=True)


@pytest.mark.row("F-OP-08")
@pytest.mark.parametrize("head", ["Content-Length: 40\r\n", "Transfer-Encoding: chunked\r\n"])
def test_half_a_reply_is_never_an_answer(call, provider, head):
    body = b'{"access_token": "x", "id_token": "aaaa"}'[:40]
    whole = f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + (b"28\r\n" + body + b"\r\n0\r\n\r\n" if "chunked" in head else body)
    offsets = list(range(len(whole)))
    cuts = iter(offsets)
    op = provider(lambda peer: (peer.read_request(), peer.send(whole[: next(cuts)])))
    for offset, error in zip(offsets, call(*[post(op.url)] * len(whole)), strict=True):
        assert isinstance(error, Unavailable), (offset, error)
        assert (error.code, error.sent) == ("provider_unreachable", True)
    assert op.connections == len(whole)


@pytest.mark.row("F-OP-08")
@pytest.mark.parametrize(
    "junk",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 abc\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
    ],
)
def test_what_is_not_http(call, provider, junk):
    op = provider(lambda peer: (peer.read_request(), peer.send(junk)))
    [error] = call(post(op.url))
    assert_unavailable(error, "provider_unreachable", sent=True)


@pytest.mark.row("DI-14")
@pytest.mark.parametrize("head", [b"X-Big: " + b"x" * 1_000_000 + b"\r\n", b"".join(b"X-%d: y\r\n" % n for n in range(50_000))])
def test_huge_headers_are_bounded(call, provider, head):
    op = provider(lambda peer: (peer.read_request(), peer.send(b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: 2\r\n\r\n{}")))
    [error] = call(post(op.url))
    assert_unavailable(error, "provider_unreachable", sent=True)


@pytest.mark.row("DI-14")
def test_many_headers_are_read(call, provider):
    head = "".join(f"X-{n}: y\r\n" for n in range(1000))
    op = provider(lambda peer: (peer.read_request(), peer.send(reply(b"{}", head))))
    [answer] = call(post(op.url))
    assert answer.headers["x-999"] == "y"


@pytest.mark.row("F-OP-16")
def test_a_get_over_a_kept_connection_that_just_closed_is_repeated_once(call, provider):
    def script(peer):
        op.requests.append(peer.read_request())
        peer.send(reply(b"first"))
        if peer.read_request():  # the second request arrives, and the connection ends without a byte of answer
            op.requests.append(b"swallowed")

    op = provider(script)
    first, second = call(get(op.url), get(op.url))
    assert (first.body, second.body) == (b"first", b"first")
    assert (op.connections, op.requests.count(b"swallowed")) == (2, 0 if call.keeps_nothing else 1)


@pytest.mark.row("F-OP-16", "DI-09")
def test_a_post_is_never_repeated(call, provider):
    def script(peer):
        peer.read_request()
        peer.send(reply(b"first"))
        op.requests.append(peer.read_request())

    op = provider(script)
    first, second = call(get(op.url), post(op.url))
    assert first.body == b"first"
    if call.keeps_nothing:  # so nothing can close under the code
        assert second.body == b"first"
        assert op.connections == 2
        assert not any(op.requests)
        return
    assert_unavailable(second, "provider_unreachable", sent=True)
    assert op.connections == 1
    assert [data for data in op.requests if data.startswith(b"POST")] == op.requests != []


@pytest.mark.row("F-OP-16")
def test_a_get_over_a_new_connection_is_not_repeated(call, provider):
    op = provider(lambda peer: peer.read_request())
    [error] = call(get(op.url))
    assert_unavailable(error, "provider_unreachable", sent=True)
    assert op.connections == 1


@pytest.mark.row("DS-06")
def test_only_so_many_calls_at_once(provider):
    def script(peer):
        peer.read_request()
        peer.wait()

    op = provider(script)
    results = []

    async def one(http):
        try:
            results.append(await http.send(get(op.url)))
        except Exception as error:
            results.append(error)

    async def flood():
        http = AsyncHttp(None, trust_env=False, deadline=1.5, connect=1)
        async with anyio.create_task_group() as group:
            for _ in range(25):
                group.start_soon(one, http)
            await anyio.lowlevel.checkpoint()
        return http

    async def flood_then_one():
        http = await flood()
        op.script = lambda peer: (peer.read_request(), peer.send(reply(b"again")))
        return await http.send(get(op.url))

    assert anyio.run(flood_then_one).body == b"again"  # the slots are free again
    assert [(error.code, error.sent) for error in results] == [("provider_busy", False)] * 5 + [("provider_timeout", True)] * 20
    assert op.connections == 21
