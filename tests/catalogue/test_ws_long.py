"""Long answers end with their session, where ``end_long_responses`` is on (catalogue WS-09): ASGI. What WSGI does is in test_ws_long_wsgi.py."""

import asyncio

import pytest

from oidc_middleware import long_lived
from oidc_middleware.errors import Unavailable
from oidc_middleware.testing import run_async
from tests.catalogue.helpers import BASE_URL, IDS, MODES, Stage
from tests.catalogue.helpers_long import Feed, Stream, signed_in_at
from tests.catalogue.test_ws_open import settled, sign_out


@pytest.fixture
def stage(caplog):
    return Stage("asgi", caplog)


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(long_lived, "RECHECK_SECONDS", 0.01)


@pytest.mark.row("WS-09")
@pytest.mark.parametrize("events", [True, False], ids=["events", "download"])
def test_a_sign_out_in_another_tab_cuts_the_answer_off_at_once(stage, mode, events):
    feed = Feed(stage, **mode)
    feed.content_type = b"text/event-stream; charset=utf-8" if events else b"text/csv"
    browser = signed_in_at(stage)
    stage.clock.advance(1)
    other = signed_in_at(stage)

    async def scenario():
        mine, theirs = Stream(stage, browser), Stream(stage, other)
        await settled()
        await feed.say(b"one")
        assert len(stage.rp.sockets) == 2
        await sign_out(stage, browser)
        await settled()
        await feed.say(b"two")
        await mine.over()
        assert feed.told == ["http.disconnect"]
        assert (mine.pieces, theirs.pieces) == ([b"one"], [b"one", b"two"])
        assert mine.complete == events, "half a file must not pass for a whole one"
        assert not theirs.task.done()
        await theirs.leaves()
        assert feed.told == ["http.disconnect"] * 2

    run_async(scenario())
    assert (len(stage.rp.sockets), stage.rp.sockets._watches) == (0, {})


@pytest.mark.row("WS-09")
@pytest.mark.parametrize("mode", MODES[1:], ids=IDS[1:])
def test_signing_a_user_out_everywhere_cuts_their_answers_off_and_nobody_elses(stage, mode):
    feed = Feed(stage, **mode)
    browser = signed_in_at(stage)
    stage.provider.user["sub"] = "somebody-else"
    other = signed_in_at(stage)
    stage.clock.advance(1)

    async def scenario():
        mine, theirs = Stream(stage, browser), Stream(stage, other)
        await settled()
        await feed.say(b"one")
        await stage.app.sign_out_everywhere("user-subject-1234531")
        await mine.over()
        await feed.say(b"two")
        assert (mine.pieces, theirs.pieces) == ([b"one"], [b"one", b"two"])
        await theirs.leaves()

    run_async(scenario())


@pytest.mark.row("WS-09")
@pytest.mark.parametrize("change", ["time", "rule", "elsewhere"])
def test_what_happens_elsewhere_is_seen_at_the_next_look(stage, tmp_path, soon, change):
    admitted = [True]
    place = {"revocation": f"sqlite:///{tmp_path}/ended.db"} if change == "elsewhere" else {}
    feed = Feed(stage, allow=lambda user: admitted[0], **place)
    worker = stage.worker(end_long_responses=True, allow=lambda user: True, **place)
    browser = signed_in_at(stage)
    stage.clock.advance(1)

    async def scenario():
        stream = Stream(stage, browser)
        await settled()
        await feed.say(b"one")
        await asyncio.sleep(0.05)
        assert not stream.task.done()
        if change == "time":
            stage.clock.advance(8 * 3600)
        elif change == "rule":
            admitted[0] = False
        else:
            await worker.sign_out_everywhere("user-subject-1234531")
            stage.clock.advance(5)
        await stream.over()
        assert (stream.pieces, stream.complete, feed.told) == ([b"one"], True, ["http.disconnect"])

    run_async(scenario())


@pytest.mark.row("WS-09", "F-ST-01")
@pytest.mark.parametrize("when", ["first look", "first look, public path", "later"])
def test_a_store_that_is_away_cuts_nothing_off(stage, soon, monkeypatch, when):
    feed = Feed(stage, store="memory://", public=["/events"] if "public" in when else None)
    browser = signed_in_at(stage)

    async def scenario():
        feed.gate = asyncio.Event()
        stream = Stream(stage, browser)
        await settled()
        store, gets, asked = stage.app._world.store, [], asyncio.Event()

        async def away(*args, **options):
            gets.append(1)
            if len(gets) == 3:
                asked.set()
            raise Unavailable("store_unavailable")

        if when == "later":
            feed.gate.set()
            await settled()
            await feed.say(b"one")
        monkeypatch.setattr(store, "get", away, raising=False)
        feed.gate.set()
        await settled()
        await feed.say(b"two")
        await asyncio.wait_for(asked.wait(), 30)
        assert not stream.task.done()
        monkeypatch.undo()
        await feed.say(b"three")
        assert stream.pieces[-2:] == [b"two", b"three"]
        monkeypatch.setattr(long_lived, "RECHECK_SECONDS", 0.01)
        await sign_out(stage, browser)
        await stream.over()

    run_async(scenario())
    assert "session.not_checked" in stage.caplog.text


@pytest.mark.row("WS-09")
def test_a_sign_out_before_the_first_piece_is_not_missed(stage, mode):
    """Nobody looks after an answer that may turn out to be short; the application took its time."""
    feed = Feed(stage, **mode)
    browser = signed_in_at(stage)

    async def scenario():
        feed.gate = asyncio.Event()
        stream = Stream(stage, browser)
        await settled()
        await sign_out(stage, browser)
        feed.gate.set()
        await settled()
        await feed.say(b"one")
        await stream.over()
        assert stream.complete
        assert feed.told == ["http.disconnect"]

    run_async(scenario())
    assert len(stage.rp.sockets) == 0


@pytest.mark.row("WS-09")
def test_an_application_that_does_not_listen_is_cancelled(stage):
    feed = Feed(stage)
    feed.listens = False
    browser = signed_in_at(stage)

    async def scenario():
        stream = Stream(stage, browser)
        await settled()
        await feed.say(b"one")
        await sign_out(stage, browser)
        await settled()
        await feed.say(b"two")
        await stream.over()
        assert (stream.pieces, stream.complete, feed.told) == ([b"one"], True, ["cancelled"])

    run_async(scenario())


@pytest.mark.row("AS-01", "WS-09")
def test_an_exception_of_the_app_comes_through_as_it_is(stage, mode):
    feed = Feed(stage, **mode)
    feed.listens = False
    browser = signed_in_at(stage)

    async def scenario():
        stream = Stream(stage, browser)
        await settled()
        await feed.say(b"one")
        await feed.say(None)
        with pytest.raises(LookupError, match="of the app"):
            await stream.task

    run_async(scenario())
    assert len(stage.rp.sockets) == 0


@pytest.mark.row("WS-09")
def test_a_client_that_leaves_and_a_server_that_cancels_are_seen_as_ever(stage):
    feed = Feed(stage)
    browser = signed_in_at(stage)

    async def scenario():
        leaving, cancelled = Stream(stage, browser), Stream(stage, browser)
        await settled()
        await feed.say(b"one")
        await leaving.leaves()
        assert leaving.sent[-1] == {"type": "http.response.body", "body": b"one", "more_body": True}, "nothing of ours is added"
        cancelled.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled.task
        assert feed.told == ["http.disconnect", "cancelled"]

    run_async(scenario())
    assert len(stage.rp.sockets) == 0


@pytest.mark.row("WS-09", "AZ-04")
@pytest.mark.parametrize("path", ["/events", "/board/events"])
def test_where_everybody_may_come_in_a_rule_that_changed_ends_nothing(stage, soon, path):
    admitted = [True]
    base_url = BASE_URL + path.removesuffix("/events")  # the server announces no mount
    feed = Feed(stage, allow=lambda user: admitted[0], public=["/events"], base_url=base_url)
    stage.provider.redirect_uris.append(f"{base_url}/oidc/callback")
    browser = stage.browser()
    assert browser.login(path.replace("events", "api")).status == 200

    async def scenario():
        stream = Stream(stage, browser, path)
        await settled()
        await feed.say(b"one")
        assert len(stage.rp.sockets) == 1
        admitted[0] = False
        await asyncio.sleep(0.05)
        await feed.say(b"two")
        assert stream.pieces == [b"one", b"two"]
        stage.clock.advance(8 * 3600)
        await stream.over()

    run_async(scenario())


# -- what it does not touch ------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("WS-09")
@pytest.mark.parametrize(
    ("options", "member"),
    [({"end_long_responses": False}, True), ({}, False), ({"end_long_responses": True, "public": ["/events"]}, False)],
    ids=["off", "off by default", "nobody is signed in"],
)
def test_it_is_off_unless_it_is_wanted_and_there_is_somebody_to_sign_out(stage, options, member):
    feed = Feed(stage, **options)
    if not options:
        stage.restart()
    browser = stage.browser() if "public" in options else signed_in_at(stage)

    async def scenario():
        stream = Stream(stage, browser)
        await settled()
        await feed.say(b"one")
        assert feed.scopes[-1][1] == stream.receive, "the server's own"
        assert len(stage.rp.sockets) == 0
        if "public" not in options:
            await sign_out(stage, browser)
        await feed.say(b"two")
        assert stream.pieces == [b"one", b"two"]
        await stream.leaves()

    run_async(scenario())


@pytest.mark.row("WS-09")
def test_a_short_answer_costs_the_store_nothing_more(stage):
    reads = []
    for on in (False, True):
        feed = Feed(stage, store="memory://", end_long_responses=on)
        browser = signed_in_at(stage)
        gets, real = [], stage.app._world.store.get

        async def counted(*arguments, gets=gets, real=real):
            gets.append(arguments)
            return await real(*arguments)

        stage.app._world.store.get = counted
        for number in range(6):
            stage.clock.advance(400)
            assert browser.fetch("/api").json() == {"sub": "x"}, number
        assert feed.scopes[-1][0]["user"].is_authenticated
        assert len(stage.rp.sockets) == 0
        reads.append(len(gets))
    assert reads[0] == reads[1] > 0


@pytest.mark.row("WS-09")
def test_a_server_that_would_send_a_whole_file_by_itself_is_not_asked_to(stage):
    feed = Feed(stage)
    browser = signed_in_at(stage)

    async def scenario():
        stream = Stream(stage, browser, extensions={"http.response.pathsend": {}, "http.response.trailers": {}})
        await settled()
        assert feed.scopes[-1][0]["extensions"] == {"http.response.trailers": {}}
        await stream.leaves()

    run_async(scenario())
