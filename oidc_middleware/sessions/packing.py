"""Sealed text as bytes, for stores: base64 takes a third more than what it stands for, which cookies need and stores do not."""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64
from typing import Final

#: Begins what is packed; no sealed text begins like this.
_PACKED: Final = b"\0"


def pack(text: str) -> bytes:
    """*text* in three quarters of its length where it is base64 (RFC 4648 4) without padding, else as it is. Error: ``ValueError``, not ASCII."""
    data = text.encode("ascii")
    try:
        raw = a2b_base64(data)
    except Error:
        return data
    return _PACKED + raw if b2a_base64(raw, newline=False) == data and not data.endswith(b"=") else data


def unpack(data: bytes) -> str:
    """The text that :func:`pack` was given. Never raises: what others wrote becomes a text that no seal fits."""
    if data[:1] == _PACKED:
        return b2a_base64(data[1:], newline=False).decode("ascii")
    return data.decode("latin-1")
