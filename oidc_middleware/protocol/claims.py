"""What a claim must look like before anything is done with it: one rule for ID tokens and logout tokens."""

from __future__ import annotations

import math
from typing import Final, TypeGuard

#: The end of the year 9999, the last that ``datetime`` knows. Larger numbers are refused before anything is computed with them (catalogue ID-18).
MAX_TIME: Final = 253_402_300_799
#: OIDC Core 2: "MUST NOT exceed 255 ASCII characters in length".
MAX_SUBJECT_LENGTH: Final = 255


def is_time(value: object) -> TypeGuard[float]:
    """A finite, sensible number of seconds since the epoch (RFC 7519 2). Some providers send floats (Canaille); ``true`` is no number here."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= MAX_TIME


def is_subject(value: object) -> TypeGuard[str]:
    """A usable ``sub`` (OIDC Core 2). Other characters would do their harm later, in a cookie, a header or the log (catalogue ID-21)."""
    return is_printable(value, MAX_SUBJECT_LENGTH) and value == value.strip()


def is_printable(value: object, longest: int) -> TypeGuard[str]:
    """Text of 1 to *longest* characters without control, format and surrogate characters."""
    return isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()


def audiences(value: object) -> frozenset[str] | None:
    """``aud`` as a set (RFC 7519 4.1.3: text or a list of texts), ``None`` where it is something else."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        return None
    return frozenset(items)
