"""Foreign text in log lines: catalogue DI-15."""

import pytest

from oidc_middleware.errors import ProviderError
from oidc_middleware.protocol.messages import HttpResponse
from oidc_middleware.protocol.responses import json_body
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


@pytest.mark.row("DI-15", "F-OP-10")
def test_the_beginning_of_a_secret_looks_shorter_than_it_is():
    """Where a text is cut, a secret may be cut too, and its beginning is no long word any more. Masked words make room for it."""
    secret = "canary-secret-0123456789-abcdef"
    for text in ("A" * 780 + " " + secret, "A" * 785 + " " + secret * 5):
        assert "canary" not in masked(text)
    assert "canary" not in masked("short " + secret[:15], cut=True)
    assert masked("short words only", cut=True) == "'short words '"
    assert masked("short words only") == "'short words only'"
    page = HttpResponse(200, {"content-type": "text/html"}, b"word" + b" " * 1_980 + secret.encode() * 3)
    with pytest.raises(ProviderError) as caught:
        json_body(page, "userinfo_invalid", "userinfo")
    assert caught.value.detail == "userinfo: 'text/html', no JSON: 'word '"
