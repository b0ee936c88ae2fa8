"""Catalogue 2.1, F-OP-11 and F-OP-12: what lies between us and the provider: its name, its addresses, its certificate."""

import contextlib
import datetime as dt
import logging
import socket
import ssl

import pytest
import trustme

from tests.catalogue.helpers import codes_on, landed, login_url
from tests.catalogue.helpers_provider import assert_503, new_lines
from tests.catalogue.helpers_wire import Wire, WireStage
from tests.conformance.party import DEEP_LINK

NAME = "op.test"
RESOLVE = socket.getaddrinfo


@pytest.fixture(params=["asgi", "wsgi"])
def shell(request, caplog):
    caplog.set_level(logging.DEBUG)
    return request.param


@pytest.fixture
def names(monkeypatch):
    """What :data:`NAME` resolves to: a list of addresses, or an exception."""
    known = {NAME: []}

    def resolve(host, port, *args, **options):
        text = host.decode() if isinstance(host, bytes) else host
        if text not in known:
            return RESOLVE(host, port, *args, **options)
        if isinstance(known[text], Exception):
            raise known[text]
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
            for address in known[text]
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


def fails(stage, reason, before, *, code="provider_unreachable"):
    """A login with nothing known of the provider is D503, the log says why, and a session from before goes on."""
    stage.forget()
    stage.clock.advance(1)
    browser = stage.browser()
    with new_lines(stage, level="ERROR") as written:
        page = browser.navigate(login_url(DEEP_LINK))
    assert (page.status, codes_on(page)) == (503, [code])
    assert page.header("retry-after")
    assert len(browser.cookies) == 0
    [line] = written
    assert reason in line.getMessage()
    assert stage.who(before) == stage.provider.user["sub"]
    stage.assert_nothing_leaked(page)
    return page


# -- a port ----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-OP-01", "F-OP-02")
def test_f_op_01_a_port_that_is_closed_opens_and_closes_again(shell, caplog):
    """Refused, then there, then gone, then back, for one and the same process."""
    stage = WireStage(shell, caplog)
    port = stage.wire.port
    stage.close()
    strangers = stage.browser()
    for _ in range(3):
        assert_503(strangers.navigate(DEEP_LINK), code="provider_unreachable")
    assert "ConnectError" in stage.caplog.text
    stage.clock.advance(5)
    stage.wire = Wire(stage, address=("127.0.0.1", port))
    _, before = stage.accepts()
    begun = stage.browser()
    answer = stage.provider.respond(begun.start_login(login_url(DEEP_LINK)))
    stage.close()
    page, retry = stage.assert_refused(lambda: begun.deliver(answer), begun, code="provider_unreachable", status=503)
    assert stage.who(before) == stage.provider.user["sub"]
    for _ in range(3):
        assert_503(strangers.navigate(DEEP_LINK), code="provider_unreachable")
    stage.wire = Wire(stage, address=("127.0.0.1", port))
    stage.clock.advance(2)
    with contextlib.closing(stage):
        stage.accepts(strangers)
        assert landed(begun.navigate(retry, initiator=page.url)) == DEEP_LINK
    stage.assert_nothing_leaked(page)


# -- names ------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-OP-11", "DI-07")
def test_f_op_11_a_name_without_an_address(shell, caplog, names):
    with contextlib.closing(WireStage(shell, caplog, host=NAME, insecure_allow_http=True)) as stage:
        names[NAME] = ["127.0.0.1"]
        _, before = stage.accepts()
        for number, text in ((socket.EAI_NONAME, "Name or service not known"), (socket.EAI_AGAIN, "Temporary failure in name resolution")):
            names[NAME] = socket.gaierror(number, text)
            page = fails(stage, text, before)
            assert text not in page.text
        names[NAME] = ["127.0.0.1"]
        stage.clock.advance(5)
        stage.accepts()


@pytest.mark.row("F-OP-11", "F-OP-16")
def test_f_op_11_a_provider_that_moves_is_found_at_its_new_address(shell, caplog, names):
    """The old machine still answers: only a connection that was kept would go on to it. None is."""
    with contextlib.ExitStack() as stack:
        stage = stack.enter_context(contextlib.closing(WireStage(shell, caplog, host=NAME, insecure_allow_http=True)))
        try:
            moved = stack.enter_context(contextlib.closing(Wire(stage, host=NAME, address=("127.0.0.2", stage.wire.port))))
        except OSError:
            pytest.skip("this machine has no 127.0.0.2")
        names[NAME] = ["127.0.0.1"]
        _, before = stage.accepts()
        calls = len(stage.wire.calls)
        names[NAME] = ["127.0.0.2"]
        stage.accepts()
        assert len(stage.wire.calls) == calls, "nobody asked the old machine again"
        assert moved.calls == ["token", "userinfo"]
        assert stage.who(before) == stage.provider.user["sub"]


@pytest.mark.row("F-OP-11", "DI-07")
def test_f_op_11_an_address_that_swallows_everything_does_not_keep_us_from_the_other(shell, caplog, names):
    """IPv6 is announced, and goes nowhere: the other address is tried at once, not when the first one has timed out."""
    with contextlib.closing(WireStage(shell, caplog, host=NAME, insecure_allow_http=True)) as stage, black_hole(stage.wire.port):
        names[NAME] = ["::1", "127.0.0.1"]
        _, before = stage.accepts()
        names[NAME] = ["::1"]
        with stage.hurried():
            fails(stage, "discovery", before, code="provider_timeout")
        names[NAME] = ["::1", "127.0.0.1"]
        stage.clock.advance(5)
        stage.accepts()


@contextlib.contextmanager
def black_hole(port):
    """An address that neither accepts nor refuses: a listener whose queue is full."""
    try:
        listener = socket.create_server(("::1", port), family=socket.AF_INET6, backlog=0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    fillers = [socket.socket(socket.AF_INET6) for _ in range(2)]
    try:
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        yield
    finally:
        for sock in (listener, *fillers):
            sock.close()


# -- certificates -----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch):
    """The machine trusts *authority*, and nobody else."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


def certified(authority, *names, **options):
    """A server's TLS context with a fresh certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **options).configure_cert(context)
    return context


@pytest.mark.row("F-OP-12", "DI-11")
def test_f_op_12_certificates_renewed_expired_of_another_host_and_of_nobody(shell, caplog, authority, trusted):
    """Each refusal says why, in the log alone. A renewed certificate is taken without a restart, and so is the next good one after a bad one."""
    today = dt.datetime.now(dt.UTC)
    past = {"not_before": today - dt.timedelta(days=9), "not_after": today - dt.timedelta(days=2)}
    with contextlib.closing(WireStage(shell, caplog, tls=certified(authority, "127.0.0.1"), trust_env=True)) as stage:
        _, before = stage.accepts()
        stage.wire.server.tls = certified(authority, "127.0.0.1")  # renewed
        stage.accepts()
        for context, reason in (
            (certified(authority, "127.0.0.1", **past), "certificate has expired"),
            (certified(authority, "other.example"), "IP address mismatch"),
            (certified(trustme.CA(), "127.0.0.1"), "unable to get local issuer certificate"),
        ):
            stage.wire.server.tls = context
            calls = len(stage.wire.calls)
            page = fails(stage, reason, before)
            assert reason not in page.text
            assert len(stage.wire.calls) == calls, "nothing was sent"
        stage.wire.server.tls = certified(authority, "127.0.0.1")
        stage.clock.advance(5)
        stage.accepts()


@pytest.mark.row("F-OP-12", "DI-09")
def test_f_op_12_a_certificate_that_expires_before_the_code_is_sent(shell, caplog, authority, trusted):
    """The code stays here. One click later, with a good certificate, the user is where they wanted to go."""
    today = dt.datetime.now(dt.UTC)
    past = {"not_before": today - dt.timedelta(days=9), "not_after": today - dt.timedelta(days=2)}
    with contextlib.closing(WireStage(shell, caplog, tls=certified(authority, "127.0.0.1"), trust_env=True)) as stage:
        stage.accepts()
        browser = stage.browser()
        answer = stage.provider.respond(browser.start_login(login_url(DEEP_LINK)))
        stage.wire.server.tls = certified(authority, "127.0.0.1", **past)
        page, retry = stage.assert_refused(lambda: browser.deliver(answer), browser, code="provider_unreachable", status=503)
        assert stage.wire.calls.count("token") == 1
        stage.wire.server.tls = certified(authority, "127.0.0.1")
        assert landed(browser.navigate(retry, initiator=page.url)) == DEEP_LINK
