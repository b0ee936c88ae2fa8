"""What a claim must look like before anything is done with it, for the tokens that are no ID token of a login."""

from __future__ import annotations

import math
from typing import TypeGuard

from oidc_middleware.protocol.id_token import MAX_SUBJECT_LENGTH, MAX_TIME


def is_time(value: object) -> TypeGuard[float]:
    """A finite, sensible number of seconds since the epoch (RFC 7519 2, NumericDate). ``true`` is no number here."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= MAX_TIME


def is_subject(value: object) -> TypeGuard[str]:
    """A usable ``sub`` (OIDC Core 2), by the same rule as in an ID token: whoever could not sign in cannot be signed out (catalogue ID-21)."""
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
