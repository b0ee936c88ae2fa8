"""What is written by hand is what the library's encoder writes, to the byte."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oidc_middleware.sessions.codec import VERSION, dump, dump_texts, load

texts = st.text(st.characters(exclude_categories=["Cs"]))
plain = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FF, exclude_characters='"\\'))
times = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(st.none() | st.booleans() | st.integers() | times | texts, st.lists)


def by_the_library(listed):
    return VERSION + json.dumps(listed, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


@given(st.lists(values))
def test_arrays(listed):
    assert dump(listed) == by_the_library(listed)
    assert load(dump(listed), len(listed)) == listed


def test_what_is_no_plain_value_goes_to_the_library():
    class Number(float):
        """A float of another type."""

    listed = [Number(1.5), {"a": [1, None]}, ("b", (True,))]
    assert dump(listed) == by_the_library(listed)


@given(st.lists(plain | texts, min_size=1), times, st.none() | st.integers(), st.lists(texts).map(tuple), st.booleans())
def test_texts_and_what_follows_them(listed, time, count, more, truth):
    assert dump_texts(listed, time, count, more, truth) == by_the_library([*listed, time, count, more, truth])


@pytest.mark.parametrize(
    "listed", [["a\nb"], ["a", "b\n"], ["\n", "\n"], ['"'], ["a", '","'], ["\\"], ["\x00"], ["\x1f", "\x7f"], ["é\u2028"], [""], ["", ""]]
)
def test_texts_that_need_escapes(listed):
    assert dump_texts(listed, 1.5) == by_the_library([*listed, 1.5])


def test_numbers_and_truth_values_are_told_apart():
    """They are equal, and equal values share an entry in a cache that does not look at types."""
    for value in (1, True, 0, False, None, ()):
        assert dump_texts(["a"], 1.0, value) == by_the_library(["a", 1.0, value])
        assert dump_texts(["a"], 1.0, value, None) == by_the_library(["a", 1.0, value, None])


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_has_no_form_is_not_written(wrong):
    for write in (
        lambda: dump([wrong]),
        lambda: dump([[wrong]]),
        lambda: dump_texts(["a"], wrong),
        lambda: dump(["\ud800"]),
        lambda: dump_texts(["\ud800"], 1.0),
    ):
        with pytest.raises(ValueError):
            write()
