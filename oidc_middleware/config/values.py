"""Readers of single values. Each takes what the operator wrote, from code or as text, and returns the value or raises ``ValueError``.

The error's sentence goes to the operator behind the setting's name. It never repeats the value: a secret may stand in the wrong place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from types import MappingProxyType
from typing import Any, Final

_NUMBER: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?")
_SWITCH: Final = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def text(value: object) -> str:
    """A non-empty string without control characters and without space around it, which is what a careless paste leaves behind."""
    if not isinstance(value, str):
        raise ValueError(f"must be a string, not {type(value).__name__}")
    if not value:
        raise ValueError("is empty")
    if _CONTROL.search(value):
        raise ValueError("contains control characters or line breaks")
    if value != value.strip():
        raise ValueError("has white space around it")
    return value


def client_id(value: object) -> str:
    """RFC 6749 A.1: printable ASCII."""
    identifier = text(value)
    if not identifier.isascii():
        raise ValueError("may only contain printable ASCII characters (RFC 6749 A.1)")
    return identifier


def title(value: object) -> str:
    """A short name for pages; may be empty."""
    name = text(value) if value != "" else ""
    if len(name) > 100:
        raise ValueError("is longer than 100 characters")
    return name


def switch(value: object) -> bool:
    """A truth value; as text ``true``/``false``, ``yes``/``no``, ``on``/``off``, ``1``/``0``."""
    if isinstance(value, bool):
        return value
    known = _SWITCH.get(value.strip().lower()) if isinstance(value, str) else None
    if known is None:
        raise ValueError("must be true or false")
    return known


def seconds(low: float, high: float) -> Callable[[object], float]:
    """A reader of durations within *low* and *high* seconds, strictly numeric (catalogue CF-01: "300x")."""

    def read(value: object) -> float:
        if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError("must be a number of seconds")
        if not low <= value <= high:
            raise ValueError(f"must be between {low:g} and {high:g} seconds")
        return float(value)

    return read


def one_of(*choices: str) -> Callable[[object], str]:
    """A reader of one of *choices*."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return read


def words(value: object) -> tuple[str, ...]:
    """Several strings; as text separated by white space or commas, or a JSON array. A repeated one counts once."""
    if isinstance(value, str):
        value = from_json(value) if value.lstrip().startswith("[") else value.replace(",", " ").split()
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise ValueError(f"must be a list of strings, not {type(value).__name__}")
    if not all(isinstance(item, str) for item in value):
        raise ValueError("must contain strings only")
    items = sorted(value) if isinstance(value, (set, frozenset)) else value
    return tuple(dict.fromkeys(text(item) for item in items))


def from_json(value: str) -> Any:
    """What *value* says as JSON. The parser's own message stays behind, since it would quote the value."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        pass
    raise ValueError("is not valid JSON")


def mapping(value: object) -> Mapping[str, object]:
    """Names and values; as text a JSON object."""
    if isinstance(value, str):
        value = from_json(value)
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError("must be a mapping from names to values")
    return MappingProxyType(dict(value))


def allow(value: object) -> object:
    """The allow rules as ``policy.allow`` reads them; as text JSON, or rules separated by white space or commas."""
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        return from_json(value)
    if isinstance(value, str):
        return list(words(value))
    return value


def scopes(value: object) -> tuple[str, ...]:
    """Scope names (RFC 6749 3.3), ``openid`` among them (OIDC Core 3.1.2.1)."""
    names = words(value)
    if not all(re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", name) for name in names):
        raise ValueError("contains a character that no scope may have (RFC 6749 3.3)")
    if "openid" not in names:
        raise ValueError("must contain 'openid'")
    return names


def networks(value: object) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses or networks of proxies, never everybody."""
    found = []
    for position, item in enumerate(words(value), start=1):
        try:
            network = ip_network(item)
        except ValueError:
            network = None
        if network is None:
            raise ValueError(f"entry {position} is no IP address and no network such as 10.0.0.0/8 (host bits must be zero)")
        if network.prefixlen == 0:
            raise ValueError(f"entry {position} trusts every address, so anybody could forge X-Forwarded-* headers")
        found.append(network)
    return tuple(found)


def http_client(value: object) -> object:
    """An object that sends requests; judged by what it can do, as both httpx and its successor are welcome."""
    if isinstance(value, str) or not callable(getattr(value, "send", None)):
        raise ValueError("must be an httpx.Client or httpx.AsyncClient, given in code")
    return value
