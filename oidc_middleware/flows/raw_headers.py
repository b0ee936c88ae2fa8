"""Headers as ASGI has them, pairs of bytes: what is read of a request's, what is added to an answer's, and our own.

Every request comes through here, so the usual case is one look into a set for each header.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from oidc_middleware.flows.messages import Respond
from oidc_middleware.flows.outgoing import MAX_REMEMBERED, is_identity_header, private_caching

RawHeaders = Iterable[tuple[bytes, bytes]]

#: What decides on caching, and the answer where nothing does. ASGI wants names in lower case, yet not every application keeps to it.
CACHING: Final = frozenset({b"cache-control", b"etag", b"last-modified", b"Cache-Control", b"ETag", b"Etag", b"Last-Modified"})
NO_STORE: Final = (b"cache-control", b"private, no-store")

#: Names of headers seen that neither are a cookie nor claim an identity: what nearly every header of nearly every request is. Clients choose
#: them, so neither may the names be long, nor may those that came first stay for ever.
_harmless: set[bytes] = set()
_MAX_HARMLESS: Final = 1024

#: New in every answer that has them; the other headers of ours repeat.
_NEVER_THE_SAME: Final = {"Location": b"location", "Set-Cookie": b"set-cookie"}


def cookie_and_spoofs(headers: RawHeaders) -> tuple[bytes, bool]:
    """The joined Cookie headers (RFC 9113 8.2.3), and whether a header claims an identity. One pass, because every request pays for it."""
    cookie, spoofed, harmless = b"", False, _harmless
    for name, value in headers:
        if name in harmless:
            continue
        if name == b"cookie" or name.lower() == b"cookie":  # not every server writes names in lower case
            cookie = value if not cookie else cookie + b"; " + value
        elif is_identity_header(name.decode("latin-1")):
            spoofed = True
        elif len(name) <= MAX_REMEMBERED:
            if len(harmless) >= _MAX_HARMLESS:
                harmless.clear()
            harmless.add(name)
    return cookie, spoofed


class HeaderTable:
    """All values of a header by its name in lower case. Made when first asked: a request that is let in at once is never asked."""

    __slots__ = ("_headers", "_last")

    def __init__(self, headers: RawHeaders) -> None:
        self._headers = headers
        self._last: dict[bytes, bytes] | None = None

    def values(self, name: str) -> list[str]:
        """All values of a header; *name* in lower case."""
        if self._last is None:
            self._headers = list(self._headers)
            self._last = dict(self._headers)
            names = b" ".join(self._last)
            if names != names.lower():  # as ASGI has it, yet not every server keeps to it
                self._last = {key.lower(): value for key, value in self._headers}
        raw = name.encode()
        value = self._last.get(raw)
        if value is None:
            return []
        if len(self._last) == len(self._headers):  # type: ignore[arg-type]  # it is a list now
            return [value.decode("latin-1")]  # no header was sent twice
        return [value.decode("latin-1") for key, value in self._headers if key.lower() == raw]


def without_spoofs(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """*headers* without those by which a client claims an identity (catalogue HD-01)."""
    return [(name, value) for name, value in headers if not is_identity_header(name.decode("latin-1"))]


def outgoing_headers(headers: RawHeaders, set_cookies: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """The application's *headers* with our cookies and the caching rule."""
    if not isinstance(headers, list):
        headers = list(headers)
    if not set_cookies:
        for name, _ in headers:
            if name in CACHING:
                break
        else:
            return [*headers, NO_STORE]
    control = private_caching([(name.lower().decode("latin-1"), value.decode("latin-1")) for name, value in headers])
    if set_cookies:
        control = "private, no-store"
        headers = [*headers, (b"vary", b"Cookie")]
    if control is not None:
        headers = [(name, value) for name, value in headers if name.lower() != b"cache-control"]
        headers.append((b"cache-control", control.encode("latin-1")))
    return [*headers, *((b"set-cookie", cookie.encode("latin-1")) for cookie in set_cookies)]


def own_headers(answer: Respond) -> list[tuple[bytes, bytes]]:
    """The headers of an answer of ours."""
    return [_known.get(header) or _raw(header) for header in answer.headers]


#: Those that repeat, as they were sent before.
_known: dict[tuple[str, str], tuple[bytes, bytes]] = {}
_MAX_KNOWN: Final = 128


def _raw(header: tuple[str, str]) -> tuple[bytes, bytes]:
    name, value = header
    raw_name = _NEVER_THE_SAME.get(name)
    if raw_name is not None:
        return raw_name, value.encode("latin-1")
    if len(_known) >= _MAX_KNOWN:
        _known.clear()
    raw = _known[header] = name.lower().encode("latin-1"), value.encode("latin-1")
    return raw
