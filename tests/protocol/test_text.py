"""Foreign text in log lines: catalogue DI-15."""

import pytest

from oidc_middleware.protocol.text import MAX_SHOWN, masked, shown


def test_shown_escapes_and_truncates():
    assert shown("a\r\nb\x1b[31m\u202eé") == "'a\\r\\nb\\x1b[31m\\u202e\\xe9'"
    assert len(shown("x" * 10_000)) == MAX_SHOWN
    assert len(shown("\u202e" * 10_000)) == MAX_SHOWN
    assert shown(12) == "12"
    assert shown(None) == "None"
    assert shown({"secret": "s"}) == "<dict>"
    assert shown(["s"]) == "<list>"


@pytest.mark.row("DI-15")
def test_masked_hides_what_looks_like_a_secret_and_keeps_what_operators_need():
    text = "code SplxlOBeZQQYbYS6WxSbIA.abc-def_1 is used; trace 3f2504e0-4f89-11d3-9a0c-0305e82c3301 at AADSTS70008"
    result = masked(text)
    assert "SplxlOBe" not in result
    assert "3f2504e0-4f89-11d3-9a0c-0305e82c3301" in result
    assert "AADSTS70008" in result
    assert "is used" in result


@pytest.mark.row("DI-15")
@pytest.mark.parametrize(
    "secret", ["3f2504e0-4f89-11d3-9a0c-0305e82c3301-and-more-secret", "x3f2504e0-4f89-11d3-9a0c-0305e82c3301", "A" * 20, "a/b+c=d~e.f_g-h1234567"]
)
def test_a_secret_with_a_uuid_in_it_is_still_a_secret(secret):
    assert masked(f"before {secret} after") == "'before [masked] after'"
    assert masked(secret) == "'[masked]'"


def test_masking_comes_before_truncation():
    assert "B" * 20 not in masked("word " * 35 + "B" * 100)
    assert masked(7) == "7"
