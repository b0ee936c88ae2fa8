"""Reading request parameters: strictly, and without forgetting that one was sent twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import parse_qsl, unquote

from oidc_middleware.provider.refusals import FatalRequest

#: A raw query string or form body, pairs in the order they came, or a mapping (a value that is a list counts as repeated).
Parameters: TypeAlias = str | Mapping[str, "str | Sequence[str] | object"] | Iterable[tuple[str, str]]

MAX_PARAMETERS: Final = 100  # far above what OpenID Connect defines; 1,000 is Django's default for a whole form
MAX_VALUE: Final = 16_384  # an ID token as id_token_hint is the longest legitimate value

_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Parsed(NamedTuple):
    """``values`` has one value a name, without the empty ones; ``repeated`` the names that came more than once (RFC 6749 3.1)."""

    values: dict[str, str]
    repeated: frozenset[str]


def read_parameters(parameters: Parameters) -> Parsed:
    """One value for each name, and the names that were repeated. Raises :class:`FatalRequest` for what cannot be read at all.

    A parameter without a value counts as left out (RFC 6749 3.1); sending it twice is still sending it twice.
    """
    pairs = list(_pairs(parameters))
    if len(pairs) > MAX_PARAMETERS:
        raise FatalRequest("invalid_request", "The request has too many parameters.")
    if any(len(value) > MAX_VALUE or _CONTROL.search(name + value) for name, value in pairs):
        raise FatalRequest("invalid_request", "The request has a parameter that is too long or contains control characters.")
    names = [name for name, _ in pairs]
    return Parsed({name: value for name, value in pairs if value}, frozenset(name for name in names if names.count(name) > 1))


def _pairs(parameters: Parameters) -> Iterable[tuple[str, str]]:
    if isinstance(parameters, str):
        return _decoded(parameters)
    if isinstance(parameters, Mapping):
        return _mapping_pairs(parameters)
    return parameters


def _decoded(encoded: str) -> list[tuple[str, str]]:
    """Decode ``application/x-www-form-urlencoded``; a broken escape or broken UTF-8 is refused, not guessed at."""
    if _BROKEN_ESCAPE.search(encoded):
        raise FatalRequest("invalid_request", "The request is not properly percent-encoded.")
    try:
        return parse_qsl(encoded, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError:  # UnicodeDecodeError is one as well
        raise FatalRequest("invalid_request", "The request is not properly encoded.") from None


def _mapping_pairs(mapping: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    for name, value in mapping.items():
        if value is None:
            continue
        if isinstance(value, (list, tuple)):
            yield from ((name, str(item)) for item in value)
        else:
            yield name, str(value)


def form_unquote(text: str) -> str:
    """Undo the form encoding of one value (RFC 6749 2.3.1: client id and secret inside the Basic header). Raises ``ValueError``."""
    if _BROKEN_ESCAPE.search(text):
        raise ValueError("broken percent-encoding")
    return unquote(text.replace("+", " "), errors="strict")
