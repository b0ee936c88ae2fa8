"""A cookie jar with a browser's rules (RFC 6265bis), on a fake clock.

Modelled as Chromium does it: ``Secure``, ``HttpOnly``, ``Domain``, ``Path``, ``Max-Age`` before ``Expires``, ``SameSite`` with Lax as the default,
the ``__Host-`` and ``__Secure-`` prefixes, 4,096 bytes for name and value, 180 cookies for one host. What a browser would not store is kept in
``rejected``, so that a test can tell "was never set" from "was set wrongly".
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email.utils import mktime_tz, parsedate_tz
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_MAX_PAIR: Final = 4096  # RFC 6265bis 5.7, step 4
_MAX_PER_HOST: Final = 180  # Chromium's net::CookieMonster


@dataclass(slots=True)
class Cookie:
    """One stored cookie. ``expires`` is in seconds since the epoch, ``None`` for a session cookie."""

    name: str
    value: str = field(repr=False)
    host: str
    path: str = "/"
    host_only: bool = True
    secure: bool = False
    http_only: bool = False
    same_site: str = "lax"
    expires: float | None = None
    created: int = 0
    header: str = field(default="", repr=False)

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same cookie (RFC 6265bis 5.7, step 23)."""
        return self.name, self.host, self.path


def is_trustworthy(url: str) -> bool:
    """Whether browsers count *url* as a secure context: https, or a loopback host."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme in ("https", "wss") or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def same_site(first: str, second: str) -> bool:
    """Whether two URLs are schemefully same-site; the registrable domain is taken to be the last two labels."""
    one, two = urlsplit(first), urlsplit(second)
    hosts = [".".join((parts.hostname or "").split(".")[-2:]) for parts in (one, two)]
    return one.scheme == two.scheme and hosts[0] == hosts[1]


class CookieJar:
    """The cookies of one browser."""

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str, str], Cookie] = {}
        self._order = itertools.count()
        #: ``(Set-Cookie header, reason)`` of everything a browser refuses to store.
        self.rejected: list[tuple[str, str]] = []

    def __iter__(self) -> Iterator[Cookie]:
        return iter(list(self._cookies.values()))

    def __len__(self) -> int:
        return len(self._cookies)

    def names(self, now: float) -> list[str]:
        """The names of the cookies that are alive at *now*."""
        return [cookie.name for cookie in self if cookie.expires is None or cookie.expires > now]

    def get(self, name: str) -> str | None:
        """The value of the first cookie of that name."""
        return next((cookie.value for cookie in self if cookie.name == name), None)

    def put(self, cookie: Cookie) -> None:
        """Store *cookie* as if by other means than HTTP: what an attacker plants, or a copy from another browser."""
        cookie.created = next(self._order)
        self._cookies[cookie.key] = cookie

    def clear(self) -> None:
        """Forget everything, as a browser whose data was cleared."""
        self._cookies.clear()

    def copy(self) -> CookieJar:
        """An independent jar with the same cookies: a stolen copy, or the state before the next step."""
        twin = CookieJar()
        for cookie in self:
            twin.put(cookie)
        return twin

    def receive(self, url: str, headers: Iterable[str], now: float, *, cross_site: bool = False) -> None:
        """Process the Set-Cookie *headers* of an answer from *url*."""
        for header in headers:
            cookie, problem = _parse(url, header, now)
            if cookie is None or problem:
                self.rejected.append((header, problem))
            elif cross_site and cookie.same_site != "none":
                self.rejected.append((header, "SameSite cookie in a cross-site answer"))
            else:
                self._store(cookie, now)

    def _store(self, cookie: Cookie, now: float) -> None:
        old = self._cookies.pop(cookie.key, None)
        if cookie.expires is not None and cookie.expires <= now:
            return
        cookie.created = old.created if old is not None else next(self._order)
        self._cookies[cookie.key] = cookie
        of_host = sorted((item for item in self if item.host == cookie.host), key=lambda item: item.created)
        for evicted in of_host[: max(0, len(of_host) - _MAX_PER_HOST)]:
            del self._cookies[evicted.key]

    def header(self, url: str, now: float, *, cross_site: bool = False, top_level_safe: bool = True) -> str:
        """The Cookie header for a request to *url*; ``""`` if no cookie goes.

        *cross_site* and *top_level_safe* (a top-level navigation with GET or HEAD) decide about SameSite.
        """
        parts = urlsplit(url)
        for key in [cookie.key for cookie in self if cookie.expires is not None and cookie.expires <= now]:
            del self._cookies[key]
        going = [
            cookie
            for cookie in self
            if _host_matches(cookie, parts.hostname or "")
            and _path_matches(cookie.path, parts.path or "/")
            and (not cookie.secure or is_trustworthy(url))
            and (not cross_site or cookie.same_site == "none" or (cookie.same_site == "lax" and top_level_safe))
        ]
        going.sort(key=lambda cookie: (-len(cookie.path), cookie.created))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in going)


def _host_matches(cookie: Cookie, host: str) -> bool:
    return host == cookie.host or (not cookie.host_only and host.endswith("." + cookie.host))


def _path_matches(cookie_path: str, path: str) -> bool:
    return path == cookie_path or (path.startswith(cookie_path) and (cookie_path.endswith("/") or path[len(cookie_path)] == "/"))


def _parse(url: str, header: str, now: float) -> tuple[Cookie | None, str]:
    """``(cookie, reason for refusing it)``."""
    if any(ord(char) < 32 or ord(char) == 127 for char in header.replace("\t", " ")):
        return None, "control character"
    pair, *rest = header.split(";")
    name, separator, value = (part.strip(" \t") for part in pair.partition("="))
    if not separator:
        name, value = "", name
    attributes = {}
    for item in rest:
        key, _, text = item.partition("=")
        attributes[key.strip(" \t").lower()] = text.strip(" \t")
    parts = urlsplit(url)
    cookie = Cookie(name, value, host=parts.hostname or "", path=_default_path(parts.path), header=header)
    cookie.secure, cookie.http_only = "secure" in attributes, "httponly" in attributes
    cookie.same_site = attributes.get("samesite", "lax").lower()
    cookie.expires = _expiry(attributes, now)
    if attributes.get("path", "").startswith("/"):
        cookie.path = attributes["path"]
    return cookie, _domain_problem(cookie, attributes) or _problem(cookie, url, attributes)


def _domain_problem(cookie: Cookie, attributes: dict[str, str]) -> str:
    domain = attributes.get("domain", "").removeprefix(".").lower()
    if not domain:
        return ""
    host, cookie.host_only = cookie.host, False
    cookie.host = domain
    return "" if host == domain or host.endswith("." + domain) else "Domain of another host"


def _problem(cookie: Cookie, url: str, attributes: dict[str, str]) -> str:
    prefix = cookie.name.lower()
    if not cookie.name and not cookie.value:
        return "empty"
    if len(cookie.name.encode()) + len(cookie.value.encode()) > _MAX_PAIR:
        return "too large"
    if cookie.secure and not is_trustworthy(url):
        return "Secure from an insecure origin"
    if cookie.same_site == "none" and not cookie.secure:
        return "SameSite=None without Secure"
    if prefix.startswith(("__secure-", "__host-")) and not cookie.secure:
        return "prefix without Secure"
    if prefix.startswith("__host-") and (attributes.get("path") != "/" or not cookie.host_only):
        return "__Host- with a Domain or another Path"
    return ""


def _expiry(attributes: dict[str, str], now: float) -> float | None:
    try:
        age = int(attributes["max-age"])
    except (KeyError, ValueError):
        parsed = parsedate_tz(attributes.get("expires", ""))
        return float(mktime_tz(parsed)) if parsed is not None else None
    return now + age if age > 0 else 0.0


def _default_path(path: str) -> str:
    return path[: path.rfind("/")] or "/" if path.startswith("/") else "/"
