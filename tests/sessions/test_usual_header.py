"""The usual header, with one session in one cookie, read in two steps: they say what reading says, or leave it to that."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oidc_middleware.sessions.cookies import CookieNames
from oidc_middleware.sessions.sealing import BrokenSeal, Keyring
from oidc_middleware.sessions.session import Lifetimes, Session, UnknownFormat, encode
from oidc_middleware.sessions.session_cookie import SessionCookies

NAME = "__Host-oidc_app_s"


def in_two_steps(cookies, header):
    """What the two steps of the usual header say: the session, or ``None`` where they leave it to :meth:`SessionCookies.read`."""
    value = cookies.sole(header)
    try:
        return None if value is None else Session(*cookies.fields(value))
    except (BrokenSeal, UnknownFormat):
        return None


around = st.lists(st.sampled_from(["", "a=b", f"a={NAME}", "__Host-oidc_app_r=1", "__Host-oidc_app_l_x=1", "\xff", " "]), max_size=3)
others = around | st.lists(
    st.sampled_from(["", "a=b", NAME, f"{NAME}=", f"{NAME}=x", f"{NAME}.1=x", f"x{NAME}=1", "__Host-oidc_app_e_x=1", "=", " ", "\t"]), max_size=3
)


@pytest.mark.row("CK-01", "CK-08", "SF-05")
@given(others, others, st.sampled_from(["; ", ";", "", ";; ", " ; "]), st.sampled_from(["", " ", "~", "=", "A", "AAAA"]))
@settings(max_examples=300)
def test_the_two_steps_say_what_reading_says_or_nothing(before, after, between, tail):
    cookies = SessionCookies(CookieNames("oidc_app", secure=True), Keyring(["s" * 32], "app"), Lifetimes(10, 10, 1))
    one = Session(issuer="i", subject="ada", claims_json="{}", created=0.0, seen=0.0, expires=10.0, sid="s", scopes=("a", "b"), auth_time=0)
    ours = cookies.write(one, 0, bytes(12), ())[0].partition(";")[0]
    header = between.join([*before, ours + tail, *after])
    read = cookies.read(header, 0)
    for form in (header, header.encode("latin-1")):
        assert in_two_steps(cookies, form) in (None, read.session)
    if between == "; " and not tail and all(pair.startswith(("a=b", "__Host-oidc_app_r", "__Host-oidc_app_l")) for pair in (*before, *after)):
        assert in_two_steps(cookies, header) == in_two_steps(cookies, header.encode()) == one, "the usual header"


@pytest.mark.row("SF-05", "CK-03")
def test_what_is_not_usual_is_left_to_reading(cookies, names, keyring, lifetimes, session, entropy, now, browser):
    written = cookies.write(session(), now, entropy(), ())
    ours = browser(written)
    ended = "; ".join(pair.partition(";")[0] for pair in cookies.end(ours, now) if "Max-Age=0" not in pair)
    assert cookies.read(f"{ours}; {ended}", now).reason == "ended"
    large = SessionCookies(names, keyring, lifetimes, budget=60_000)
    parts = browser(large.write(session(claims={"x": "y" * 4_000}), now, entropy(), ()))
    assert f"{NAME}=2~" in parts
    assert large.read(parts, now).reason == "ok"
    for header in (f"{ours}; {ended}", f"{ended}; {ours}", parts, f"{ours}; {ours}", f"{ours}; {NAME}.1=x", f"x{ours}", "a=b", ""):
        assert in_two_steps(large, header) is None
        assert in_two_steps(large, header.encode()) is None
    assert in_two_steps(large, ours) == session()


@pytest.mark.row("CK-03", "CK-25")
def test_the_two_steps_refuse_another_count_and_another_format(cookies, keyring, session):
    data = encode(session())
    for sealed, raised in ((b"\x02" + data, BrokenSeal), (b"", BrokenSeal), (b"\x01" + b"3" + data[1:], UnknownFormat), (b"\x01", UnknownFormat)):
        with pytest.raises(raised):
            cookies.fields(keyring.seal("session", sealed, bytes(12)))
    for form in (str, str.encode):
        assert Session(*cookies.fields(form(keyring.seal("session", b"\x01" + data, bytes(12))))) == session()
        with pytest.raises(BrokenSeal):
            cookies.fields(form(keyring.seal("stored-session", b"\x01" + data, bytes(12))))
