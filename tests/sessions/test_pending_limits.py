"""How many logins a browser carries at once, and which go when it is too many."""

from __future__ import annotations

import dataclasses

import pytest

from oidc_middleware.errors import LoginError
from oidc_middleware.sessions.cookies import cost
from oidc_middleware.sessions.pending import OWN_BUDGET, PendingLogins

PREFIX = "__Host-oidc_app_l_"
BROKEN, TWIN = PREFIX + "broken______", PREFIX + "twin________"


def refused(code, call, *arguments):
    with pytest.raises(LoginError) as caught:
        call(*arguments)
    assert caught.value.code == code
    return caught.value


@pytest.mark.row("SF-04", "DS-01")
def test_five_tabs_do_not_disturb_each_other(logins, several, now):
    header, begun = several(5)
    for one in reversed(begun):
        assert logins.take(header, one.state, now + 5) == one


@pytest.mark.row("DS-01")
def test_two_hundred_navigations_leave_five_logins_in_little_room(logins, several, now):
    header, begun = several(200)
    assert len(header.split("; ")) == 5
    assert len("; " + header) <= 2_500
    for one in begun[-5:]:
        assert logins.take(header, one.state, now + 200) == one
    for one in begun[:-5]:
        refused("no_transaction", logins.take, header, one.state, now + 200)


@pytest.mark.row("DS-01")
def test_two_hundred_parallel_navigations_are_cleaned_up_afterwards(logins, begin, entropy, now, browser):
    lines = [line for number in range(200) for line in logins.add("", begin(created=now + number), entropy(), now + number)]
    assert len(browser(lines).split("; ")) == 200
    for _ in range(7):
        added = logins.add(browser(lines), begin(created=now + 300), entropy(), now + 300)
        assert len(added) <= 31
        lines += added
    assert len(browser(lines).split("; ")) <= 5


@pytest.mark.row("DS-01", "DS-04")
def test_only_so_many_cookies_are_looked_into(logins, keyring, begin, entropy, now, monkeypatch):
    opened = []
    monkeypatch.setattr(logins, "_keyring", keyring)
    monkeypatch.setattr(logins, "_age", lambda values, at: opened.append(values) or 0.0)
    logins.add("; ".join(f"{PREFIX}{number:012}=x" for number in range(1_000)), begin(), entropy(), now)
    assert len(opened) == 60


@pytest.mark.row("DS-01", "SF-04")
def test_the_oldest_go_first(logins, several, begin, entropy, now, browser):
    header, begun = several(5)
    newest = begin(created=now + 10)
    lines = logins.add(header, newest, entropy(), now + 10)
    assert lines[1:] == (logins.clear(begun[0].state),)
    after = browser([*header.split("; "), *lines])
    assert [logins.peek_return_to(after, one.state) is not None for one in [*begun, newest]] == [False, True, True, True, True, True]


def test_broken_ambiguous_and_long_dead_ones_are_deleted_and_others_stay(logins, keyring, several, begin, entropy, now):
    header, _ = several(1)
    dead, expired = begin(created=now - 4_201), begin(created=now - 4_199)
    dead_pair, expired_pair = (logins.add("", one, entropy(), now)[0].partition(";")[0] for one in (dead, expired))
    newer = f"{PREFIX}newerversion={keyring.seal('login', b'2[]', bytes(12))}"
    lines = logins.add(f"{header}; {dead_pair}; {expired_pair}; {newer}; {BROKEN}=junk; {TWIN}=1; {TWIN}=2; other=1", begin(), entropy(), now)
    deleted = {line.partition("=")[0] for line in lines[1:]}
    assert deleted == {dead_pair.partition("=")[0], BROKEN, TWIN}


@pytest.mark.row("F-PR-02")
def test_what_only_a_newer_version_understands_goes_before_our_own(logins, keyring, several, begin, entropy, now):
    header, begun = several(4)
    newer = f"{PREFIX}newerversion={keyring.seal('login', b'2[]', bytes(12))}"
    lines = logins.add(f"{newer}; {header}", begin(), entropy(), now)
    assert [line.partition("=")[0] for line in lines[1:]] == [f"{PREFIX}newerversion"]
    assert all(logins.peek_return_to(header, one.state) for one in begun)


@pytest.mark.row("ER-06", "RD-15", "CK-10")
@pytest.mark.parametrize(
    "suffix", ["", "\x00", "a\r\nSet-Cookie: x", "\xe9" * 12, "short", "more_than_twelve", "with space__", 'quote"______', "twelve_chars\n"]
)
def test_names_that_we_never_give_are_left_alone(logins, several, begin, entropy, now, suffix):
    header, (one,) = several(1)
    hostile = f"{header}; {PREFIX}{suffix}=x"
    assert len(logins.add(hostile, begin(), entropy(), now)) == 1
    assert logins.trim(hostile, one.state, now, room=0) == ()
    assert logins.take(hostile, one.state, now) == one


def test_the_same_login_again_replaces_itself(logins, several, entropy, now):
    header, (one,) = several(1)
    lines = logins.add(header, one, entropy(), now)
    assert len(lines) == 1
    assert lines[0].partition("=")[0] == header.partition("=")[0]


@pytest.mark.row("RD-17", "DS-01")
@pytest.mark.parametrize("landing", ["/", "/dash/"])
def test_a_return_path_that_does_not_fit_gives_way(names, keyring, begin, entropy, now, browser, landing):
    logins = PendingLogins(names, keyring, 600, 60, landing=landing)
    fits, too_long = begin("/" + "a" * 1_200), begin("/" + "a" * 2_000)
    for one, expected in ((fits, fits.return_to), (too_long, landing)):
        header = browser(logins.add("", one, entropy(), now))
        assert len("; " + header) <= 2_500
        assert logins.take(header, one.state, now) == dataclasses.replace(one, return_to=expected)


@pytest.mark.row("CK-05", "DS-01")
def test_room_is_what_the_other_cookies_of_ours_leave(logins, names, several, begin, entropy, now):
    header, _ = several(4)
    size = len("; " + header) // 4
    taken = OWN_BUDGET - 3 * size
    session = f"{names.session}=" + "x" * (taken - cost(names.session, 0))
    assert logins._room(f"{session}; other={'y' * 9_000}") == 3 * size
    assert len(logins.add(header, begin(), entropy(), now)) == 1
    assert len(logins.add(f"{header}; {session}", begin(), entropy(), now)) == 1 + 2
    assert len(logins.add(f"{header}; {session}", begin(), entropy(), now, room=2 * size)) == 1 + 3
    parts = f"{names.session}=" + "x" * 3_000 + f"; {names.session}.1=" + "x" * 2_500 + f"; {names.rounds}=xxx"
    assert logins._room(parts) == OWN_BUDGET - 5_503 - cost(names.session, 0) - cost(names.session + ".1", 0) - cost(names.rounds, 0)
    ended = [f"{names.ended_prefix}{number:012}" for number in range(8)]
    assert logins._room("; ".join(f"{name}=1" for name in ended)) == OWN_BUDGET - sum(cost(name, 1) for name in ended)


@pytest.mark.row("CK-05")
def test_without_any_room_a_login_is_still_possible(logins, several, begin, entropy, now, browser):
    header, begun = several(3)
    one = begin()
    lines = logins.add(header, one, entropy(), now, room=0)
    assert set(lines[1:]) == {logins.clear(old.state) for old in begun}
    assert logins.take(browser(lines), one.state, now) == dataclasses.replace(one, return_to="/")


@pytest.mark.row("CK-05", "SF-04")
def test_a_session_takes_room_from_logins_under_way(logins, several, now):
    header, begun = several(5)
    size = len("; " + header) // 5
    finished = begun[2]
    assert logins.trim(header, finished.state, now + 5, room=6_000) == ()
    assert logins.trim(header, finished.state, now + 5, room=3 * size) == (logins.clear(begun[0].state),)
    assert set(logins.trim(header, finished.state, now + 5, room=0)) == {logins.clear(one.state) for one in begun if one is not finished}
