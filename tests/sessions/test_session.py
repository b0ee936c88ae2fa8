"""A session, and its lifetimes as arithmetic."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oidc_middleware.sessions.session import Lifetimes, Session, _encode_1, decode, encode

times = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.row("LG-01")
def test_tokens_and_claims_are_not_printed(session):
    shown = repr(session(id_token="the-id-token", claims={"name": "the-name"}))
    assert "the-id-token" not in shown
    assert "the-name" not in shown
    assert "ada" in shown


def test_a_session_is_read_only(session):
    """One object serves all requests that bring the same cookie."""
    one = session(sid="s", scopes=("openid",), id_token="t", auth_time=1, issued_at=1.0)
    for each in (one, decode(encode(one)), decode(_encode_1(one))):
        for field in dataclasses.fields(Session):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(each, field.name, "eve")
            with pytest.raises(dataclasses.FrozenInstanceError):
                delattr(each, field.name)
        assert each == one
        assert (each.subject, each.memo, each.record) == ("ada", None, None)


def test_what_is_noted_beside_a_session_is_nobody_elses(session):
    one = session()
    one.note(memo="made of it")
    one.note(record=("key", 1))
    assert (one.memo, one.record) == ("made of it", ("key", 1))
    assert one == session()
    for other in (dataclasses.replace(one, seen=1.0), decode(encode(one))):
        assert (other.memo, other.record) == (None, None)


@given(times, times, times)
def test_the_quiet_part_of_the_window_ends_when_use_is_to_be_written_down(created, seen, expires):
    lifetimes = Lifetimes(28_800, 3_600, 60)
    one = Session(issuer="i", subject="s", claims_json="{}", created=created, seen=seen, expires=expires)
    earliest, latest = lifetimes.window(one)
    assert lifetimes.quiet(one) == (earliest, min(latest, lifetimes.touch_at(one)))


@pytest.mark.row("CK-07")
@pytest.mark.parametrize(
    ("age", "idle", "alive"),
    [
        (0, 0, True),
        (3_599, 3_599, True),
        (3_600, 3_600, False),
        (3_601, 3_601, False),
        (28_799, 0, True),
        (28_799, 10, True),
        (28_800, 0, False),
        (28_801, 10, False),
        (86_400, 0, False),
        (10**9, 10**9, False),
    ],
)
def test_both_limits_hold_to_the_second(session, lifetimes, now, age, idle, alive):
    created = now - age
    one = session(created=created, seen=now - idle, expires=created + 28_800)
    assert lifetimes.alive(one, now) is alive
    assert (lifetimes.remaining(one, now) > 0) is alive


@pytest.mark.row("CK-18", "F-PR-10")
@pytest.mark.parametrize(("ahead", "alive"), [(0, True), (1, True), (60, True), (3_600, True), (3_660, True), (3_661, False), (10**10, False)])
def test_a_clock_that_is_behind_is_tolerated_up_to_an_hour_and_the_leeway(session, lifetimes, now, ahead, alive):
    assert lifetimes.alive(session(created=now + ahead, seen=now + ahead, expires=now + ahead + 28_800), now) is alive
    assert lifetimes.alive(session(seen=now + ahead), now) is alive


@pytest.mark.row("CK-18")
@pytest.mark.parametrize("begin", [2**31 - 1, 2**31, 2**32, 253_402_300_799])
def test_no_year_is_special(session, lifetimes, begin):
    one = session(created=float(begin), seen=float(begin), expires=begin + 28_800.0)
    assert lifetimes.alive(decode(encode(one)), begin + 10)
    assert not lifetimes.alive(one, begin + 3_600)


def test_shorter_settings_shorten_sessions_that_exist(session, now):
    one = session(created=now - 1_000, seen=now, expires=now + 27_800)
    assert Lifetimes(28_800, 3_600, 60).alive(one, now)
    assert not Lifetimes(1_000, 3_600, 60).alive(one, now)
    assert Lifetimes(100_000, 3_600, 60).alive(one, now)


@pytest.mark.row("CK-07")
def test_the_stored_end_holds_whatever_the_settings_say(session, now):
    one = session(created=now - 100, seen=now, expires=now + 10)
    generous = Lifetimes(100_000, 3_600, 60)
    assert generous.alive(one, now + 9)
    assert not generous.alive(one, now + 10)
    assert generous.remaining(one, now) == 10


def test_the_end_never_moves(session, lifetimes, now):
    one = session(created=now, expires=lifetimes.expiry(now))
    for minutes in range(0, 480, 30):
        one = lifetimes.touched(one, now + 60 * minutes)
        assert lifetimes.alive(one, now + 60 * minutes)
    assert one.expires == now + 28_800
    assert not lifetimes.alive(lifetimes.touched(one, now + 28_800), now + 28_800)


@pytest.mark.parametrize(("idle", "due"), [(-60, False), (0, False), (899, False), (900, True), (3_599, True)])
def test_use_is_written_down_after_a_quarter_of_the_idle_time(session, lifetimes, now, idle, due):
    assert lifetimes.touch_due(session(seen=now - idle), now) is due


@pytest.mark.row("CK-18")
def test_a_clock_that_is_behind_does_not_turn_time_back(session, lifetimes, now):
    assert lifetimes.touched(session(seen=now), now - 30).seen == now
    assert lifetimes.touched(session(seen=now), now + 30).seen == now + 30


def test_what_remains(session, lifetimes, now):
    assert lifetimes.remaining(session(), now) == 3_600
    assert lifetimes.remaining(session(seen=now - 600), now) == 3_000
    assert lifetimes.remaining(session(created=now - 28_000, expires=now + 800), now) == 800
    assert lifetimes.remaining(session(), now + 99_999) == 0


@given(times, times, times, times)
def test_alive_is_exactly_the_window(created, seen, expires, at):
    lifetimes = Lifetimes(28_800, 3_600, 60)
    one = Session(issuer="i", subject="s", claims_json="{}", created=created, seen=seen, expires=expires)
    earliest, latest = lifetimes.window(one)
    assert lifetimes.alive(one, at) is (earliest <= at < latest)
    assert lifetimes.remaining(one, at) >= 0
