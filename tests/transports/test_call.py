"""One call, without a network: what each exception means, when a call may be repeated, how much of an answer is read, which limit holds when."""

import time
import zlib

import anyio
import httpx
import pytest

from oidc_middleware.errors import ProviderError, Unavailable
from oidc_middleware.protocol.messages import HttpRequest
from oidc_middleware.transports.call import Body, Progress, too_slow, translated
from oidc_middleware.transports.client import AsyncHttp
from tests.transports.harness import get, post

TOKEN = post("https://op.example/token?query=secret")
STARTED = "connection.connect_tcp.started"
SENDING = "http11.send_request_headers.started"
ANSWERED = "http11.receive_response_headers.complete"

MEANINGS = [
    (httpx.ConnectTimeout("x"), "provider_timeout", False),
    (httpx.PoolTimeout("x"), "provider_timeout", False),
    (httpx.ReadTimeout("x"), "provider_timeout", True),
    (httpx.WriteTimeout("x"), "provider_timeout", True),
    (TimeoutError("x"), "provider_timeout", True),
    (httpx.ConnectError("x"), "provider_unreachable", False),
    (httpx.ProxyError("x"), "provider_unreachable", False),
    (httpx.UnsupportedProtocol("x"), "provider_unreachable", False),
    (httpx.LocalProtocolError("x"), "provider_unreachable", False),
    (httpx.InvalidURL("x"), "provider_unreachable", False),
    (httpx.ReadError("x"), "provider_unreachable", True),
    (httpx.WriteError("x"), "provider_unreachable", True),
    (httpx.RemoteProtocolError("x"), "provider_unreachable", True),
    (httpx.TooManyRedirects("x"), "provider_unreachable", True),
    (OSError("x"), "provider_unreachable", True),
    (RuntimeError("x"), "provider_unreachable", True),
]


def progress(*events):
    seen = Progress()
    for event in events:
        seen.note(event)
    return seen


@pytest.mark.row("DI-07", "DI-09")
@pytest.mark.parametrize(("error", "code", "sent"), MEANINGS)
def test_what_an_exception_means(error, code, sent):
    meant = translated(TOKEN, error, Progress())
    assert isinstance(meant, Unavailable)
    assert (meant.code, meant.sent, meant.detail) == (code, sent, f"token: {type(error).__name__}")
    while_connecting = translated(TOKEN, error, progress(STARTED))
    assert (while_connecting.code, while_connecting.sent) == (code, False), "nothing leaves before there is a connection"
    assert translated(TOKEN, error, progress(STARTED, SENDING)).sent is sent


def test_our_own_errors_stay_what_they_are():
    for error in (ProviderError("response_too_large"), Unavailable("provider_busy", sent=False)):
        assert translated(TOKEN, error, Progress()) is error


def test_a_users_client_may_be_a_relative_of_httpx():
    """Errors are known by the names in their hierarchy, the nearest first."""
    timeout = type("ReadTimeout", (type("TimeoutException", (Exception,), {}),), {})
    assert translated(TOKEN, timeout("secret"), Progress()).code == "provider_timeout"
    connect = type("ConnectTimeout", (timeout,), {})
    assert translated(TOKEN, connect("secret"), Progress()).sent is False


@pytest.mark.row("LG-01")
def test_the_chain_behind_an_error_is_told_by_its_classes_within_bounds():
    def raised(depth):
        error = LookupError("secret")
        for number in range(depth):
            outer = type(f"E{number}", (Exception,), {})("secret")
            outer.__cause__, error = error, outer
        return error

    assert translated(TOKEN, raised(2), Progress()).detail == "token: E1 < E0 < LookupError"
    assert translated(TOKEN, raised(9), Progress()).detail == "token: E8 < E7 < E6 < E5 < E4 < E3"
    same = httpx.ConnectError("secret")
    same.__context__ = httpx.ConnectError("secret")
    same.__context__.__context__ = OSError("secret")
    assert translated(TOKEN, same, Progress()).detail == "token: ConnectError < OSError"


@pytest.mark.row("F-OP-16", "DI-09")
@pytest.mark.parametrize(
    ("request_", "events", "error", "repeated"),
    [
        (get("https://op/x"), [SENDING], httpx.RemoteProtocolError("x"), True),
        (get("https://op/x"), [SENDING], httpx.ReadError("x"), True),
        (get("https://op/x"), [SENDING], httpx.WriteError("x"), True),
        (get("https://op/x"), [SENDING], httpx.ReadTimeout("x"), False),
        (get("https://op/x"), [SENDING], ValueError("x"), False),
        (get("https://op/x"), [SENDING, ANSWERED], httpx.ReadError("x"), False),
        (get("https://op/x"), [STARTED, SENDING], httpx.ReadError("x"), False),
        (get("https://op/x"), [], httpx.ReadError("x"), False),
        (TOKEN, [SENDING], httpx.RemoteProtocolError("x"), False),
    ],
)
def test_only_a_get_over_a_kept_connection_that_said_nothing_is_repeated(request_, events, error, repeated):
    assert progress(*events).may_retry(request_, error) is repeated


def test_another_attempt_begins_from_nothing():
    seen = progress(SENDING, ANSWERED)
    seen.note(STARTED)
    seen.restart()
    assert (seen.connecting, seen.fresh, seen.answered) == (False, True, False)


@pytest.mark.row("DI-06")
def test_a_deadline_says_how_far_the_call_got():
    assert (too_slow(TOKEN, progress(STARTED)).sent, too_slow(TOKEN, progress(STARTED)).detail) == (False, "token: deadline passed while connecting")
    assert too_slow(TOKEN, progress(STARTED, SENDING)).sent is True


@pytest.mark.row("DI-05")
@pytest.mark.parametrize(
    ("length", "refused"),
    [
        ("10", False),
        ("11", True),
        ("0", False),
        ("9" * 18, True),
        ("9" * 5000, True),
        ("x", False),
        ("-1", False),
        ("", False),
        ("\u0661" * 9, False),
    ],
)
def test_a_declared_length_is_judged_before_a_byte_is_read(length, refused):
    request = HttpRequest("jwks", "GET", "https://op/x", max_bytes=10)
    if refused:
        with pytest.raises(ProviderError) as caught:
            Body(request, {"content-length": length})
        assert caught.value.code == "response_too_large"
    else:
        assert Body(request, {"content-length": length}).whole() == b""


@pytest.mark.row("DI-05")
def test_a_body_is_counted_across_its_pieces():
    body = Body(HttpRequest("jwks", "GET", "https://op/x", max_bytes=10), {})
    body.add(b"12345")
    body.add(b"")
    body.add(b"67890")
    with pytest.raises(ProviderError):
        body.add(b"x")
    assert body.whole() == b"1234567890"


@pytest.mark.row("DI-05")
@pytest.mark.parametrize(("encoding", "window"), [("gzip", 31), ("x-gzip", 31), (" GZIP ", 31), ("deflate", 15), ("Deflate", 15)])
def test_compression_is_undone_piece_by_piece_within_the_limit(encoding, window):
    def packed(data):
        engine = zlib.compressobj(wbits=window)
        return engine.compress(data) + engine.flush()

    def read(data):
        body = Body(HttpRequest("jwks", "GET", "https://op/x", max_bytes=1000), {"content-encoding": encoding})
        for offset in range(0, len(data), 7):
            body.add(data[offset : offset + 7])
        return body.whole()

    assert read(packed(b"x" * 1000)) == b"x" * 1000
    with pytest.raises(ProviderError):
        read(packed(b"x" * 1001))
    for broken in (packed(b"x" * 1000)[:-1], b""):
        with pytest.raises(Unavailable) as caught:
            read(broken)
        assert (caught.value.code, caught.value.sent) == ("provider_unreachable", True)


def test_an_encoding_nobody_knows_is_left_as_it_is():
    body = Body(HttpRequest("jwks", "GET", "https://op/x", max_bytes=10), {"content-encoding": "br"})
    body.add(b"raw")
    assert body.whole() == b"raw"


class Client:
    """A look-alike of httpx's that only tells how far it got; *script(trace)* is the call."""

    def __init__(self, script):
        self.script = script
        self.closed = 0

    def build_request(self, method, url, **options):
        assert options["timeout"] == (0.1, 30, 30, 30)
        return options["extensions"]["trace"]

    async def send(self, trace, **options):
        assert options == {"stream": True, "follow_redirects": False, "auth": None}
        await self.script(trace)
        return self

    status_code, headers, is_stream_consumed, content = 200, {"X-Name": "v"}, True, b"{}"

    async def aclose(self):
        self.closed += 1


def called(script):
    client = Client(script)
    begin = time.monotonic()
    try:
        result = anyio.run(AsyncHttp(client, trust_env=False, deadline=30, connect=0.1).send, get("https://op/x"))
    except Unavailable as error:
        result = error
    return result, time.monotonic() - begin, client.closed


@pytest.mark.row("DI-07")
def test_everything_a_connection_takes_has_one_limit_of_its_own():
    """However many steps the client makes of it, each with a limit: an address after the other, a proxy, TLS."""

    async def connects_for_ever(trace):
        await trace(STARTED, {})
        while True:
            await anyio.sleep(0.02)
            await trace("connection.start_tls.started", {})

    error, seconds, _ = called(connects_for_ever)
    assert (error.code, error.sent) == ("provider_timeout", False)
    assert 0.1 <= seconds < 5


@pytest.mark.row("DI-07")
def test_a_connection_that_is_there_has_the_whole_deadline_for_its_answer():
    async def answers_late(trace):
        await trace(STARTED, {})
        await trace(SENDING, {})
        await anyio.sleep(0.3)
        await trace(ANSWERED, {})

    answer, seconds, closed = called(answers_late)
    assert (answer.status, answer.headers, answer.body, closed) == (200, {"x-name": "v"}, b"{}", 1)
    assert seconds >= 0.3
