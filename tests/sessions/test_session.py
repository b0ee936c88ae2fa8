"""The session's format, and its lifetimes as arithmetic."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oidc_middleware.sessions import codec
from oidc_middleware.sessions.session import Lifetimes, Session, UnknownFormat, decode, encode

texts = st.text(st.characters(exclude_categories=["Cs"]))
times = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner)
)
sessions = st.builds(
    Session,
    issuer=texts.filter(bool),
    subject=texts.filter(bool),
    claims_json=st.dictionaries(texts, json_values, max_size=3).map(json.dumps),
    created=times,
    seen=times,
    expires=times,
    sid=st.none() | texts,
    scopes=st.lists(texts).map(tuple),
    id_token=st.none() | texts,
    auth_time=st.none() | st.integers(-(10**15), 10**15),
    issued_at=st.none() | times,
)


@given(sessions)
def test_what_was_encoded_decodes(session):
    assert decode(encode(session)) == session


def outcome(data):
    try:
        return decode(data)
    except UnknownFormat:
        return None


@given(st.binary())
def test_bytes_that_nobody_wrote_have_an_unknown_format(data):
    assert outcome(data) is None


@given(st.lists(json_values, min_size=8, max_size=12), st.sampled_from([b"{}", b"", b"[]", b"{", b"}", b'{"a":1}']))
def test_whatever_decodes_could_have_been_encoded(fields, claims):
    session = outcome(b"1" + json.dumps(fields).encode() + b"\n" + claims)
    if session is not None:
        assert decode(encode(session)) == session


@given(sessions, st.data())
def test_a_changed_byte_gives_a_session_or_an_unknown_format(session, data):
    encoded = bytearray(encode(session))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    changed = outcome(bytes(encoded))
    assert changed is None or decode(encode(changed)) == changed


FIELDS = ["https://login.example.com", "ada", 1.0, 2.0, 3.0, "sid", ["openid"], "token", 5, 0.5]


def test_the_format():
    session = decode(b"1" + json.dumps(FIELDS).encode() + b'\n{"a":1}')
    assert session == Session(
        issuer="https://login.example.com",
        subject="ada",
        claims_json='{"a":1}',
        created=1.0,
        seen=2.0,
        expires=3.0,
        sid="sid",
        scopes=("openid",),
        id_token="token",
        auth_time=5,
        issued_at=0.5,
    )


WRONG = [None, True, "", "1", 1.5, [], {}, [1], ["a", None], "\ud800", ["\ud800"], math.inf, -math.inf, math.nan, 10**400, {"a": 1}]
RIGHT = {
    0: ("x",),
    1: ("x",),
    2: (1, 1.5),
    3: (1, 1.5),
    4: (1, 1.5),
    5: (None, "x", ""),
    6: ([], ["a", "b"]),
    7: (None, "x", ""),
    8: (None, 1),
    9: (None, 1.5),
}


@pytest.mark.row("CK-25")
@pytest.mark.parametrize("position", range(10))
def test_every_field_is_checked_for_its_type(position):
    def with_value(value):
        return outcome(b"1" + json.dumps([*FIELDS[:position], value, *FIELDS[position + 1 :]]).encode() + b"\n{}")

    for value in RIGHT[position]:
        assert with_value(value) is not None, value
    allowed = [json.dumps(value) for value in RIGHT[position]]
    texts_fit, times_fit, counts_fit = position in (0, 1, 5, 7), position in (2, 3, 4, 9), position == 8
    for value in WRONG:
        if json.dumps(value) in allowed or (texts_fit and value == "1") or (times_fit and value == 1.5) or (counts_fit and value == 10**400):
            continue
        assert with_value(value) is None, value


@pytest.mark.row("CK-25", "F-PR-02")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1",
        b"2" + json.dumps(FIELDS).encode() + b"\n{}",
        b"0" + json.dumps(FIELDS).encode() + b"\n{}",
        json.dumps(FIELDS).encode() + b"\n{}",
        b"1" + json.dumps(FIELDS).encode(),
        b"1" + json.dumps(FIELDS).encode() + b"\n",
        b"1" + json.dumps(FIELDS).encode() + b"\n[]",
        b"1" + json.dumps(FIELDS).encode() + b"\n{\xff}",
        b"1" + json.dumps(FIELDS[:-1]).encode() + b"\n{}",
        b"1" + json.dumps([*FIELDS, 1]).encode() + b"\n{}",
        b"1{}\n{}",
        b"1" + b"[" * 100_000 + b"\n{}",
        b"1\xff\n{}",
        b"\x80\x04K\x01.",
    ],
)
def test_another_version_is_told_from_a_session(data):
    assert outcome(data) is None


@pytest.mark.parametrize("change", [{"subject": "\ud800"}, {"claims_json": '{"a":"\ud800"}'}, {"created": math.nan}, {"expires": math.inf}])
def test_what_has_no_form_is_not_written(session, change):
    with pytest.raises(ValueError):
        encode(session(**change))


@pytest.mark.row("LG-01")
def test_tokens_and_claims_are_not_printed(session):
    shown = repr(session(id_token="the-id-token", claims={"name": "the-name"}))
    assert "the-id-token" not in shown
    assert "the-name" not in shown
    assert "ada" in shown


def test_a_session_is_read_only_and_its_memo_is_nobody_elses(session):
    one = session()
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.subject = "eve"
    object.__setattr__(one, "memo", "made of it")
    assert one == session()
    assert dataclasses.replace(one, seen=1.0).memo is None
    assert decode(encode(one)).memo is None


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


@pytest.mark.parametrize(
    ("value", "text", "count", "time"),
    [
        ("a", 1, 0, 0),
        ("é", 1, 0, 0),
        ("", 1, 0, 0),
        ("\ud800", 0, 0, 0),
        (True, 0, 0, 0),
        (1, 0, 1, 1),
        (1.5, 0, 0, 1),
        (math.nan, 0, 0, 0),
        (10**400, 0, 1, 0),
        (None, 0, 0, 0),
    ],
)
def test_types_are_told_apart(value, text, count, time):
    assert (codec.is_text(value), codec.is_count(value), codec.is_time(value)) == (text, count, time)
