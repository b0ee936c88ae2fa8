"""The format of what we seal: one version byte, then a JSON array of fixed length. No pickle, no compression (catalogue CK-23, CK-25).

What opens was sealed by us, yet maybe by another version of us: everything is checked strictly, and the one answer to anything unexpected is
:class:`UnknownFormat`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NoReturn, TypeGuard

VERSION: Final = b"1"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


#: Made once: json.loads() and json.dumps() make new ones for every call with options.
_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _number(value: float) -> str:
    if value - value != 0.0:  # infinite, or no number
        raise ValueError("has no form in JSON")
    return float.__repr__(value)


def _array(values: list[Any] | tuple[Any, ...]) -> str:
    return f"[{','.join(map(_json, values))}]"


#: What JSON makes of each type. An encoder of the library costs more to set up than all that a login holds costs to write.
_WRITERS: Final[dict[type, Callable[[Any], str]]] = {
    str: json.encoder.encode_basestring,
    int: int.__repr__,
    float: _number,
    bool: {True: "true", False: "false"}.__getitem__,
    type(None): {None: "null"}.__getitem__,
    list: _array,
    tuple: _array,
}


def _json(value: object) -> str:
    write = _WRITERS.get(type(value))
    return _ENCODER.encode(value) if write is None else write(value)


#: All bytes but those that JSON escapes, quotation mark, backslash and control characters; but for the line break, which is ours here.
_PLAIN: Final = bytes({*range(0x20, 0x100), 0x0A} - {*b'"\\'})


def dump_texts(texts: list[str], time: float, *rest: int | bool | tuple[str, ...] | None) -> bytes:
    """``dump([*texts, time, *rest])``, sooner: texts that need no escapes, as nearly all do, are looked through together, and the rest repeats."""
    joined = "\n".join(texts).encode()
    listed = joined.replace(b"\n", b'","')
    if len(listed) != len(joined) + 2 * len(texts) - 2 or joined.translate(None, _PLAIN):
        return dump([*texts, time, *rest])
    return b'%b["%b",%b%b' % (VERSION, listed, _json(time).encode(), _end(*rest))


@lru_cache(64, typed=True)
def _end(*values: object) -> bytes:
    return (("," if values else "") + _array(values)[1:]).encode()


_NUMBERS: Final = (int, float)
_LARGEST: Final = sys.float_info.max


class UnknownFormat(Exception):
    """Sealed by us, but not in the format this version writes. Not to be deleted: a newer worker may know it (catalogue CK-25, F-PR-02)."""


def dump(values: list[Any]) -> bytes:
    """*values* as bytes without a line break. Raises ``ValueError`` for lone surrogates, NaN and infinities."""
    return VERSION + _array(values).encode()


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
