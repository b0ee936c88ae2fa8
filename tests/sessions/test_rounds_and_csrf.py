"""The loop guard and the token of the sign-out page."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oidc_middleware.sessions.cookies import CookieNames
from oidc_middleware.sessions.csrf import LIFETIME, CsrfTokens
from oidc_middleware.sessions.rounds import LIMIT, WINDOW, Rounds
from oidc_middleware.sessions.sealing import Keyring

NAME = "__Host-oidc_app_r"


@pytest.fixture
def rounds(names, keyring):
    return Rounds(names, keyring)


@pytest.fixture
def tokens(keyring):
    return CsrfTokens(keyring)


@pytest.mark.row("DS-07")
def test_completed_logins_are_counted_for_a_minute(rounds, entropy, now, browser):
    header = ""
    for number in range(LIMIT):
        assert rounds.count(header, now + number) == number
        line = rounds.add(header, now + number, entropy())
        assert line.endswith("; Max-Age=60; Path=/; HttpOnly; Secure; SameSite=Lax")
        header = browser([line])
    assert rounds.count(header, now + 2) == LIMIT
    assert rounds.count(header, now + WINDOW - 1) == LIMIT
    assert rounds.count(header, now + WINDOW) == LIMIT - 1
    assert rounds.count(header, now + WINDOW + LIMIT) == 0


@pytest.mark.row("DS-07")
def test_slow_logins_are_no_loop_and_clearing_starts_anew(rounds, entropy, now, browser):
    header = ""
    for number in range(10):
        header = browser([rounds.add(header, now + 30 * number, entropy())])
        assert rounds.count(header, now + 30 * number) < LIMIT
    assert browser([header, rounds.clear()]) == ""
    assert rounds.clear() == f"{NAME}=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax"


@pytest.mark.row("DS-07", "CK-05")
def test_the_cookie_does_not_grow(rounds, entropy, now, browser):
    header = ""
    for _ in range(50):
        header = browser([rounds.add(header, now, entropy())])
    assert rounds.count(header, now) == LIMIT
    assert len(header) < 200


@pytest.mark.row("CK-18")
def test_a_clock_that_is_behind_counts_as_well(rounds, entropy, now, browser):
    header = browser([rounds.add("", now, entropy())])
    assert rounds.count(header, now - 59) == 1
    assert rounds.count(header, now - 60) == 0


@pytest.mark.row("CK-01", "CK-19")
def test_what_cannot_be_read_counts_as_none(rounds, keyring, entropy, now, browser):
    good = browser([rounds.add("", now, entropy())])
    assert rounds.count(good, now) == 1
    assert rounds.count(f"{good}; {good}", now) == 0
    assert rounds.count(good[:-1], now) == 0
    for purpose, data in [
        ("session", f"1[[{now}]]"),
        ("rounds", "2[[1]]"),
        ("rounds", f"1[{now}]"),
        ("rounds", "1[]"),
        ("rounds", f'1[["{now}",true,null]]'),
    ]:
        assert rounds.count(f"{NAME}={keyring.seal(purpose, data.encode(), bytes(12))}", now) == 0


@given(st.text())
def test_no_header_makes_the_guard_fail(header):
    rounds = Rounds(CookieNames("oidc_app", secure=True), Keyring(["s" * 32], "app"))
    assert rounds.count(header, 0) == 0
    assert rounds.add(header, 0, bytes(12)).startswith(NAME)


@pytest.mark.row("LO-01", "CK-19")
def test_a_token_is_good_for_its_session_only(tokens, foreign_keyring, entropy, now):
    token = tokens.make("session of ada", now, entropy())
    assert tokens.check(token, "session of ada", now)
    assert not tokens.check(token, "session of eve", now)
    assert not tokens.check(token, "", now)
    assert not CsrfTokens(foreign_keyring).check(token, "session of ada", now)
    assert not tokens.check(tokens.make("", now, entropy()), "session of ada", now)
    assert tokens.check(tokens.make("", now, entropy()), "", now)
    assert "ada" not in token


@pytest.mark.row("LO-01", "CK-18")
@pytest.mark.parametrize(("age", "good"), [(-61, False), (-60, True), (0, True), (LIFETIME - 1, True), (LIFETIME, False), (10**9, False)])
def test_a_token_is_good_for_an_hour(tokens, entropy, now, age, good):
    assert tokens.check(tokens.make("ada", now, entropy()), "ada", now + age) is good


@pytest.mark.row("CK-01", "CK-19", "TI-01")
def test_changed_and_foreign_tokens_are_refused(tokens, keyring, entropy, now):
    token = tokens.make("ada", now, entropy())
    digest = json.loads(keyring.open("csrf", token)[1:])[0]
    for position in range(len(token)):
        assert not tokens.check(token[:position] + token[position + 1 :], "ada", now)
        assert not tokens.check(token[:position] + "A" + token[position:], "ada", now)
    for purpose, data in [
        ("session", keyring.open("csrf", token)),
        ("csrf", b"1[]"),
        ("csrf", b"2" + keyring.open("csrf", token)[1:]),
        ("csrf", b"1" + json.dumps([1, now]).encode()),
        ("csrf", b"1" + json.dumps([digest, str(now)]).encode()),
        ("csrf", b"1" + json.dumps(["\u00e9", now]).encode()),
    ]:
        assert not tokens.check(keyring.seal(purpose, data, bytes(12)), "ada", now)
    assert tokens.check(keyring.seal("csrf", b"1" + json.dumps([digest, now]).encode(), bytes(12)), "ada", now)


@given(st.one_of(st.text(), st.none(), st.integers(), st.binary(), st.lists(st.text())), st.text())
def test_no_token_makes_the_check_fail(token, binding):
    assert CsrfTokens(Keyring(["s" * 32], "app")).check(token, binding, 0) is False
