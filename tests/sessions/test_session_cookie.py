"""The session in one cookie or several: what is written is read, and nothing else ever is."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oidc_middleware.errors import LoginError
from oidc_middleware.sessions.cookies import CookieNames
from oidc_middleware.sessions.sealing import Keyring
from oidc_middleware.sessions.session import Lifetimes, Session, encode
from oidc_middleware.sessions.session_cookie import DEFAULT_BUDGET, MAX_COOKIE_BYTES, MAX_COOKIES, SessionCookies

NAME = "__Host-oidc_app_s"


@pytest.fixture
def large(names, keyring, lifetimes):
    """Room for as many cookies as there may be."""
    return SessionCookies(names, keyring, lifetimes, budget=60_000)


def sized(session, cookies, count):
    """A session that takes exactly *count* cookies."""
    one = session()
    while len(cookies.write(one, 0, bytes(12), ())) < count:
        one = dataclasses.replace(one, claims_json=one.claims_json[:-1] + f',"x{len(one.claims_json)}":"{"y" * 1_000}"}}')
    return one


def test_what_is_written_is_read(cookies, session, entropy, now, browser):
    written = cookies.write(session(), now, entropy(), ())
    assert len(written) == 1
    assert re.fullmatch(rf"{NAME}=[A-Za-z0-9+/]+; Max-Age=7200; Path=/; HttpOnly; Secure; SameSite=Lax", written[0])
    read = cookies.read(browser(written), now)
    assert read == (session(), (NAME,), "ok")


@pytest.mark.parametrize("header", ["", "a=b", "xx=1; yy=2", f"a={NAME}", f"x{NAME}=1", f"{NAME}x=1", f"\xa0{NAME}=1"])
def test_no_cookie_of_ours_is_no_session(cookies, now, header):
    assert cookies.read(header, now) == (None, (), "absent")


def test_a_hit_makes_no_new_objects(cookies, session, entropy, now, browser):
    header = browser(cookies.write(session(), now, entropy(), ()))
    first = cookies.read(header, now)
    assert cookies.read("a=b; " + header + "; c=d", now + 5) is first
    assert cookies.read(header, now + 5).session is first.session


@pytest.mark.row("CK-07")
def test_the_time_is_checked_on_every_hit(cookies, session, entropy, now, browser):
    header = browser(cookies.write(session(), now, entropy(), ()))
    assert cookies.read(header, now).reason == "ok"
    assert cookies.read(header, now + 3_599).reason == "ok"
    assert cookies.read(header, now + 3_600) == (None, (NAME,), "expired")
    assert cookies.read(header, now - 3_660).reason == "ok"
    assert cookies.read(header, now - 3_661) == (None, (NAME,), "early")
    assert cookies.read(header, now).reason == "ok"


@pytest.mark.row("CK-01")
def test_every_single_change_ends_the_session_and_never_the_process(cookies, session, entropy, now, browser):
    header = browser(cookies.write(session(), now, entropy(), ()))
    start = len(NAME) + 1
    for position in range(start, len(header)):
        for changed in (
            header[:position] + header[position + 1 :],
            header[:position] + ("A" if header[position] != "A" else "B") + header[position + 1 :],
            header[:position] + "A" + header[position:],
            header[:position] + "~" + header[position + 1 :],
            header[:position] + ";" + header[position + 1 :],
        ):
            read = cookies.read(changed, now)
            assert (read.session, read.reason) == (None, "broken")
    assert cookies.read(header, now).reason == "ok"


@pytest.mark.row("CK-01")
def test_nothing_that_was_refused_is_remembered(cookies, session, entropy, now, browser):
    header = browser(cookies.write(session(), now, entropy(), ()))
    for _ in range(3):
        assert cookies.read(header + "x", now).reason == "broken"
    assert cookies._opened.cache_info().currsize == 0
    assert cookies.read(header, now).reason == "ok"
    assert cookies._opened.cache_info().currsize == 1


@pytest.mark.row("F-PR-11")
def test_the_cache_is_bounded(cookies):
    assert cookies._opened.cache_info().maxsize == 1_024


@pytest.mark.row("CK-19", "CK-20")
def test_another_application_reads_nothing(cookies, names, foreign_keyring, lifetimes, session, entropy, now, browser):
    header = browser(SessionCookies(names, foreign_keyring, lifetimes).write(session(), now, entropy(), ()))
    assert cookies.read(header, now) == (None, (NAME,), "broken")
    other = SessionCookies(CookieNames("oidc_other", secure=True), foreign_keyring, lifetimes)
    both = header + "; " + browser(other.write(session(), now, entropy(), ()))
    assert other.read(both, now).reason == "ok"


@pytest.mark.row("CK-25", "CK-02", "F-PR-02")
def test_a_newer_format_is_no_session_and_is_told_apart(cookies, keyring, session, now):
    sealed = keyring.seal("session", b"\x01" + b"3" + encode(session())[1:], bytes(12))
    assert cookies.read(f"{NAME}={sealed}", now) == (None, (NAME,), "unknown_format")
    assert cookies._opened.cache_info().currsize == 0


@pytest.mark.row("CK-08")
def test_two_cookies_of_our_name_are_no_session(cookies, session, entropy, now, browser):
    mine = browser(cookies.write(session(), now, entropy(), ()))
    theirs = browser(cookies.write(session(subject="eve"), now, entropy(), ()))
    for header in (f"{mine}; {theirs}", f"{theirs}; {mine}", f"{mine}; {mine}", f"{mine}; a=b; {NAME}=", f"{NAME}; {mine}; {mine}"):
        read = cookies.read(header, now)
        assert read == (None, (NAME,), "ambiguous")
        assert cookies.clear(read.present) == (f"{NAME}=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax",)
    assert cookies.read(mine, now).reason == "ok"


@pytest.mark.row("CK-16", "F-PR-03")
def test_a_rotated_secret_logs_nobody_out(names, lifetimes, session, entropy, now, browser):
    old, new = "o" * 32, "n" * 32
    before, during, after = (SessionCookies(names, Keyring(secrets, "app"), lifetimes) for secrets in ([old], [new, old], [new]))
    header = browser(before.write(session(), now, entropy(), ()))
    read = during.read(header, now)
    assert read.reason == "ok"
    renewed = browser(during.write(read.session, now, entropy(), read.present))
    assert after.read(renewed, now).reason == "ok"
    assert after.read(header, now).reason == "broken"


@pytest.mark.row("CK-04", "F-PR-18")
@pytest.mark.parametrize("count", range(1, MAX_COOKIES + 1))
def test_any_number_of_cookies_is_read_as_written(large, session, now, browser, count):
    one = sized(session, large, count)
    written = large.write(one, now, bytes(12), ())
    names = (NAME, *(f"{NAME}.{number}" for number in range(1, count)))
    assert tuple(line.partition("=")[0] for line in written) == names
    assert all(len(line.partition(";")[0]) <= MAX_COOKIE_BYTES for line in written)
    header = browser(written)
    assert large.read(header, now) == (one, names, "ok")
    assert large.read("; ".join(reversed(header.split("; "))), now).session == one
    assert large.read(header, now + 3_600) == (None, names, "expired")
    assert large.cost(one) == len("; " + header)


@pytest.mark.row("CK-04")
def test_no_size_around_a_boundary_is_lost(large, session, now, browser):
    seen = set()
    for length in [*range(2_700, 2_850), *range(5_500, 5_800)]:
        one = session(claims={"x": "y" * length})
        written = large.write(one, now, bytes(12), ())
        assert large.read(browser(written), now).session == one
        assert all(line.partition("=")[2].partition(";")[0] for line in written)
        seen.add(len(written))
    assert seen == {1, 2, 3}


@pytest.mark.row("CK-04")
def test_stale_parts_are_deleted_in_the_same_answer(large, session, now, browser):
    before = large.write(sized(session, large, 5), now, bytes(12), ())
    read = large.read(browser(before), now)
    after = large.write(sized(session, large, 2), now, bytes(12), read.present)
    assert [line for line in after if "Max-Age=0" in line] == [
        f"{NAME}.{number}=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax" for number in (2, 3, 4)
    ]
    header = browser([*before, *after])
    assert header == browser(after)
    assert large.read(header, now).present == (NAME, f"{NAME}.1")
    cleared = large.clear(large.read(header, now).present)
    assert browser([*after, *cleared]) == ""


@pytest.mark.row("CK-04")
def test_parts_left_over_do_not_disturb_and_are_reported(large, session, now, browser):
    long, short = sized(session, large, 3), session(subject="bob")
    left_over = browser(large.write(long, now, bytes(12), ())).split("; ", 1)[1]
    mine = browser(large.write(short, now, bytes(12), ()))
    read = large.read(f"{left_over}; {mine}", now)
    assert (read.session, read.reason) == (short, "ok")
    assert read.present == (NAME, f"{NAME}.1", f"{NAME}.2")
    assert large.read(left_over, now) == (None, (f"{NAME}.1", f"{NAME}.2"), "broken")
    assert len(large.clear(read.present)) == 3


@pytest.mark.row("CK-01", "CK-03")
def test_parts_of_different_sessions_do_not_mix(large, session, now, browser):
    one = sized(session, large, 3)
    mine = browser(large.write(one, now, b"a" * 12, ())).split("; ")
    theirs = browser(large.write(dataclasses.replace(one, subject="eve"), now, b"b" * 12, ())).split("; ")
    assert large.read("; ".join(mine), now).session == one
    for changed in (
        [theirs[0], mine[1], mine[2]],
        [mine[0], theirs[1], mine[2]],
        [mine[0], mine[1], theirs[2]],
        [mine[0], mine[2], mine[1]],
        [mine[0], mine[1].replace(".1=", ".2="), mine[2].replace(".2=", ".1=")],
        mine[:2],
        mine[:1],
        [mine[0], mine[2]],
        mine[1:],
        [*mine, mine[1]],
        [*mine, theirs[2]],
        [mine[0], mine[1] + "~", mine[2]],
        [mine[0], mine[1], mine[2] + "~x"],
        [mine[0], f"{NAME}.1=", mine[2]],
        [mine[0] + "~" + mine[1].partition("=")[2] + "~" + mine[2].partition("=")[2]],
    ):
        read = large.read("; ".join(changed), now)
        assert (read.session, read.reason) in ((None, "broken"), (one, "ok"))
        assert read.session is None or changed == [mine[0], mine[2], mine[1]]
    assert large.read("; ".join(mine), now).session == one


@pytest.mark.row("CK-01", "CK-03")
def test_the_number_of_parts_is_sealed(large, keyring, session, now):
    """Whoever moves the boundaries between parts, or joins them into one, changes the count."""
    one = sized(session, large, 2)
    first, second = (line.partition(";")[0].partition("=")[2] for line in large.write(one, now, bytes(12), ()))
    text = first.removeprefix("2~") + second
    assert large.read(f"{NAME}=2~{text[:10]}; {NAME}.1={text[10:]}", now).reason == "ok"
    assert large.read(f"{NAME}={text}", now).reason == "broken"
    assert large.read(f"{NAME}=3~{text[:10]}; {NAME}.1={text[10:20]}; {NAME}.2={text[20:]}", now).reason == "broken"
    single = keyring.seal("session", b"\x01" + encode(session()), bytes(12))
    assert large.read(f"{NAME}={single}", now).reason == "ok"
    assert large.read(f"{NAME}=1~{single}", now).reason == "broken"
    assert large.read(f"{NAME}=2~{single[:9]}; {NAME}.1={single[9:]}", now).reason == "broken"


@pytest.mark.row("CK-03", "DS-04")
@pytest.mark.parametrize("count", ["99999999", "-1", "1e9", "0x2", "0", "1", "01", "02", "11", "100", "", "2 ", "+2", "²", "2~", "١", "2.0", "None"])
def test_a_forged_count_is_refused_before_anything_is_put_together(cookies, now, monkeypatch, count):
    monkeypatch.setattr(cookies, "_opened", lambda text: pytest.fail("nothing may be opened"))
    header = f"{NAME}={count}~AAAA; " + "; ".join(f"{NAME}.{number}=AAAA" for number in range(1, 100))
    read = cookies.read(header, now)
    assert (read.session, read.reason) == (None, "broken")
    assert len(read.present) == MAX_COOKIES


@pytest.mark.row("CK-03", "DS-04")
def test_ten_thousand_parts_are_as_good_as_ten(cookies, now):
    opened = []
    cookies._opened = lambda text: opened.append(text) or cookies._open(text)
    header = "; ".join([f"{NAME}=10~AAAA", *(f"{NAME}.{number}=AAAA" for number in range(1, 10_000))])
    read = cookies.read(header, now)
    assert (read.session, read.reason, len(read.present)) == (None, "broken", MAX_COOKIES)
    assert opened == ["~".join(["10", *["AAAA"] * 10])]


@pytest.mark.row("CK-05", "F-PR-15")
def test_over_budget_is_an_error_that_names_size_and_settings(cookies, session, now):
    one = session(claims={"groups": [f"00000000-0000-0000-0000-{number:012}" for number in range(250)]})
    with pytest.raises(LoginError) as caught:
        cookies.write(one, now, bytes(12), ())
    assert caught.value.code == "session_too_large"
    assert str(cookies.cost(one)) in caught.value.detail
    assert "session_claims" in caught.value.detail
    assert "store" in caught.value.detail
    assert "00000000" not in caught.value.detail


@pytest.mark.row("CK-05")
def test_the_budget_is_exact(names, keyring, lifetimes, session, now, browser):
    one = session(claims={"x": "y" * 3_300})
    needed = SessionCookies(names, keyring, lifetimes).cost(one)
    assert needed <= DEFAULT_BUDGET
    fits = SessionCookies(names, keyring, lifetimes, budget=needed)
    assert fits.read(browser(fits.write(one, now, bytes(12), ())), now).session == one
    with pytest.raises(LoginError):
        SessionCookies(names, keyring, lifetimes, budget=needed - 1).write(one, now, bytes(12), ())


@pytest.mark.row("CK-03", "CK-05")
def test_no_budget_allows_more_cookies_than_are_read(large, session, now):
    with pytest.raises(LoginError):
        large.write(session(claims={"x": "y" * 30_000}), now, bytes(12), ())


@pytest.mark.row("CK-13", "CK-15")
def test_over_http_the_cookie_is_plain(keyring, lifetimes, session, now):
    plain = SessionCookies(CookieNames("oidc_app", secure=False), keyring, lifetimes)
    (written,) = plain.write(session(), now, bytes(12), ())
    assert written.startswith("oidc_app_s=")
    assert "Secure" not in written
    assert plain.clear(["oidc_app_s"]) == ("oidc_app_s=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax",)


@pytest.mark.row("CK-07")
def test_max_age_follows_what_remains(cookies, session, now):
    """An hour later than the session: our clock may be set back, the browser's is another one (catalogue F-PR-10)."""

    def max_age(one, at):
        return int(re.search(r"Max-Age=(\d+)", cookies.write(one, at, bytes(12), ())[0])[1])

    assert max_age(session(), now) == 3_600 + 3_600
    assert max_age(session(), now + 0.5) == 3_600 + 3_600
    assert max_age(session(created=now - 28_700, expires=now + 100), now) == 100 + 3_600
    assert max_age(session(), now + 99_999) == 3_600


pieces = st.sampled_from([f"{NAME}=", f"{NAME}.1=", f"{NAME}.9=", "2~", "3~", "~", "AAAA", ".", "; ", ";", "=", " ", "\xa0", "\t", NAME])


@given(st.lists(pieces, max_size=30).map("".join) | st.text())
@settings(max_examples=300)
def test_no_header_makes_reading_fail(header):
    names, keyring = CookieNames("oidc_app", secure=True), Keyring(["s" * 32], "app")
    read = SessionCookies(names, keyring, Lifetimes(10, 10, 1)).read(header, 0)
    assert read.session is None
    assert read.reason in ("absent", "broken", "ambiguous")
    assert (read.reason == "absent") is (read.present == ())


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(0, 4_000))
@settings(max_examples=50)
def test_any_subject_and_size_survives(subject, size):
    cookies = SessionCookies(CookieNames("oidc_app", secure=True), Keyring(["s" * 32], "app"), Lifetimes(10, 10, 1), budget=60_000)
    one = Session(issuer="i", subject=subject, claims_json='{"x":"' + "y" * size + '"}', created=0, seen=0, expires=10)
    header = "; ".join(line.partition(";")[0] for line in cookies.write(one, 0, bytes(12), ()))
    assert cookies.read(header, 0).session == one
