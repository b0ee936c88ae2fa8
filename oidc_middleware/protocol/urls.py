"""What an address must be like before anything secret is sent there."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import SplitResult, quote, unquote_plus, urlencode, urlsplit, urlunsplit

#: Longer addresses fail in some server, proxy or browser (8 kB is the limit of Apache and nginx for a whole request line).
MAX_URL_LENGTH: Final = 8192

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# Printable ASCII without what any URL parser treats in its own way.
_PLAIN: Final = re.compile(r"[\x21-\x7e]+")
_HOST_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?", re.IGNORECASE)
_LOOPBACK_4: Final = ipaddress.ip_network("127.0.0.0/8")
_LOOPBACK_6: Final = ipaddress.ip_address("::1")


def origin_of(url: str) -> str:
    """Scheme, host and port of *url* in one canonical spelling (RFC 6454 6.2): lower case, without a default port.

    Raises ``ValueError`` when *url* is not an absolute http or https URL.
    """
    parts = _split(url)
    host = _host(parts)
    port = parts.port
    shown_host = f"[{host}]" if ":" in host else host
    suffix = "" if port is None or port == _DEFAULT_PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{shown_host}{suffix}"


def is_loopback_host(host: str) -> bool:
    """Whether *host* (a parsed host, without brackets and port) can only be this machine: ``localhost``, 127.0.0.0/8, ``::1``.

    Short and mapped spellings (``127.1``, ``::ffff:127.0.0.1``) are not: parsers disagree about them (catalogue DI-02).
    """
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address in _LOOPBACK_4 if isinstance(address, ipaddress.IPv4Address) else address == _LOOPBACK_6


def endpoint_problem(url: str, *, allow_insecure_http: bool = False) -> str | None:
    """Why *url* may not be used as an endpoint or issuer, as half a sentence; ``None`` when it may.

    It must be absolute, https (http for a loopback host, matched on the parsed host; http elsewhere only with *allow_insecure_http*), without
    user information and fragment (RFC 6749 3.1, 3.2; OIDC Discovery 3; catalogue DI-02, JW-05).
    """
    try:
        parts = _split(url)
        host = _host(parts)
    except ValueError as error:
        return str(error)
    if "#" in url:
        return "has a fragment"
    if parts.scheme == "http" and not (allow_insecure_http or is_loopback_host(host)):
        return "is not https"
    return None


def with_query(url: str, parameters: Mapping[str, str], without: Collection[str] = ()) -> str:
    """*url* with *parameters* added; what its query already holds stays, except names that *parameters* sets (RFC 6749 3.1: no name twice), and
    those in *without*.
    """
    parts = urlsplit(url)
    names = {*parameters, *without}
    kept = [piece for piece in parts.query.split("&") if piece and unquote_plus(piece.partition("=")[0]) not in names]
    return urlunsplit(parts._replace(query="&".join([*kept, urlencode(parameters, quote_via=quote)])))


def _split(url: str) -> SplitResult:
    if len(url) > MAX_URL_LENGTH:
        raise ValueError("is too long")
    if _PLAIN.fullmatch(url) is None or "\\" in url:
        raise ValueError("has characters that no URL may have")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("is not an absolute https URL")
    if "@" in parts.netloc:
        raise ValueError("has user information")
    return parts


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if parts.netloc.startswith("["):
        try:
            address = ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError("has no usable host") from None
        if address.scope_id is None:
            return str(address)
    if _HOST_NAME.fullmatch(host) is None or parts.netloc.endswith(":"):
        raise ValueError("has no usable host")
    return host
