"""Long answers end with their session, where ``end_long_responses`` is on (catalogue WS-09): WSGI, where somebody looks between two pieces."""

import pytest

from oidc_middleware.errors import Unavailable
from oidc_middleware.testing import Sent
from tests.catalogue.helpers import BASE_URL, IDS, MODES, Stage
from tests.catalogue.helpers_long import signed_in_at


class Pieces:
    """The body of a long answer."""

    def __init__(self):
        self.given, self.closed = 0, 0

    def __iter__(self):
        return self

    def __next__(self):
        self.given += 1
        if self.given > 1000:
            raise StopIteration
        return b"%d" % self.given

    def close(self):
        self.closed += 1


class Feed:
    """An application with long answers."""

    def __init__(self, stage, **options):
        self.bodies, self.short, self.environs = [], [b'{"sub": "x"}'], []
        self.content_type = "text/event-stream"
        stage._wsgi_probe = self
        stage.restart(**{"end_long_responses": True, **options})

    def __call__(self, environ, start_response):
        self.environs.append(environ)
        if environ["PATH_INFO"] == "/api":
            start_response("200 OK", [("Content-Type", "application/json")])
            return self.short
        start_response("200 OK", [("Content-Type", self.content_type)])
        self.bodies.append(Pieces())
        return self.bodies[-1]


class Answer:
    """A long answer as a server sends it: piece by piece, when the test says so."""

    def __init__(self, stage, browser, path="/events"):
        cookie = browser.cookies.header(BASE_URL + "/x", stage.clock.now())
        request = Sent("GET", BASE_URL + path, headers=(("host", "app.example.com"), *((("cookie", cookie),) if cookie else ())))
        self.headers = []
        self.body = stage.app(browser._sites[0][1].environ(request), self._start)
        self.pieces = iter(self.body)

    def _start(self, status, headers, exc_info=None):
        self.headers.append((status, headers))
        return lambda data: None

    def next(self):
        return next(self.pieces, None)

    def close(self):
        self.body.close()


@pytest.fixture
def stage(caplog):
    return Stage("wsgi", caplog)


def sign_out(browser):
    assert browser.post_form("/oidc/logout", {}, follow=False).status == 303


@pytest.mark.row("WS-09")
@pytest.mark.parametrize("events", [True, False], ids=["events", "download"])
def test_a_sign_out_in_another_tab_cuts_the_answer_off_at_the_next_piece(stage, mode, events):
    feed = Feed(stage, **mode)
    feed.content_type = "Text/Event-Stream; charset=utf-8" if events else "text/csv"
    browser = signed_in_at(stage)
    stage.clock.advance(1)
    other = signed_in_at(stage)
    mine, theirs = Answer(stage, browser), Answer(stage, other)
    assert [mine.next(), mine.next(), theirs.next(), theirs.next()] == [b"1", b"2", b"1", b"2"]
    assert len(stage.rp.sockets) == 2
    sign_out(browser)
    if events:
        assert mine.next() is None
    else:
        with pytest.raises(ConnectionResetError):  # half a file must not pass for a whole one
            mine.next()
    assert theirs.next() == b"3"
    mine.close()
    theirs.close()
    assert [body.closed for body in feed.bodies] == [1, 1]
    assert (len(stage.rp.sockets), stage.rp.sockets._watches) == (0, {})


@pytest.mark.row("WS-09")
@pytest.mark.parametrize("mode", MODES[1:], ids=IDS[1:])
def test_signing_a_user_out_everywhere(stage, mode):
    Feed(stage, **mode)
    browser = signed_in_at(stage)
    stage.provider.user["sub"] = "somebody-else"
    other = signed_in_at(stage)
    stage.clock.advance(1)
    mine, theirs = Answer(stage, browser), Answer(stage, other)
    for answer in (mine, theirs):
        assert [answer.next(), answer.next()] == [b"1", b"2"]
    stage.app.sign_out_everywhere("user-subject-1234531")
    assert (mine.next(), theirs.next()) == (None, b"3")


@pytest.mark.row("WS-09")
@pytest.mark.parametrize("change", ["time", "rule", "elsewhere"])
def test_what_happens_elsewhere_is_seen_within_half_a_minute(stage, tmp_path, change):
    admitted = [True]
    place = {"store": f"sqlite:///{tmp_path}/sessions.db"} if change == "elsewhere" else {}
    Feed(stage, allow=lambda user: admitted[0], idle_timeout=8 * 3600, **place)
    worker = stage.worker(allow=lambda user: True, **place)
    browser = signed_in_at(stage)
    stage.clock.advance(1 if change != "time" else 8 * 3600 - 30)
    answer = Answer(stage, browser)
    assert [answer.next(), answer.next()] == [b"1", b"2"]
    if change == "rule":
        admitted[0] = False
    elif change == "elsewhere":
        assert worker.sign_out_everywhere("user-subject-1234531") == 1
    stage.clock.advance(29)
    assert answer.next() == b"3"
    stage.clock.advance(1)
    assert answer.next() is None


@pytest.mark.row("WS-09")
def test_the_store_is_asked_once_in_half_a_minute(stage):
    Feed(stage, store="memory://")
    browser = signed_in_at(stage)
    answer, store, gets = Answer(stage, browser), stage.app._world.store, []
    real = store.get
    store.get = lambda *arguments: (gets.append(1), real(*arguments))[1]
    for _ in range(100):
        answer.next()
    assert len(gets) == 2, "found, and looked at"
    stage.clock.advance(30)
    for _ in range(100):
        answer.next()
    assert len(gets) == 3


@pytest.mark.row("WS-09", "F-ST-01")
@pytest.mark.parametrize("when", ["first look", "later"])
def test_a_store_that_is_away_cuts_nothing_off(stage, monkeypatch, when):
    Feed(stage, store="memory://")
    browser = signed_in_at(stage)
    answer, store = Answer(stage, browser), stage.app._world.store
    assert answer.next() == b"1"
    if when == "later":
        assert answer.next() == b"2"

    def away(*_):
        raise Unavailable("store_unavailable")

    monkeypatch.setattr(store, "get", away)
    stage.clock.advance(30)
    assert answer.next() is not None
    assert "session.not_checked" in stage.caplog.text
    monkeypatch.undo()
    assert answer.next() is not None
    sign_out(browser)
    stage.clock.advance(30)
    assert answer.next() is None


@pytest.mark.row("WS-09")
def test_a_sign_out_before_the_second_piece_is_not_missed(stage, mode):
    Feed(stage, **mode)
    browser = signed_in_at(stage)
    answer = Answer(stage, browser)
    assert answer.next() == b"1"
    sign_out(browser)
    assert answer.next() is None


@pytest.mark.row("WS-09", "AS-01")
@pytest.mark.parametrize("short", [[b'{"sub": "x"}'], (b'{"sub": ', b'"x"}')])
def test_a_body_that_is_there_already_goes_as_it_is(stage, mode, short):
    feed = Feed(stage, **mode)
    feed.short = short
    browser = signed_in_at(stage)
    assert Answer(stage, browser, "/api").body is short
    assert browser.fetch("/api").json() == {"sub": "x"}
    assert len(stage.rp.sockets) == 0


@pytest.mark.row("WS-09", "AS-01")
@pytest.mark.parametrize("options", [{"end_long_responses": False}, {"public": ["/events"]}], ids=["off", "nobody is signed in"])
def test_it_is_off_unless_it_is_wanted_and_there_is_somebody_to_sign_out(stage, options):
    feed = Feed(stage, **options)
    browser = stage.browser() if "public" in options else signed_in_at(stage)
    answer = Answer(stage, browser)
    assert answer.body is feed.bodies[0]
    if "public" not in options:
        sign_out(browser)
    assert [answer.next() for _ in range(3)] == [b"1", b"2", b"3"]


@pytest.mark.row("WS-09", "AS-01")
def test_whole_answers_pass_unchanged_under_the_rules_of_pep_3333(stage):
    feed = Feed(stage)
    browser = signed_in_at(stage)
    page = browser.navigate("/events")
    assert page.body == b"".join(b"%d" % number for number in range(1, 1001))
    assert feed.bodies[0].closed == 1
    assert feed.environs[-1]["REMOTE_USER"] == "user-subject-1234531"
    assert page.header("cache-control") == "private, no-store"
