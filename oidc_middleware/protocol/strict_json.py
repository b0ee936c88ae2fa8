"""JSON as the security checks need it: one meaning for each text, whoever reads it.

The standard library's reader takes the last of two equal members, ``NaN``, integers of 4,300 digits and lone surrogates, guesses UTF-16, and
answers deep nesting with ``RecursionError`` (catalogue Appendix A 11). RFC 8259 4 and 8.2 and RFC 7493 (I-JSON) name the same hazards.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

#: No provider document nests deeper than about 6 levels; mod_auth_openidc and simdjson-based readers bound it as well, far higher.
MAX_DEPTH: Final = 32
#: A 64-bit integer with its sign has 20 characters. No claim is a larger number.
MAX_INTEGER_LENGTH: Final = 20

# Strings are consumed whole, also an unterminated one, so that the scan is linear on any input.
_TOKENS: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def loads(data: bytes | str, *, max_depth: int = MAX_DEPTH, huge_numbers_as_none: bool = False) -> Any:
    """The value of a JSON text in UTF-8.

    Raises ``ValueError`` for everything RFC 7493 warns of: duplicate names, ``NaN`` and ``Infinity``, a byte order mark, broken UTF-8, lone
    surrogates, integers beyond 64 bits and floats beyond double precision (which become ``None`` with *huge_numbers_as_none*), and nesting
    deeper than *max_depth*. The error's text never repeats the input.
    """
    text = _decoded(data)
    _check_depth(text, max_depth)

    def bounded(number: float | None) -> float | None:
        if number is None and not huge_numbers_as_none:
            raise ValueError("a number is out of range")
        return number

    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=lambda digits: bounded(_integer(digits)),
            parse_float=lambda digits: bounded(_real(digits)),
        )
    except json.JSONDecodeError as error:
        # JSONDecodeError carries the whole document: it must not travel on.
        raise ValueError(f"not JSON: {error.msg} at character {error.pos}") from None
    _check_surrogates(text, value)
    return value


def loads_object(data: bytes | str, *, max_depth: int = MAX_DEPTH, huge_numbers_as_none: bool = False) -> dict[str, Any]:
    """As :func:`loads`, for a JSON object; raises ``ValueError`` for any other value (catalogue ID-23)."""
    value = loads(data, max_depth=max_depth, huge_numbers_as_none=huge_numbers_as_none)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _decoded(data: bytes | str) -> str:
    if isinstance(data, bytes):
        try:
            data = data.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError("not UTF-8") from None
    if data.startswith("\ufeff"):
        raise ValueError("a byte order mark")
    return data


def _check_depth(text: str, max_depth: int) -> None:
    """Judge nesting before the parser recurses into it."""
    if text.count("[") + text.count("{") <= max_depth:
        return
    depth = 0
    for match in _TOKENS.finditer(text):
        found = match.group()
        if found in "[{":
            depth += 1
            if depth > max_depth:
                raise ValueError("nested too deeply")
        elif found in "]}":
            depth -= 1


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= MAX_INTEGER_LENGTH else None


def _real(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name occurs twice in an object")
    return result


def _constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _check_surrogates(text: str, value: Any) -> None:
    """A lone surrogate would fail much later, when something encodes it for a cookie, a header or the log (catalogue ID-21)."""
    if _SURROGATE_ESCAPE.search(text) is None and text.isascii():
        return
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate") from None
