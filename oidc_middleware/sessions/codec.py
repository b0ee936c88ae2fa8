"""The format of what we seal: one version byte, then a JSON array of fixed length. No pickle, no compression (catalogue CK-23, CK-25).

What opens was sealed by us, yet maybe by another version of us: everything is checked strictly, and the one answer to anything unexpected is
:class:`UnknownFormat`.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final, NoReturn, TypeGuard

VERSION: Final = b"1"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


#: Made once: json.loads() and json.dumps() make new ones for every call with options.
_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


_NUMBERS: Final = (int, float)
_LARGEST: Final = sys.float_info.max


class UnknownFormat(Exception):
    """Sealed by us, but not in the format this version writes. Not to be deleted: a newer worker may know it (catalogue CK-25, F-PR-02)."""


def dump(values: list[Any]) -> bytes:
    """*values* as bytes without a line break. Raises ``ValueError`` for lone surrogates, NaN and infinities."""
    return VERSION + _ENCODER.encode(values).encode()


def load(data: bytes, length: int) -> list[Any]:
    """The array of *length* values behind the version byte. Raises :class:`UnknownFormat`."""
    if data[:1] != VERSION:
        raise UnknownFormat
    try:
        text = data[1:].decode()
        values, end = _DECODER.raw_decode(text)  # decode() would look for white space, which dump() never writes
    except (ValueError, RecursionError):
        raise UnknownFormat from None
    if end != len(text) or not isinstance(values, list) or len(values) != length:
        raise UnknownFormat
    return values


def require(condition: bool) -> None:
    """Raise :class:`UnknownFormat` unless *condition* holds."""
    if not condition:
        raise UnknownFormat


def is_text(value: object) -> TypeGuard[str]:
    """A string that can be encoded: JSON escapes can spell lone surrogates."""
    if not isinstance(value, str):
        return False
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def is_texts(value: object) -> TypeGuard[list[str]]:
    """A list of strings."""
    return isinstance(value, list) and all(is_text(item) for item in value)


def is_time(value: object) -> TypeGuard[float]:
    """Seconds since the epoch: a finite number that fits a float, and no truth value."""
    return type(value) in _NUMBERS and -_LARGEST <= value <= _LARGEST  # type: ignore[operator]  # the type is one of the two


def is_count(value: object) -> TypeGuard[int]:
    """An integer, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)
