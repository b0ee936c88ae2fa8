"""Readers of addresses: the issuer, where users reach the app, hosts, origins, the prefix."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from oidc_middleware.config.values import text, words
from oidc_middleware.protocol.urls import endpoint_problem, is_loopback_host, origin_of

#: Segments that no proxy, server or browser rewrites: no percent-encoding, no ``;``, no dot segments.
_SAFE_PATH: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+")
_HOST: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_DISCOVERY: Final = "/.well-known/openid-configuration"


def issuer(value: object, *, insecure: bool) -> str:
    """The issuer identifier, exactly as given (OIDC Discovery 3: https, no query, no fragment; catalogue DI-01, DI-02)."""
    address = _address(value, insecure=insecure)
    if "?" in address:
        raise ValueError("must have no query (OIDC Discovery 3)")
    if address.endswith(_DISCOVERY):
        raise ValueError(f"must be the issuer itself, without {_DISCOVERY}")
    return address


def base_url(value: object, *, insecure: bool) -> str:
    """Where users reach the app. Host in lower case and default port left out, as browsers write origins; no trailing slash."""
    address = _address(value, insecure=insecure)
    if "?" in address:
        raise ValueError("must have no query")
    path = urlsplit(address).path.rstrip("/")
    if path and not _SAFE_PATH.fullmatch(path):
        raise ValueError("has a path with characters other than letters, digits and ._~- or with empty or dot segments")
    return origin_of(address) + path


def prefix(value: object) -> str:
    """The path below which the package's own endpoints lie: at least one segment."""
    path = text(value).rstrip("/")
    if not _SAFE_PATH.fullmatch(path):
        raise ValueError("must be a path such as /oidc: a slash, then letters, digits and ._~- in at least one segment")
    return path


def hosts(value: object) -> tuple[str, ...]:
    """Host names with or without a port. No wildcard: every name here becomes part of a redirect URI (catalogue RD-14)."""
    names = tuple(name.lower() for name in words(value))
    for position, name in enumerate(names, start=1):
        if not _HOST.fullmatch(name):
            raise ValueError(f"entry {position} is no host name such as dash.example.com or dash.example.com:8443")
    return names


def origins(value: object, *, insecure: bool) -> tuple[str, ...]:
    """Origins of other sites, written as browsers write them (RFC 6454 6.2)."""
    found = []
    for position, item in enumerate(words(value), start=1):
        parts = None if endpoint_problem(item, allow_insecure_http=insecure) else urlsplit(item)
        if parts is None or parts.path not in ("", "/") or parts.query:
            raise ValueError(f"entry {position} is no origin such as https://front.example.com")
        found.append(origin_of(item))
    return tuple(dict.fromkeys(found))


def keeps_cross_site_cookies(address: str) -> bool:
    """Whether a browser accepts ``SameSite=None; Secure`` cookies there: https, or a loopback host."""
    parts = urlsplit(address)
    return parts.scheme == "https" or is_loopback_host(parts.hostname or "")


def _address(value: object, *, insecure: bool) -> str:
    address = text(value)
    if not address.isascii():
        raise ValueError("must be written in ASCII (an international host name as xn--…)")
    problem = endpoint_problem(address, allow_insecure_http=insecure)
    if problem:
        raise ValueError(problem)
    return address
