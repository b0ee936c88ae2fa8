"""The short way says what the gate says, or nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oidc_middleware.flows.gate import gate
from oidc_middleware.flows.lane import CAPACITY, LONGEST_ADDRESS, MAX_REMEMBERED, Lane
from oidc_middleware.flows.messages import NEVER, PassThrough
from oidc_middleware.sessions.session import Session
from tests.flows.hand import party, request

BEGIN = 1_800_000_000.0
PATHS = ["/", "/x", "/oidc", "/oidc/logout", "/a/oidc/b", "//oidc/login", "/dash/oidc/callback", "/OIDC/x", "", "*"]
PUBLIC = ["/open", "/static/*"]
TIMES = [-3_661, -3_660, -61, -1, 0, 1, 899, 900, 3599, 3600, 8 * 3600, 10**9]


def with_session(rp, subject="ada", seen=BEGIN, claims="{}"):
    """A Cookie header with a live session at the fixed site of *rp*."""
    session = Session(issuer="https://op.example.com", subject=subject, claims_json=claims, created=BEGIN, seen=seen, expires=BEGIN + 8 * 3600)
    (cookie,) = rp.sites.fixed.sessions.write(session, BEGIN, bytes(12), ())
    return cookie.partition(";")[0]


def ask(rp, lane, cookie, path="/x", now=BEGIN, target="", mount=""):
    """``(what the lane says, what the gate says)``, as the shells ask: the gate's word is learnt, be it asked or not."""
    address = (mount, path, target)
    short = lane.recall(cookie, path, now) or lane.public(cookie, address)
    decision = gate(request(path, cookie=cookie, now=now, target=target, mount=mount), rp)
    lane.learn(cookie, address, decision)
    return short, decision


def told(decision):
    """All that *decision* says; users themselves are equal only if they are one object."""
    user = decision.user
    return (type(user), user.issuer, user.identity, user.claims, user.scopes), decision._replace(user=None)


def agrees(short, decision):
    return short is None or (isinstance(decision, PassThrough) and told(short) == told(decision))


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*PATHS, "/open", "/open/", "/static/a.js", "/static/../x", "/static/%2e", "/dash/open", "/oidc/open"]),
            st.integers(0, 8),
            st.sampled_from(TIMES),
            st.sampled_from(["", "same", "/open", "/static/%2e%2e/x", "/x"]),
            st.sampled_from(["", "", "/dash"]),
        ),
        max_size=30,
    ),
    st.sampled_from([None, {"group": ["admins"]}, lambda user: user.claims.get("n") == 1]),
    st.sampled_from(["https://app.example.com", "https://app.example.com/dash"]),
)
def test_whatever_is_asked_in_whatever_order(asked, rule, base_url):
    rp = party(public=[*PUBLIC, "/oidc/open"], base_url=base_url, **({} if rule is None else {"allow": rule}))
    lane = Lane(rp)
    ada, bob = with_session(rp, "ada", claims='{"groups":["admins"],"n":1}'), with_session(rp, "bob")
    cookies = [ada, bob, "", "x=y", f"a=b; {ada}", f"{ada}; {bob}", ada[:-1], f"{ada}; {ada.partition('=')[0]}.1=x", "x=" + ada]
    for path, who, seconds, target, mount in asked:
        short, decision = ask(rp, lane, cookies[who], path, BEGIN + seconds, path if target == "same" else target, mount)
        assert agrees(short, decision)


def test_bytes_and_text_are_one_cookie():
    rp = party()
    lane, cookie = Lane(rp), with_session(rp)
    text, raw = lane.recall(cookie, "/x", BEGIN), lane.recall(cookie.encode(), "/x", BEGIN)
    assert text is not None
    assert told(raw) == told(text)
    assert lane.recall(cookie, "/y", BEGIN) is text, "opened once"
    assert lane.recall(cookie.encode(), "/y", BEGIN) is raw
    assert lane.recall(cookie.encode() + b"\xff", "/x", BEGIN) is None


@pytest.mark.row("AZ-04")
def test_the_rules_are_asked_every_time():
    admitted = [True]
    rp = party(allow=lambda user: admitted[0])
    lane, cookie = Lane(rp), with_session(rp)
    assert ask(rp, lane, cookie)[0] is not None
    assert ask(rp, lane, cookie)[0] is not None
    admitted[0] = False
    assert ask(rp, lane, cookie)[0] is None
    fresh = with_session(rp, "bob")
    assert ask(rp, lane, fresh)[0] is None, "a cookie that is new is no exception"


@pytest.mark.row("CK-07")
def test_the_time_is_asked_every_time():
    for first in (0, -3_661, 900, 3600):  # whenever the cookie is seen first
        rp = party()
        lane, cookie = Lane(rp), with_session(rp)
        lane.recall(cookie, "/x", BEGIN + first)
        for seconds, short in ((0, True), (899, True), (900, False), (3600, False), (-3_660, True), (-3_661, False)):
            assert (lane.recall(cookie, "/x", BEGIN + seconds) is not None) is short, (first, seconds)


@pytest.mark.row("CK-01", "CK-08", "CK-19")
def test_what_is_no_session_is_not_remembered_either():
    rp, other = party(), party(client_id="other")
    lane, cookie = Lane(rp), with_session(rp)
    name = cookie.partition("=")[0]
    foreign = name + "=" + with_session(other).partition("=")[2]
    for header in (cookie[:-1], cookie + "A", f"{cookie}; {cookie}", f"x{cookie}", f"{name}=", foreign, f"{name}=2~{cookie.partition('=')[2]}"):
        for _ in range(2):
            assert lane.recall(header, "/x", BEGIN) is None
    assert not lane._young
    assert not lane._old
    assert lane.recall(cookie, "/x", BEGIN) is not None


@pytest.mark.row("LT-17", "CK-06")
@pytest.mark.parametrize("options", [{"store": "memory://"}, {"revocation": "memory://"}, {"base_url": None, "allowed_hosts": ["app.example.com"]}])
def test_where_the_answer_hangs_on_more_nothing_is_opened_here(options):
    rp = party(**options)
    assert rp.sites.fixed is None or rp.revocable
    site = rp.sites.of(request())
    session = Session(issuer="i", subject="ada", claims_json="{}", created=BEGIN, seen=BEGIN, expires=BEGIN + 9)
    (cookie,) = site.sessions.write(session, BEGIN, bytes(12), ())
    cookie = cookie.partition(";")[0]
    assert site.sessions.read(cookie, BEGIN).session == session
    lane = Lane(rp)
    for _ in range(2):
        assert lane.recall(cookie, "/x", BEGIN) is None
        assert lane.recall(cookie.encode(), "/x", BEGIN) is None
    decision = gate(request("/x", cookie=cookie, now=BEGIN), rp)
    if rp.revocable:
        assert not isinstance(decision, PassThrough), "a store is asked"
    else:
        assert decision.valid is NEVER, "the site was worked out from the request"
        lane.learn(cookie, ("", "/x", ""), decision)
        assert lane.recall(cookie, "/x", BEGIN) is None


@pytest.mark.row("F-PR-11")
def test_what_is_remembered_is_bounded_and_the_busy_ones_stay():
    rp = party()
    lane, cookie = Lane(rp), with_session(rp)
    busy = lane.recall(cookie, "/x", BEGIN)
    for number in range(5 * CAPACITY):
        assert lane.recall(f"{cookie}; other={number}", "/x", BEGIN) is not None
        if number % 100 == 0:
            assert lane.recall(cookie, "/x", BEGIN) is busy, "not even opened again"
    assert len(lane._young) + len(lane._old) <= 2 * CAPACITY


@pytest.mark.row("F-PR-11")
def test_what_a_client_can_make_large_is_not_remembered():
    """The application's own cookies are in the same header, and somebody who is signed in may send 64 kB of them, other ones each time."""
    rp = party()
    lane, cookie = Lane(rp), with_session(rp)
    _, decision = ask(rp, lane, cookie)
    for length, remembered in ((MAX_REMEMBERED, True), (MAX_REMEMBERED + 1, False)):
        header = f"{cookie}; x=".ljust(length, "x")
        for _ in range(2):
            assert told(lane.recall(header, "/x", BEGIN)) == told(decision)
        assert (header in lane._young) is remembered


@pytest.mark.row("CK-01", "F-PR-11")
def test_among_other_cookies_a_session_is_opened_once(monkeypatch):
    """Those of the application, and of whoever counts its visitors, may be new with each request."""
    rp = party()
    site, lane, cookie = rp.sites.fixed, Lane(rp), with_session(rp)
    opened, fields = [], site.sessions.fields
    monkeypatch.setattr(site.sessions, "fields", lambda value: opened.append(value) or fields(value))
    seen = {id(lane.recall(f"visit={number}; {cookie}; at={number}", "/x", BEGIN)) for number in range(10)}
    assert (len(seen), opened) == (1, [cookie.partition("=")[2]])
    assert lane._among_others.cache_info().maxsize == CAPACITY
    for forged in (cookie[:-1], cookie[:-1] + ("A" if cookie[-1] != "A" else "B")):
        for _ in range(2):
            assert lane.recall(f"visit=1; {forged}", "/x", BEGIN) is None
    assert len(opened) == 5, "what was refused is not remembered"
    assert lane._among_others.cache_info().currsize == 1


# -- public addresses ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("PA-02", "PA-03", "PA-04", "PA-09")
def test_only_the_very_address_that_the_gate_let_strangers_in_at_is_public():
    rp = party(public=PUBLIC)
    lane = Lane(rp)
    assert ask(rp, lane, "", "/static/a.js", target="/static/a.js")[0] is None, "the gate is asked first"
    short, decision = ask(rp, lane, "", "/static/a.js", target="/static/a.js")
    assert short == decision == PassThrough(rp.anonymous, private=False)
    for mount, path, target in (
        ("", "/static/a.js", "/static/%2e%2e/a.js"),
        ("", "/static/../x", "/static/a.js"),
        ("/m", "/static/a.js", "/static/a.js"),
        ("", "/x", "/static/a.js"),
        ("", "/static/b.js", "/static/a.js"),
    ):
        assert lane.public("", (mount, path, target)) is None
    assert lane.public("", ("", "/static/a.js", b"/static/a.js")) is None, "a shell tells targets as bytes or as text, never as both"


@pytest.mark.row("PA-14", "CK-08")
def test_whoever_may_have_a_session_is_no_stranger():
    rp = party(public=PUBLIC, allow=lambda user: False)
    lane, cookie = Lane(rp), with_session(rp)
    address = ("", "/open", "/open")
    ask(rp, lane, "", "/open", target="/open")
    assert lane.public("", address) is not None
    assert lane.public(b"x=1; y=2", address) is not None
    for header in (cookie, cookie.encode(), cookie[:-1], f"a=b; {cookie}", f"{cookie}; {cookie}", cookie.partition("=")[0] + ".1=x"):
        assert lane.public(header, address) is None
    short, decision = ask(rp, lane, cookie, "/open", target="/open")
    assert (short, decision.user.identity) == (None, "ada"), "whom the rules refuse is known all the same"


@pytest.mark.row("PA-01")
def test_nothing_but_a_strangers_way_in_is_learnt():
    rp = party(public=PUBLIC)
    lane, cookie = Lane(rp), with_session(rp)
    for path, header in (("/x", ""), ("/x", cookie), ("/open", cookie), ("/oidc/login", ""), ("/oidc/session", cookie)):
        ask(rp, lane, header, path, target=path)
    assert not lane._public


@pytest.mark.row("F-PR-11")
def test_the_addresses_are_bounded_in_number_and_length():
    rp = party(public=PUBLIC)
    lane = Lane(rp)
    for number in range(3 * CAPACITY):
        ask(rp, lane, "", f"/static/{number}", target=f"/static/{number}")
    assert 0 < len(lane._public) <= CAPACITY
    long = "/static/" + "x" * LONGEST_ADDRESS
    ask(rp, lane, "", long)
    assert lane.public("", ("", long, "")) is None
    assert isinstance(gate(request(long), rp), PassThrough), "it is public all the same"


@pytest.mark.row("PA-09")
def test_without_a_fixed_address_nobody_knows_the_cookies_name():
    rp = party(public=PUBLIC, base_url=None, allowed_hosts=["app.example.com"])
    lane = Lane(rp)
    for _ in range(2):
        short, decision = ask(rp, lane, "", "/open", target="/open")
        assert isinstance(decision, PassThrough)
        assert short is None
