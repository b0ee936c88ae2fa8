"""The two formats of a session: what is written is read, and nothing else is."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oidc_middleware.sessions import codec
from oidc_middleware.sessions.session import _HEAD, Session, UnknownFormat, _encode_1, decode, encode

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


#: As providers make them: nothing with line breaks, no scope with a space.
lines = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n "))
usual = st.builds(
    Session,
    issuer=lines.filter(bool),
    subject=lines.filter(bool),
    claims_json=st.dictionaries(texts, json_values, max_size=3).map(json.dumps),
    created=st.floats(-1e9, 1e12),
    seen=st.floats(-1e9, 1e12),
    expires=st.floats(-1e9, 1e12),
    sid=st.none() | lines,
    scopes=st.lists(lines.filter(bool)).map(tuple),
    id_token=st.none() | lines,
    auth_time=st.none() | st.integers(-(10**15), 10**15),
    issued_at=st.none() | st.floats(-1e9, 1e12),
)


@given(sessions)
def test_what_was_encoded_decodes(session):
    assert decode(encode(session)) == session
    assert decode(_encode_1(session)) == session
    assert decode(b"before" + encode(session), 6) == session


@given(usual)
def test_the_usual_session_takes_the_second_format(session):
    encoded = encode(session)
    assert encoded[:1] == b"2"
    decoded = decode(encoded)
    assert decoded == session
    assert type(decoded) is Session
    assert (decoded.memo, decoded.record) == (None, None)
    assert len(encoded) <= len(_encode_1(session)) + _HEAD.size


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "a\nb"},
        {"issuer": "a\n"},
        {"sid": "\n"},
        {"id_token": "a\nb"},
        {"scopes": ("a b",)},
        {"scopes": ("",)},
        {"scopes": (" ",)},
        {"scopes": ("a\n",)},
        {"auth_time": 2**63},
        {"auth_time": -(10**30)},
        {"created": 1e308, "expires": 1e308},
    ],
)
def test_what_has_no_form_in_the_second_format_takes_the_first(session, change):
    one = session(**change)
    assert encode(one) == _encode_1(one)
    assert decode(encode(one)) == one


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


six_lines = st.lists(lines, min_size=5, max_size=5).map(lambda them: "\n".join([*them, '{"a":1}']).encode())


@given(
    st.integers(0, 20),
    st.lists(st.floats(), min_size=4, max_size=4),
    st.integers(-(2**63), 2**63 - 1),
    st.one_of(st.binary(), texts.map(str.encode), six_lines),
)
def test_whatever_decodes_of_the_second_format_could_have_been_encoded(told, moments, auth_time, rest):
    session = outcome(_HEAD.pack(ord("2"), told, *moments, auth_time) + rest)
    if session is not None:
        assert decode(encode(session)) == session


@given(sessions | usual, st.data())
def test_a_changed_byte_gives_a_session_or_an_unknown_format(session, data):
    encoded = bytearray(encode(session))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    changed = outcome(bytes(encoded))
    assert changed is None or decode(encode(changed)) == changed


SESSION = Session(
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
FIELDS = ["https://login.example.com", "ada", 1.0, 2.0, 3.0, "sid", ["openid"], "token", 5, 0.5]


def test_the_format():
    session = decode(b"1" + json.dumps(FIELDS).encode() + b'\n{"a":1}')
    assert session == SESSION


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


HEAD = _HEAD.pack(ord("2"), 15, 1.0, 2.0, 3.0, 0.5, 5)
LINES = ["https://login.example.com", "ada", "sid", "token", "openid email", '{"a":1}']


def second(head=HEAD, **changes):
    names = ("issuer", "subject", "sid", "id_token", "scopes", "claims")
    return head + "\n".join(changes.get(name, line) for name, line in zip(names, LINES, strict=True)).encode("utf-8", "surrogatepass")


def test_the_second_format():
    one = replace(SESSION, scopes=("openid", "email"))
    assert decode(second()) == one
    assert encode(one) == second()


@pytest.mark.parametrize(
    ("told", "there"),
    [(0, ()), (1, ("sid",)), (2, ("id_token",)), (4, ("auth_time",)), (8, ("issued_at",)), (15, ("sid", "id_token", "auth_time", "issued_at"))],
)
def test_what_is_not_there_is_told_from_what_is_empty(told, there):
    session = decode(second(_HEAD.pack(ord("2"), told, 1.0, 2.0, 3.0, 0.0, 0), sid="", id_token=""))
    values = {"sid": "", "id_token": "", "auth_time": 0, "issued_at": 0.0}
    assert {name: getattr(session, name) for name in values} == {name: values[name] if name in there else None for name in values}
    assert decode(encode(session)) == session


@pytest.mark.row("CK-25", "F-PR-02")
@pytest.mark.parametrize(
    "data",
    [
        b"2",
        HEAD[:-1],
        HEAD,
        HEAD + b"\n\n\n\n\n",
        HEAD + b"a\nb\nc\nd\n{}",
        second()[:-1],
        second() + b"x",
        second()[1:],
        b"3" + second()[1:],
        b"\x002" + second(),
        second(issuer=""),
        second(subject=""),
        second(subject="\ud800"),
        second(claims=""),
        second(claims="[]"),
        second(claims="{"[1:]),
        second(claims="}"),
        second(claims="\n{}"),
        second(HEAD[:1] + b"\x10" + HEAD[2:]),
        second(HEAD[:1] + b"\xff" + HEAD[2:]),
        *(second(_HEAD.pack(ord("2"), 15, *times, 5)) for wrong in (math.nan, math.inf, -math.inf) for times in
          ((wrong, 1.0, 1.0, 1.0), (1.0, wrong, 1.0, 1.0), (1.0, 1.0, wrong, 1.0), (1.0, 1.0, 1.0, wrong))),
    ],
)  # fmt: skip
def test_the_second_format_is_checked(data):
    assert outcome(second()) is not None
    assert outcome(data) is None


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "\ud800"},
        {"claims_json": '{"a":"\ud800"}'},
        {"created": math.nan},
        {"expires": math.inf},
        {"issued_at": math.nan},
        {"seen": -math.inf},
    ],
)
def test_what_has_no_form_is_not_written(session, change):
    with pytest.raises(ValueError):
        encode(session(**change))


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
