"""Addresses in the one spelling that is compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oidc_middleware.policy.email import parse_address, parse_domain


@pytest.mark.parametrize(
    ("value", "text", "domain"),
    [
        ("ada@example.com", "ada@example.com", "example.com"),
        ("Ada.Lovelace+x@Sub.Example.COM", "ada.lovelace+x@sub.example.com", "sub.example.com"),
        ("o'brien_{x}!#$%&*/=?^`|~-@example.com", "o'brien_{x}!#$%&*/=?^`|~-@example.com", "example.com"),
        ("ada@localhost", "ada@localhost", "localhost"),
        ("ada@xn--mnchen-3ya.example", "ada@xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("mu\u0308ller@example.com", "m\u00fcller@example.com", "example.com"),
        ("\uff76\uff85@example.com", "\u30ab\u30ca@example.com", "example.com"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com", "example.com"),
    ],
)
def test_addresses(value, text, domain):
    assert parse_address(value) == (text, domain)
    assert parse_domain(domain) == domain


@pytest.mark.row("AZ-02")
@pytest.mark.parametrize(
    "value",
    ["", ".", "a.", ".a", "a..b", "a b", "a@b", "-a", "a-", "a_b", "*", "*.a", "a/b", "a:1", "[::1]", "a\x00", "\uff41", "a\uff0eb", "a" * 256],
)
def test_what_is_no_domain(value):
    assert parse_domain(value) is None
    assert parse_address(f"x@{value}") is None


@given(st.text() | st.lists(st.sampled_from(["@", "a", ".", "\uff20", "\u00e9", " ", '"', "-", "b.c", "\u2100"])).map("".join))
def test_whatever_is_an_address_is_plain_and_stays_the_same(value):
    address = parse_address(value)
    if address is not None:
        local, domain = address.text.split("@")
        assert domain == address.domain == parse_domain(domain)
        assert value.count("@") == 1
        assert parse_address(address.text) == address
        assert local
        assert local.isprintable()
        assert not set(address.text) & set(' "(),:;<>[]\\')


@given(st.one_of(st.none(), st.integers(), st.booleans(), st.binary(), st.lists(st.text()), st.dictionaries(st.text(), st.text())))
def test_what_is_no_text_is_no_address(value):
    assert parse_address(value) is None
