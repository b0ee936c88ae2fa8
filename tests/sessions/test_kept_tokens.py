"""Kept tokens: their format, and when they are due."""

import json
from dataclasses import replace

import pytest

from oidc_middleware.sessions.kept_tokens import KeptTokens, UnknownFormat, decode, encode

NOW = 1_800_000_000.0
TOKENS = KeptTokens(
    access_token="access",
    refresh_token="refresh",
    received=NOW,
    expires=NOW + 300,
    ends=NOW + 3600,
    scopes=("openid",),
    subject="ada",
    audience=("app",),
    nonce="nonce",
    auth_time=None,
)


@pytest.mark.parametrize("changes", [{}, {"refresh_token": None, "expires": None, "failed": NOW, "auth_time": 5, "scopes": ()}])
def test_what_is_written_is_read(changes):
    tokens = replace(TOKENS, **changes)
    assert decode(encode(tokens)) == tokens


@pytest.mark.row("CK-25", "F-PR-02")
@pytest.mark.parametrize(
    ("field", "value"),
    [(0, ""), (0, None), (1, 5), (2, None), (2, "x"), (3, "x"), (4, True), (5, None), (6, "openid"), (7, None), (8, [1]), (9, None), (10, "x")],
)
def test_anything_else_is_refused(field, value):
    fields = json.loads(encode(TOKENS)[1:])
    fields[field] = value
    with pytest.raises(UnknownFormat):
        decode(b"1" + json.dumps(fields).encode())


@pytest.mark.row("CK-25")
@pytest.mark.parametrize("data", [b"", b"1", b"1[]", b"2" + encode(TOKENS)[1:], b"1" + b"[" * 5000])
def test_another_format_is_refused(data):
    with pytest.raises(UnknownFormat):
        decode(data)


@pytest.mark.parametrize(("life", "due"), [(300, 240), (240, 180), (100, 75), (40, 30), (20, 30)])
def test_when_a_refresh_is_due(life, due):
    tokens = replace(TOKENS, expires=NOW + life)
    assert tokens.fresh(NOW + due - 0.5)
    assert not tokens.fresh(NOW + due)
    assert tokens.usable(NOW + life - 1)
    assert not tokens.usable(NOW + life)


@pytest.mark.row("RF-14")
def test_an_end_nobody_knows_is_no_end():
    tokens = replace(TOKENS, expires=None)
    assert tokens.fresh(NOW + 9e6)
    assert tokens.usable(NOW + 9e6)


@pytest.mark.row("RF-06")
def test_after_a_failure_nobody_tries_for_half_a_minute():
    assert not TOKENS.backing_off(NOW)
    failed = replace(TOKENS, failed=NOW + 100)
    assert [failed.backing_off(NOW + seconds) for seconds in (100, 129, 130, 60)] == [True, True, False, False]


@pytest.mark.row("RF-10", "LG-01")
def test_no_token_is_printed():
    assert not [secret for secret in ("access=", "'access'", "refresh'", "'nonce'") if secret in repr(TOKENS)]
