"""The names of sessions that ended: what they are made of, how long they live, how many there are."""

from dataclasses import replace

import pytest

from oidc_middleware.sessions.cookies import CookieNames
from oidc_middleware.sessions.ended import MAX_NAMED, EndedSessions, mark_of
from oidc_middleware.sessions.session import STEP_BACK, _encode_1, decode, encode
from oidc_middleware.sessions.session_cookie import SessionCookies
from tests.sessions.conftest import NOW

PREFIX = "__Host-oidc_app_e_"


@pytest.fixture
def ended(names, lifetimes):
    return EndedSessions(names, lifetimes)


def test_a_mark_is_the_same_in_every_version_of_us(session):
    """Workers of two versions run side by side during an update, and what one named the other has to find."""
    assert mark_of(session()) == "ZJugKzIhqkfQ"
    assert mark_of(session(sid="s-1", id_token="a.b.c")) == "eNbT1VeJL-TJ"


def test_a_mark_stays_while_a_session_is_prolonged_and_cut_to_size(session, lifetimes):
    one = session(created=NOW + 0.123456, sid="s-1", id_token="a.b.c")
    for seconds in (0, 900, 5_000.5):
        assert mark_of(lifetimes.touched(one, NOW + seconds)) == mark_of(one)
    assert mark_of(replace(one, claims_json="{}", scopes=("openid",), expires=NOW, auth_time=3, issued_at=4.0)) == mark_of(one)
    assert mark_of(replace(one, created=NOW)) == mark_of(replace(one, created=int(NOW))), "however a time was written down"


@pytest.mark.row("F-PR-02")
def test_a_mark_is_the_same_in_each_format_of_the_cookie(session):
    """What was named while the older format was there is prolonged in the newer one."""
    for one in (session(created=NOW + 0.123456, sid="s-1", id_token="a.b.c"), session(created=NOW + 1 / 3), session(sid="", id_token="")):
        assert {mark_of(decode(form(one))) for form in (encode, _encode_1)} == {mark_of(one)}


def test_each_sign_in_has_a_mark_of_its_own(session):
    """Neither the same user again nor texts that run into each other make two the same."""
    others = [
        session(),
        session(subject="adb"),
        session(issuer="https://login.example.co", subject="mada"),
        session(created=NOW + 1e-6),
        session(sid="s"),
        session(id_token="s"),
        session(sid="a", id_token="b"),
        session(sid="ab"),
        session(sid="\udc80"),
    ]
    marks = {mark_of(one) for one in others}
    assert len(marks) == len(others)
    assert all(len(mark) == 12 for mark in marks)


def test_what_was_named_is_found_and_nothing_else(ended, session, browser):
    one, two = session(), session(created=NOW + 1)
    header = "a=b; " + browser(ended.add("", one, NOW)) + "; c=d"
    assert (ended.has(header, one), ended.has(header, two)) == (True, False)
    both = browser([*ended.add("", one, NOW), *ended.add(header, two, NOW)])
    assert (ended.has(both, one), ended.has(both, two)) == (True, True)
    assert ended.cost(header) == len(f"{PREFIX}{mark_of(one)}=1; ")
    assert ended.cost(both) == 2 * ended.cost(header)
    assert ended.cost("a=b") == 0


@pytest.mark.row("CK-09", "CK-10")
@pytest.mark.parametrize("shape", ["x{}=1", "{}x=1", "{}", "\xa0{}=1", "{}\xa0=1", "a=b{}=1", '"{}"=1', "A{}=1"])
def test_what_only_looks_like_the_name_is_another_cookie(ended, session, shape):
    name = PREFIX + mark_of(session())
    assert ended.has(f"a=b; {name}=1", session())
    assert not ended.has("a=b; " + shape.format(name), session())
    assert not ended.has(f"{name}=1".lower(), session())


def test_a_name_lives_as_long_as_the_session_might_by_any_workers_clock(ended, session, lifetimes):
    for one in (session(), session(expires=NOW + 100), session(expires=NOW + 1e9)):
        seconds = int(min(one.expires, NOW + lifetimes.session_lifetime) - NOW + STEP_BACK + lifetimes.leeway)
        assert ended.add("", one, NOW)[0] == f"{PREFIX}{mark_of(one)}=1; Max-Age={seconds}; Path=/; HttpOnly; Secure; SameSite=Lax"
        assert "; Max-Age=1;" in ended.add("", one, NOW + seconds - 0.5)[0]
        assert ended.add("", one, NOW + seconds) == ()


def test_on_http_names_and_attributes_are_those_browsers_take(session, lifetimes):
    plain = EndedSessions(CookieNames("oidc_app", secure=False), lifetimes)
    (line,) = plain.add("", session(), NOW)
    assert line.startswith("oidc_app_e_")
    assert line.endswith("; Path=/; HttpOnly; SameSite=Lax")


def test_the_oldest_gives_way_and_never_the_newest(ended, session, browser):
    lines = []
    for number in range(MAX_NAMED + 4):
        header = browser(lines)
        added = ended.add(header, session(created=NOW + number), NOW)
        assert len(added) == (2 if number >= MAX_NAMED else 1)
        lines += added
    header = browser(lines)
    assert [ended.has(header, session(created=NOW + number)) for number in range(MAX_NAMED + 4)] == [False] * 4 + [True] * MAX_NAMED
    assert len(ended.add(header, session(created=NOW + 5), NOW)) == 1, "naming one again needs no room"


@pytest.mark.row("DS-04")
def test_of_a_flood_some_are_cleaned_away_and_what_is_no_name_of_ours_is_left_alone(ended, session):
    no_names = [*(f"{PREFIX}{'x' * size}=1" for size in (0, 1, 11, 13)), f"{PREFIX}/{'x' * 11}=1", f"{PREFIX}{'x' * 11}\xe9=1"]
    header = "; ".join([*no_names, *(f"{PREFIX}{number:012}=1" for number in range(500)), *no_names])
    new, *deleted = ended.add(header, session(), NOW)
    assert new.startswith(f"{PREFIX}{mark_of(session())}=1;")
    assert [line.partition("=")[0] for line in deleted] == [f"{PREFIX}{number:012}" for number in range(20)]
    assert all("Max-Age=0" in line for line in deleted)


def test_the_session_that_a_sign_out_ends(cookies, session, entropy, browser):
    """What the header opens as, be its idle time up or not; nothing where it is broken, two, or past any end."""
    one = session()
    header = browser(cookies.write(one, NOW, entropy(), ()))
    for now in (NOW, NOW + 5_000, NOW - 9_999, NOW + 28_800 + STEP_BACK + 59):
        assert cookies.ending(header, now) == one
        name, *rest = cookies.end(header, now)
        assert name.startswith(PREFIX)
        assert [line.partition(";")[0] for line in rest] == ["__Host-oidc_app_s="]
    for bad, now in ((header + "x", NOW), (f"{header}; {header}", NOW), ("", NOW), (header, NOW + 28_800 + STEP_BACK + 60)):
        assert cookies.ending(bad, now) is None
        assert not [line for line in cookies.end(bad, now) if "Max-Age=0" not in line]


def test_a_session_that_ended_reads_as_that_and_its_cookies_can_be_cleared(cookies, session, entropy, browser):
    large = session(claims={"groups": [f"group-{number}" for number in range(300)]})
    for one, count in ((session(), 1), (large, 2)):
        header = browser(cookies.write(one, NOW, entropy(), ()))
        late = browser(cookies.write(replace(one, seen=NOW + 900), NOW + 900, entropy(), ()))
        name = browser(cookies.replaced(header, (), NOW))
        assert cookies.read(late, NOW + 900).session is not None
        for both in (f"{name}; {late}", f"{late}; {name}"):
            read = cookies.read(both, NOW + 900)
            assert (read.session, read.reason, len(read.present)) == (None, "ended", count)
            assert len(cookies.clear(read.present)) == count


def test_where_the_callback_sees_no_session_it_is_told_which_one_it_replaces(names, keyring, lifetimes, session, entropy, browser):
    """A form post from the provider's page: these cookies come along, the session's does not."""
    cookies = SessionCookies(names, keyring, lifetimes, cross_site=True)
    one, two = session(sid="s-1"), session(sid="s-2", created=NOW + 5, seen=NOW + 5)
    written = cookies.write(one, NOW, entropy(), ())
    first = cookies.replaced("", written, NOW)
    attributes = "Max-Age=32460; Path=/; HttpOnly; Secure; SameSite=None"
    assert first == (f"__Host-oidc_app_c={mark_of(one)}; {attributes}",)
    again = cookies.replaced(browser(first), cookies.write(two, NOW + 5, entropy(), ()), NOW + 5)
    until = str(int(two.expires - NOW - 5 + STEP_BACK + 60))
    assert again == tuple(
        line.replace("32460", until) for line in (f"{PREFIX}{mark_of(one)}=1; {attributes}", f"__Host-oidc_app_c={mark_of(two)}; {attributes}")
    )
    assert cookies.read(browser([*written, *first, *again]), NOW + 5).reason == "ended"
    both = browser([*written, *first])
    assert len(cookies.replaced(both, cookies.write(two, NOW, entropy(), ()), NOW)) == 2, "known twice, named once"
    planted = f"{browser(first)}; __Host-oidc_app_c={'A' * 12}"
    assert len(cookies.replaced(planted, cookies.write(two, NOW, entropy(), ()), NOW)) == 1, "no telling which"
    assert cookies.replaced(browser(first), written, NOW) == first, "and never the new one itself"
