"""F-PR-16: a log that hangs, fails or has no room, and a store without room, are nothing that a user notices."""

import contextlib
import contextvars
import errno
import io
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from oidc_middleware import audit
from oidc_middleware.audit import MAX_WAITING, logger
from tests.catalogue.helpers import codes_on, is_error_page, landed, login_url, shown

pytestmark = pytest.mark.row("F-PR-16")


class Hanging(logging.Handler):
    """Takes no line until the test lets it. ``told``: what it took, in order."""

    def __init__(self):
        super().__init__()
        self.begun, self.free, self.told = threading.Event(), threading.Event(), []

    def emit(self, record):
        self.begun.set()
        assert self.free.wait(60), "the test forgot to go on"
        self.told.append(record.getMessage())


class Failing(logging.Handler):
    def emit(self, record):
        raise RuntimeError("no")


@pytest.fixture
def sink(monkeypatch):
    """``sink(handler)`` is the only place that lines of ours go to. A request waits no longer than a moment."""
    handlers = []

    def put(handler):
        handlers.append(handler)
        logger.addHandler(handler)
        return handler

    monkeypatch.setattr(logger, "propagate", False)
    level = logger.level
    monkeypatch.setattr(audit, "PATIENCE", 0.05)
    audit._writer().lost()
    yield put
    for handler in handlers:
        if isinstance(handler, Hanging):
            handler.free.set()
    until_written()
    for handler in handlers:
        logger.removeHandler(handler)
        with contextlib.suppress(OSError):  # what waits for the disk that is full
            handler.close()
    logger.setLevel(level)
    audit._writer().lost()


def until_written():
    """Until the writer has nothing more to do."""
    writer, end = audit._writer(), time.monotonic() + 60
    while (writer._lines.qsize() or writer._hangs) and time.monotonic() < end:
        if not writer._lines.qsize():
            audit.PATIENCE = 20
            audit._tell(logging.DEBUG, "the last one", {}, 0)
        time.sleep(0.005)


def everything(stage):
    """All that a user does, and some of what an attacker does; each leaves lines in the log."""
    browser = stage.browser()
    assert landed(browser.login(login_url("/deep"))) == "/deep"
    assert stage.who(browser) == stage.provider.user["sub"]
    page = browser.navigate("/oidc/callback?code=c&state=s", follow=False)
    assert (page.status, page.header("location")) == (303, "/"), "the Back button"
    stranger = stage.browser()
    _, page = shown(stranger.navigate("/oidc/callback?code=c&state=s", follow=False), stranger)
    assert (page.status, codes_on(page)) == (400, ["no_transaction"])
    stage.provider.script("token", status=500, body=b"", times=1)
    page = stranger.login(login_url("/deep"))
    assert (page.status, codes_on(page)) == (503, ["provider_unavailable"])
    stage.clock.advance(1)
    assert landed(stranger.login(login_url("/deep"))) == "/deep"
    assert browser.post_form("/oidc/logout").status == 200
    assert stage.who(browser) is None
    assert stage.who(stranger) == stage.provider.user["sub"]


def test_f_pr_16_a_log_that_hangs_holds_nobody_up(stage, sink):
    handler = sink(Hanging())
    logger.setLevel(logging.DEBUG)
    everything(stage)
    assert handler.begun.is_set()
    assert handler.told == [], "all that happened while not a single line could be written"
    handler.free.set()
    until_written()
    told = [line.partition(" ")[0] for line in handler.told]
    assert told[:2] == ["login.started", "keys.skipped"]
    assert told.count("login.ok") == 2
    assert told.index("login.replayed") < told.index("login.failed") < told.index("logout.local"), "and none was lost, or told before another"


def test_f_pr_16_what_a_log_does_not_take_is_bounded_and_counted(stage, sink):
    handler = sink(Hanging())
    stranger = stage.browser()
    for _ in range(MAX_WAITING // 20 + 10):
        for _ in range(20):  # as many as a second admits
            assert is_error_page(stranger.navigate("/oidc/callback?code=c&state=s", follow=False).location)
        stage.clock.advance(1)
    assert audit._writer()._lines.qsize() <= MAX_WAITING
    handler.free.set()
    until_written()
    stranger.navigate("/oidc/callback?code=c&state=s", follow=False)
    until_written()
    failed = [line for line in handler.told if line.startswith("login.failed")]
    lost = (MAX_WAITING // 20 + 10) * 20 + 1 - len(failed)
    assert MAX_WAITING <= len(failed) <= MAX_WAITING + 2
    assert f"suppressed={lost}" in failed[-1]


def test_f_pr_16_a_handler_that_fails_is_no_fault_of_the_request(stage, sink, capsys):
    sink(Failing())
    logger.setLevel(logging.DEBUG)
    everything(stage)
    logger.removeHandler(logger.handlers[-1])
    taking = sink(Hanging())
    taking.free.set()
    stage.browser().navigate("/oidc/callback?code=c&state=s", follow=False)
    until_written()
    assert "suppressed=" in taking.told[-1]
    assert "Traceback" not in capsys.readouterr().err


class Full(io.StringIO):
    """The standard error in a file on the same disk."""

    def write(self, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_f_pr_16_a_disk_without_room_for_the_log(stage, sink, monkeypatch):
    assert Path("/dev/full").exists(), "a file whose disk is full, on every Linux"
    sink(logging.FileHandler("/dev/full"))
    logger.setLevel(logging.DEBUG)
    with monkeypatch.context() as patched:
        patched.setattr("sys.stderr", Full())
        everything(stage)
        until_written()


def test_f_pr_16_a_disk_without_room_for_sessions(stage, tmp_path):
    """A file that may not grow any more is what SQLite makes of both: those who are signed in go on, who comes is told, nobody's session goes."""
    stage.kept = {"store": f"sqlite:///{tmp_path}/sessions.db?max_megabytes=1"}
    stage.restart()
    inside = stage.visitor(signed_in=True)
    stage.provider.user["groups"] = ["g" * 99] * 1_000
    pages = [stage.browser().login(login_url("/deep")) for _ in range(12)]
    stage.provider.user["groups"] = []
    assert {page.status for page in pages} == {200, 503}
    assert {code for page in pages for code in codes_on(page)} == {"store_full"}
    assert all("_s=" not in "".join(page.all("set-cookie")) for page in pages if page.status == 503)
    for _ in range(8):
        stage.clock.advance(1_000)  # every one of which would be written down
        assert stage.who(inside) == stage.provider.user["sub"]


def test_f_pr_16_handlers_know_whose_request_it_is(stage, sink):
    """Who puts a request's number into each line does so by context variables, and the thread that writes has them."""
    variable = contextvars.ContextVar("request", default="none")
    seen = []

    class Asking(logging.Handler):
        def emit(self, record):
            seen.append((variable.get(), record.threadName != threading.current_thread().name))

    sink(Asking())
    token = variable.set("of this request")
    audit._tell(logging.WARNING, "x", {}, 0)
    variable.reset(token)
    until_written()
    assert seen[0] == ("of this request", True)
    assert stage.shell


@pytest.mark.row("F-PR-06")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_f_pr_16_a_forked_child_writes_as_well(sink):
    reading, writing = os.pipe()
    pipe = os.fdopen(writing, "w")
    sink(logging.StreamHandler(pipe))
    audit._tell(logging.WARNING, "of the parent", {}, 0)
    child = os.fork()
    if child == 0:
        audit._tell(logging.WARNING, "of the child", {}, 0)
        until_written()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert os.read(reading, 1_000) == b"of the parent\nof the child\n"
    os.close(reading)
    pipe.close()
