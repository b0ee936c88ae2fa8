"""base64url as RFC 7515 2 has it: no padding, no white space, one spelling for each value."""

from __future__ import annotations

import base64
import re
from typing import Final

from authlib.common.encoding import urlsafe_b64encode

_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*")


def decode(text: str) -> bytes:
    """The bytes of *text*. ``ValueError`` for padding, foreign characters, an impossible length and unused bits that are set (catalogue ID-24)."""
    if _ALPHABET.fullmatch(text) is None or len(text) % 4 == 1:
        raise ValueError("not base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(data) != text:
        raise ValueError("not canonical base64url")
    return data


def encode(data: bytes) -> str:
    """The one base64url text of *data*."""
    text: bytes = urlsafe_b64encode(data)
    return text.decode("ascii")
