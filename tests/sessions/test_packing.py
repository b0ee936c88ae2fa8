"""What stores keep of sealed text: the same text comes back, whatever it was."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oidc_middleware.sessions.packing import pack, unpack

SEALED = base64.b64encode(bytes(range(240))).decode()


def test_base64_takes_three_quarters():
    assert len(pack(SEALED)) == 3 * len(SEALED) // 4 + 1
    assert unpack(pack(SEALED)) == SEALED


@given(st.one_of(st.text(st.characters(max_codepoint=127)), st.binary().map(lambda raw: base64.b64encode(raw).decode())))
def test_every_text_comes_back(text):
    if not text.startswith("\0"):  # which no seal does
        assert unpack(pack(text)) == text


@pytest.mark.parametrize("text", [SEALED[:-1], SEALED + "\n", SEALED.replace("+", "-"), SEALED + ".sig", "QQ==", "QR==", "a.b"])
def test_what_is_no_plain_base64_stays(text):
    assert pack(text) == text.encode()


@given(st.binary())
def test_what_others_wrote_is_some_text(data):
    assert isinstance(unpack(data), str)
    assert data[:1] != b"\0" or unpack(data).isascii()


@pytest.mark.row("F-ST-11")
def test_one_text_has_one_packed_form():
    """Whoever changes a byte in the store changes the text, and with it the seal."""
    packed = pack(SEALED)
    texts = {unpack(packed[:at] + bytes([packed[at] ^ 1]) + packed[at + 1 :]) for at in range(len(packed))}
    assert len(texts) == len(packed)
    assert SEALED not in texts
