"""The short way says what the gate says, or nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oidc_middleware.flows.gate import gate
from oidc_middleware.flows.lane import CAPACITY, MAX_REMEMBERED, Lane
from oidc_middleware.flows.messages import NEVER, PassThrough
from oidc_middleware.sessions.session import Session
from tests.flows.hand import party, request

BEGIN = 1_800_000_000.0
PATHS = ["/", "/x", "/oidc", "/oidc/logout", "/a/oidc/b", "//oidc/login", "/dash/oidc/callback", "/OIDC/x", "", "*"]


def with_session(rp, subject="ada", seen=BEGIN):
    """A Cookie header with a live session at the fixed site of *rp*."""
    session = Session(issuer="https://op.example.com", subject=subject, claims_json="{}", created=BEGIN, seen=seen, expires=BEGIN + 8 * 3600)
    (cookie,) = rp.sites.fixed.sessions.write(session, BEGIN, bytes(12), ())
    return cookie.partition(";")[0]


def ask(rp, lane, cookie, path="/x", now=BEGIN):
    """``(what the lane says, what the gate says)``; the gate's word is remembered, as the shells do."""
    short = lane.recall(cookie, path, now)
    decision = gate(request(path, cookie=cookie, now=now), rp)
    if isinstance(decision, PassThrough):
        lane.remember(cookie, decision)
    return short, decision


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(st.sampled_from(PATHS), st.integers(0, 3), st.sampled_from([-61, -1, 0, 1, 899, 900, 3599, 3600, 8 * 3600, 10**9])),
        max_size=30,
    ),
    st.sampled_from([None, {"group": ["admins"]}]),
)
def test_whatever_is_asked_in_whatever_order(asked, rule):
    rp = party(**({} if rule is None else {"allow": rule}))
    lane = Lane(rp)
    cookies = [with_session(rp, "ada"), with_session(rp, "bob"), "", "x=y"]
    for path, who, seconds in asked:
        short, decision = ask(rp, lane, cookies[who], path, BEGIN + seconds)
        assert short is None or (isinstance(decision, PassThrough) and short == decision and short.user is decision.user)


@pytest.mark.row("AZ-04")
def test_the_rules_are_asked_every_time():
    admitted = [True]
    rp = party(allow=lambda user: admitted[0])
    lane, cookie = Lane(rp), with_session(rp)
    assert ask(rp, lane, cookie)[0] is None
    assert ask(rp, lane, cookie)[0] is not None
    admitted[0] = False
    assert ask(rp, lane, cookie)[0] is None


@pytest.mark.row("CK-07")
def test_the_time_is_asked_every_time():
    rp = party()
    lane, cookie = Lane(rp), with_session(rp)
    ask(rp, lane, cookie)
    for seconds, short in ((0, True), (899, True), (900, False), (3600, False), (-3_660, True), (-3_661, False)):
        assert (lane.recall(cookie, "/x", BEGIN + seconds) is not None) is short, seconds


@pytest.mark.row("LT-17", "CK-06")
@pytest.mark.parametrize("options", [{"store": "memory://"}, {"revocation": "memory://"}, {"base_url": None, "allowed_hosts": ["app.example.com"]}])
def test_where_the_answer_hangs_on_more_there_is_no_short_way(options):
    assert party(**options).sites.fixed is None or party(**options).revocable
    rp = party(**options)
    if rp.sites.fixed is None:
        site = rp.sites.of(request())
        session = Session(issuer="i", subject="ada", claims_json="{}", created=BEGIN, seen=BEGIN, expires=BEGIN + 9)
        (cookie,) = site.sessions.write(session, BEGIN, bytes(12), ())
        decision = gate(request("/x", cookie=cookie.partition(";")[0], now=BEGIN), rp)
        assert isinstance(decision, PassThrough)
        assert decision.valid is NEVER
        lane = Lane(rp)
        lane.remember("c", decision)
        assert lane.recall("c", "/x", BEGIN) is None
    else:
        assert not isinstance(gate(request("/x", cookie=with_session(rp), now=BEGIN), rp), PassThrough), "a store is asked"


@pytest.mark.row("F-PR-11")
def test_what_is_remembered_is_bounded_and_the_busy_ones_stay():
    rp = party()
    lane, cookie = Lane(rp), with_session(rp)
    _, decision = ask(rp, lane, cookie)
    for number in range(5 * CAPACITY):
        lane.remember(f"other={number}", decision)
        if number % 100 == 0:
            assert lane.recall(cookie, "/x", BEGIN) is not None
    assert len(lane._young) + len(lane._old) <= 2 * CAPACITY


@pytest.mark.row("F-PR-11")
def test_what_a_client_can_make_large_is_not_remembered():
    """The application's own cookies are in the same header, and somebody who is signed in may send 64 kB of them, other ones each time."""
    rp = party()
    lane, cookie = Lane(rp), with_session(rp)
    _, decision = ask(rp, lane, cookie)
    for length, remembered in ((MAX_REMEMBERED, True), (MAX_REMEMBERED + 1, False)):
        header = f"{cookie}; x=".ljust(length, "x")
        lane.remember(header, decision)
        assert (lane.recall(header, "/x", BEGIN) is not None) is remembered


def test_nobody_signed_in_is_not_remembered():
    rp = party(public=["/x"])
    lane = Lane(rp)
    ask(rp, lane, "")
    assert lane.recall("", "/x", BEGIN) is None
