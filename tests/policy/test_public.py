"""Public paths: literal, whole segments, and never where two programs could read two different paths."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oidc_middleware.policy.public import PublicPaths, is_doubtful, problems

HOSTILE = Path(__file__).parent.parent / "hostile" / "paths.txt"
PATTERNS = ["/health", "/docs/*", "/static/*", "/open/inner/*"]
PUBLIC = PublicPaths(PATTERNS)


def unescaped(text):
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape")


def cases():
    for line in HOSTILE.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            title, path, target = line.split("\t")
            yield pytest.param(unescaped(path), "" if target == "-" else unescaped(target), id=title)


@pytest.mark.row("PA-02", "PA-03", "PA-04", "PA-05", "PA-06", "PA-08", "PA-15")
@pytest.mark.parametrize(("path", "target"), list(cases()))
def test_hostile_paths_are_not_public(path, target):
    assert not PUBLIC.covers(path, target)
    # No pattern opens a path that could be read in two ways, not even one that spells it out.
    if is_doubtful(path, target):
        assert not PublicPaths([path, "/*", "//*", path + "/*"]).covers(path, target)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/health", "/health"),
        ("/health", ""),
        ("/health", "/health?verbose=1&x=//..%2f%00"),
        ("/docs/", "/docs/"),
        ("/docs/a", "/docs/a"),
        ("/static/app/main.js", "/static/app/main.js"),
        ("/static/a b+c.png", "/static/a%20b+c.png"),
        ("/static/über.css", "/static/%c3%bcber.css"),
        ("/static/日本.css", "/static/%E6%97%A5%E6%9C%AC.css"),
        ("/static/..x/.hidden/x..", "/static/..x/.hidden/x.."),
        ("/static/x", "/mount/static/x"),
        ("/static/" + "d/" * 50, "/static/" + "d/" * 50),
        ("/open/inner/x/y", "/open/inner/x/y"),
    ],
)
def test_plain_paths_under_a_pattern_are_public(path, target):
    assert PUBLIC.covers(path, target)


@pytest.mark.row("PA-08")
def test_a_pattern_ends_where_a_segment_ends():
    public = PublicPaths(["/a", "/b/*"])
    assert [path for path in ("/a", "/a/", "/a/x", "/ab", "/b", "/b/", "/b/x", "/bx", "/b/x/y", "/", "/c/b/x") if public.covers(path, path)] == [
        "/a",
        "/b/",
        "/b/x",
        "/b/x/y",
    ]


@pytest.mark.row("AZ-03")
def test_nothing_is_public_unless_it_was_said():
    nothing = PublicPaths([])
    assert not any(nothing.covers(path, path) for path in ("/", "", "/health", "*", "//"))


@given(st.text() | st.lists(st.sampled_from(["/", "static", "health", ".", "..", "%", ";", "\\", "\n", "x", "?", "#"])).map("".join), st.text())
def test_whatever_is_public_is_plain(path, target):
    if PUBLIC.covers(path, target):
        assert path == "/health" or path.startswith(("/docs/", "/static/", "/open/inner/"))
        assert not any(segment in (".", "..") for segment in path.split("/"))
        assert "//" not in path
        assert path.isprintable()


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1), min_size=1))
def test_every_file_with_a_plain_name_is_public(segments):
    path = "/static/" + "/".join(segments)
    assert PUBLIC.covers(path, quote(path))
    assert not PUBLIC.covers("/private" + path, quote("/private" + path))


def test_the_cost_does_not_depend_on_the_number_of_patterns():
    many = PublicPaths([*PATTERNS, *(f"/area{number}/*" for number in range(1_000)), *(f"/page{number}" for number in range(1_000))])
    looked_up = []

    class Counting(frozenset):
        def __contains__(self, item):
            looked_up.append(item)
            return super().__contains__(item)

    many._exact, many._prefixes = Counting(many._exact), Counting(many._prefixes)
    assert not many.covers("/private/a/b/c/d/e/f/g/h", "")
    assert many.covers("/area999/x", "")
    assert not many.covers("/" + "x/" * 100_000, "")
    assert len(looked_up) <= 3 * (1 + many._longest)


@pytest.mark.row("PA-11", "DS-08")
@pytest.mark.parametrize("part", ["/..", "/.", "%", "a", "/a", "%2", ".", ";"])
def test_long_paths_are_judged_at_once(part):
    path = "/static/" + part * 100_000
    began = time.process_time()
    PUBLIC.covers(path, path)
    assert time.process_time() - began < 20, "work that grows with the rules, not milliseconds, is what this finds"


@pytest.mark.parametrize("patterns", [[], ["/health"], ["/static/*", "/favicon.ico", "/.well-known/*"], ("/a-b_c~d/über/c++/x@y:z,w=&!'",), ["/a b"]])
def test_usable_patterns_have_no_problems(patterns):
    assert problems(patterns) == []


@pytest.mark.row("CF-01", "PA-11", "AZ-03")
@pytest.mark.parametrize(
    "pattern",
    [
        "/",
        "/*",
        "",
        "health",
        "*",
        "static/*",
        "https://app.example.com/health",
        "^/health$",
        "/health$",
        "/(a|b)",
        "/static/**",
        "/static*",
        "/*/x",
        "/static/.+",
        "/static/.*",
        "/a?b",
        "/[ab]",
        "/{id}",
        "/a\\b",
        "//",
        "//x",
        "/a//b",
        "/a/../b",
        "/a/.",
        "/a;b",
        "/a%20b",
        "/a#b",
        "/a\n",
        "/\x00",
        "/\u2028",
        "/\ufffd",
        None,
        1,
        b"/x",
        ["/x"],
    ],
)
def test_patterns_that_would_surprise_are_problems(pattern):
    (problem,) = problems(["/fine", pattern, "/static/*"])
    assert problem.startswith("public: ")
    assert repr(pattern)[:20] in problem
    assert problem.isprintable()


@pytest.mark.parametrize("value", ["/health", b"/health", None, {"/health": 1}, 1, {"/health"}])
def test_a_single_text_is_no_list(value):
    assert problems(value) == ["public: a list of paths is needed"]


def test_every_mistake_is_named_and_cut():
    found = problems(["x" * 10_000, "/*", "/ok", "/("])
    assert len(found) == 3
    assert all(len(problem) < 400 for problem in found)
