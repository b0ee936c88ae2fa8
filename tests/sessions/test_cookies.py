"""The Cookie header, read byte by byte; the Set-Cookie header, always with the same attributes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oidc_middleware.sessions.cookies import CookieNames, cookie_label, cost, delete_cookie, find, find_prefix, set_cookie, short_hash

NAME = "__Host-oidc_app_s"
HOSTILE = Path(__file__).parent.parent / "hostile" / "cookies.txt"


def cases():
    for line in HOSTILE.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            title, header, expected = line.split("\t")
            header = header.replace("name.upper()", NAME.upper())
            header = header.replace("NAME", NAME).replace("BARE", NAME.removeprefix("__Host-")).encode("latin-1").decode("unicode_escape")
            yield pytest.param(header, json.loads(expected.replace("NAME", NAME)), id=title)


@pytest.mark.row("CK-08", "CK-09", "CK-10", "CK-11")
@pytest.mark.parametrize(("header", "expected"), list(cases()))
def test_a_name_is_its_exact_bytes(header, expected):
    assert find(header, NAME) == expected
    assert find_prefix(header, NAME).get(NAME, []) == expected


def reference(header, name):
    """The rule as one would write it without looking at the time it takes."""
    found = []
    for pair in header.split(";"):
        left, equals, value = pair.strip(" \t").partition("=")
        if equals and left == name:
            found.append(value.strip(" \t"))
    return found


@given(st.lists(st.sampled_from(["n", "n=", "=", ";", "; ", " ", "\t", "a", "an=", "x", "\xa0", '"', "n=n=", "\x00"]), max_size=25).map("".join))
def test_searching_finds_what_splitting_finds(header):
    assert find(header, "n") == reference(header, "n")
    assert find_prefix(header, "n").get("n", []) == reference(header, "n")


@given(st.text(), st.text(alphabet="abc_", min_size=1))
def test_no_header_makes_the_parser_fail(header, name):
    assert find(header, name) == reference(header, name)
    assert all(found.startswith(name) for found in find_prefix(header, name))


@pytest.mark.row("CK-12")
def test_several_headers_joined_lose_nothing():
    joined = "a=1; n=x; n.1=y; b=2"
    assert find(joined, "n") == ["x"]
    assert find(joined, "n.1") == ["y"]
    assert find_prefix(joined, "n") == {"n": ["x"], "n.1": ["y"]}


def test_a_prefix_finds_all_values_in_the_order_of_the_header():
    assert find_prefix("l_b=1; x=2; l_a=3; l_b=4; l_; l_c=", "l_") == {"l_b": ["1", "4"], "l_a": ["3"], "l_c": [""]}
    assert find_prefix("a=l_b", "l_") == {}
    assert find_prefix("", "l_") == {}


@pytest.mark.row("DS-04", "DS-08", "CK-03")
@pytest.mark.parametrize("part", ["n=;", "n=", "  ", ";", "a=n=;", "\t;n ", "n=x; n=y; "])
def test_the_work_grows_no_faster_than_the_header(part):
    class Counting(str):
        """Counts the characters that are looked at one by one."""

        __slots__ = ()
        looks = 0

        def __getitem__(self, key):
            type(self).looks += 1
            return super().__getitem__(key)

    header = Counting(part * 20_000)
    found = find(header, "n")
    assert found == reference(str(header), "n")
    assert Counting.looks <= 4 * len(header)


@pytest.mark.row("CK-20", "CF-02")
def test_every_application_on_a_host_has_its_own_names():
    labels = {cookie_label(client, mount) for client in ("a", "b", "a/x", "1:a") for mount in ("", "/x", "/y", "x")}
    assert len(labels) == 16
    assert cookie_label("a", "/x") == cookie_label("a", "/x")
    assert all(CookieNames(label, secure=True).session for label in labels)


@pytest.mark.row("CK-08", "CK-15", "CK-20")
def test_names_carry_the_host_prefix_on_https_only():
    secure, plain = CookieNames("oidc_app", secure=True), CookieNames("oidc_app", secure=False)
    for attribute in ("session", "login_prefix", "rounds"):
        assert getattr(secure, attribute) == "__Host-" + getattr(plain, attribute)
    assert len({secure.session, secure.login_prefix, secure.rounds}) == 3
    assert not secure.session.startswith(secure.login_prefix)
    assert not secure.rounds.startswith(secure.login_prefix)
    assert not secure.rounds.startswith(secure.session)
    assert (secure.secure, plain.secure) == (True, False)


@pytest.mark.parametrize("label", ["", "a b", "a;b", "a=b", "ä", "a\n", "x" * 65])
def test_unusable_labels_are_refused(label):
    with pytest.raises(ValueError, match="cookie name"):
        CookieNames(label, secure=True)


@pytest.mark.row("CK-13")
def test_the_attributes():
    assert set_cookie("__Host-n", "v", max_age=5, secure=True) == "__Host-n=v; Max-Age=5; Path=/; HttpOnly; Secure; SameSite=Lax"
    assert set_cookie("n", "v", max_age=None, secure=False) == "n=v; Path=/; HttpOnly; SameSite=Lax"
    assert set_cookie("n", "v", max_age=5, secure=True, same_site="None") == "n=v; Max-Age=5; Path=/; HttpOnly; Secure; SameSite=None"
    assert set_cookie("n", "v", max_age=5, secure=True, same_site="Strict").endswith("SameSite=Strict")
    # SameSite=None without Secure is refused by browsers, so over http it is left out.
    assert set_cookie("n", "v", max_age=5, secure=False, same_site="None") == "n=v; Max-Age=5; Path=/; HttpOnly"


@pytest.mark.row("CK-13")
@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("same_site", ["Lax", "None", "Strict"])
def test_a_deletion_has_the_attributes_of_what_it_deletes(secure, same_site):
    written = set_cookie("n", "v", max_age=60, secure=secure, same_site=same_site)
    deleted = delete_cookie("n", secure=secure, same_site=same_site)
    assert written.replace("n=v; Max-Age=60", "n=; Max-Age=0") == deleted
    assert "omain" not in written + deleted


@pytest.mark.row("RD-15")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", "a;b"),
        ("n", "a b"),
        ("n", "a\r\nb"),
        ("n", 'a"b'),
        ("n", "a,b"),
        ("n", "a\\b"),
        ("n", "ä"),
        ("n", "\x00"),
        ("", "v"),
        ("a b", "v"),
        ("a=b", "v"),
        ("n\n", "v"),
    ],
)
def test_nothing_but_a_cookie_gets_into_the_header(name, value):
    with pytest.raises(ValueError, match="not usable as a cookie"):
        set_cookie(name, value, max_age=1, secure=True)


def test_an_unknown_same_site_is_refused():
    with pytest.raises(ValueError, match="SameSite"):
        set_cookie("n", "v", max_age=1, secure=True, same_site="Lax; Domain=evil")


def test_the_cost_is_what_the_header_grows_by():
    assert len("a=b; " + "name=value") - len("a=b") == cost("name", len("value"))


@given(st.text(), st.integers(1, 40))
def test_the_hash_takes_any_text(text, length):
    assert len(short_hash(text, length)) == length
    assert short_hash("\ud800", 8) != short_hash("\ud801", 8)
