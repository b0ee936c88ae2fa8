"""Return paths: every payload judged by a URL parser that works as browsers do."""

from __future__ import annotations

import itertools
from pathlib import Path
from urllib.parse import quote, unquote

import ada_url
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oidc_middleware.policy.return_to import MAX_LENGTH, safe_return_to

ORIGIN = "https://app.example.com"
PAYLOADS = Path(__file__).parent.parent / "hostile" / "redirect_payloads.tsv"


def judge(value, prefix="/oidc", default="/landing"):
    return safe_return_to(value, own_prefix=prefix, default=default)


def origin(value):
    """Where a browser on our page goes; ``INVALID`` when it goes nowhere."""
    try:
        return ada_url.URL(value, base=ORIGIN + "/oidc/callback").origin
    except (ValueError, UnicodeEncodeError):
        return "INVALID"


def payloads():
    for line in PAYLOADS.read_text("utf-8").splitlines()[1:]:
        group, payload, resolved = line.split("\t")
        yield group, payload.encode("latin-1", "backslashreplace").decode("unicode_escape"), resolved


def decoded(payload):
    once = unquote(payload, errors="replace")
    return [payload, once, unquote(once, errors="replace")]


GROUPS = {group: list(members) for group, members in itertools.groupby(sorted(payloads()), key=lambda item: item[0])}


def test_the_list_is_complete_and_read_as_it_was_written():
    everything = list(payloads())
    assert len(everything) == 2_769
    assert [payload for _, payload, resolved in everything if origin(payload) != resolved] == []


@pytest.mark.row("RD-01", "RD-02", "RD-03", "RD-04", "RD-05", "RD-06", "RD-07", "RD-08", "RD-09", "RD-10", "RD-11", "RD-15", "RD-20")
@pytest.mark.parametrize("group", GROUPS)
def test_no_payload_leaves_the_origin_however_often_it_is_decoded(group):
    accepted = 0
    for _, payload, _ in GROUPS[group]:
        for value in decoded(payload):
            result = judge(value)
            assert result in (value, "/landing")
            if result == value:
                accepted += 1
                for later in decoded(result):
                    assert origin(later) == ORIGIN, (payload, later)
                assert ada_url.URL(result, base=ORIGIN).href.startswith(ORIGIN + "/")
                assert result.isascii()
                assert result.isprintable()
    assert accepted < 3 * len(GROUPS[group])


@pytest.mark.row("RD-01", "RD-02", "RD-03", "RD-04", "RD-05", "RD-07", "RD-08", "RD-11", "RD-13", "RD-15")
@pytest.mark.parametrize(
    "value",
    [
        *("/" * count + "evil.example" for count in range(2, 7)),
        "",
        "/\\evil.example",
        "\\/evil.example",
        "\\\\evil.example",
        "/\\/evil.example",
        "https:\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r\n/evil.example",
        "/ok\r\nSet-Cookie: a=b",
        "/\x0b/evil.example",
        "/\x00/evil.example",
        "/ok\x7f",
        "/ok?x=\\evil.example",
        "/ok#\\evil.example",
        "/ok?x=\u00e9",
        "/ok ",
        " /ok",
        "\x01//evil.example",
        "\u00a0//evil.example",
        "\ufeff/ok",
        "/caf\u00e9",
        "/\u3000",
        "/\ud800",
        "http:evil.example",
        "https:/evil.example",
        "https://app.example.com/",
        "javascript:alert(1)",
        "javascript://app.example.com/%0aalert(1)",
        "data:text/html,x",
        "evil.example",
        "?x=y",
        "#x",
        ".",
        "/.//evil.example",
        "/..//evil.example",
        "/%2e//evil.example",
        "/./\\evil.example",
        "/a//b",
        "/a/../b",
        "/a/..",
        "/a/%2e%2e/b",
        "/a/.",
        "/%2fevil.example",
        "/%2Fevil.example",
        "/%5cevil.example",
        "/%252fevil.example",
        "/%255cevil.example",
        "/%09/evil.example",
        "/%0d%0aSet-Cookie:a=b",
        "/%00",
        "/%2500",
        "/a/%2f/b",
        "/a%2f%2fb",
    ],
)
def test_doubtful_paths_become_the_landing_page(value):
    assert judge(value) == "/landing"


@pytest.mark.row("RD-06", "RD-11")
@pytest.mark.parametrize(
    "value",
    [
        "/",
        "/reports",
        "/reports/",
        "/reports/2026/11?x=1&y=2",
        "/reports?next=https://elsewhere.example/a//b&back=..%2F..",
        "/search?q=a%20b%2Bc%26d&empty=&q=twice",
        "/search?q=%E2%82%AC%20%C3%BC",
        "/caf%C3%A9/%E6%97%A5%E6%9C%AC",
        "/caf%E9",
        "/projects/group%2Fname/tree",
        "/files/a%20b%25c.txt",
        "/100%",
        "/a.b/..c/d../...",
        "/~ada/x;y=1,2/(a)!$'*+:@=",
        "/app#/route/../x",
        "/app?x#//fragment",
        '/path|with^odd`chars{}"<>',
        "/oidcx",
        "/oidc-docs/callback",
        "/x/oidc/callback",
        "/?/oidc/callback",
        "/" + "a" * (MAX_LENGTH - 1),
    ],
)
def test_deep_links_come_back_untouched(value):
    assert judge(value) == value
    assert origin(value) == ORIGIN


@pytest.mark.row("RD-16")
@pytest.mark.parametrize("mount", ["", "/dash"])
@pytest.mark.parametrize(
    "rest", ["", "/", "/callback?code=x&state=y", "/logout", "/login", "/signed-out#x", "?x", "#x", "%2flogout", "/%6cogout", "/nothing"]
)
def test_our_own_endpoints_are_no_place_to_return_to(mount, rest):
    for prefix in ("/oidc", "/%6fidc", "/%6Fidc", "/%256fidc", "/oid%63"):
        assert judge(mount + prefix + rest, prefix=mount + "/oidc") == "/landing"
    assert judge("/other" + rest, prefix=mount + "/oidc") == "/other" + rest


@pytest.mark.row("RD-17")
@pytest.mark.parametrize("length", [MAX_LENGTH + 1, 16_384, 100_000])
def test_a_path_that_is_too_long_is_refused_not_cut(length):
    assert judge("/" + "a" * (length - 1)) == "/landing"


@pytest.mark.row("RD-21")
@pytest.mark.parametrize("value", [None, 1, True, b"/ok", ["/ok"], ("/ok",), {"/ok": 1}, object()])
def test_what_is_no_text_becomes_the_landing_page(value):
    assert judge(value) == "/landing"


@pytest.mark.row("DS-08")
@pytest.mark.parametrize("part", ["%25", "/..", "%2", "/%2e", "a/", ".", "?"])
def test_the_longest_values_are_judged_at_once(part):
    value = ("/" + part * MAX_LENGTH)[:MAX_LENGTH]
    assert judge(value) in (value, "/landing")


pieces = st.sampled_from(
    [*"/\\.?#@:%&=;a \t\n\x00\u00e9", "//", "/..", "%2f", "%5c", "%2e", "%09", "%25", "evil.example", "http:", "oidc", "app.example.com"]
)


@given(st.lists(pieces, max_size=12).map("".join) | st.text())
@settings(max_examples=2_000)
def test_whatever_is_accepted_stays_here_however_often_it_is_decoded(value):
    for start in (value, "/" + value):
        result = judge(start)
        assert result in (start, "/landing")
        for later in decoded(result):
            assert origin(later) == ORIGIN
            path = ada_url.URL(later, base=ORIGIN).pathname
            assert path != "/oidc"
            assert not path.startswith(("/oidc/", "//"))


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(lambda text: text not in (".", "..")), min_size=1, max_size=5
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
)
def test_any_path_of_an_application_with_any_query_is_kept(segments, query):
    """Segments as a browser would write them; those that decode to something doubtful are the landing page's."""
    encoded = [quote(segment, safe="") for segment in segments]
    value = "/" + "/".join(encoded) + "?q=" + quote(query, safe="")
    plain = all(character not in segment for segment in segments for character in "/\\%") and segments[0] != "oidc"
    assert judge(value) == value or len(value) > MAX_LENGTH or not plain
