"""How to challenge a request without a session: a navigation is sent to the provider, anything else gets a 401 (catalogue 0, LOGIN).

A redirect in answer to a script's request ends in a CORS error, and a login started for every image of a page floods the browser with cookies
(catalogue DS-01). So a request counts as a navigation only when it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

_METHODS: Final = frozenset({"GET", "HEAD"})
_DESTINATIONS: Final = frozenset({"document", "iframe"})
_PURPOSE_HEADERS: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_SPECULATIVE: Final = ("prefetch", "prerender", "preview")

#: All values of a header; the name in lower case.
Headers = Callable[[str], Sequence[str]]


def is_navigation(method: str, headers: Headers) -> bool:
    """Whether a person is waiting for a page."""
    if method not in _METHODS or headers("x-requested-with") or is_prefetch(headers):
        return False
    modes, destinations = headers("sec-fetch-mode"), headers("sec-fetch-dest")
    if modes:
        return list(modes) == ["navigate"] and _DESTINATIONS.issuperset(destinations)
    if destinations:
        return list(destinations) == ["document"]
    # Browsers send no Sec-Fetch headers to plain http on hosts other than loopback, and old ones never do.
    return accepts_html(",".join(headers("accept")))


def is_prefetch(headers: Headers) -> bool:
    """Whether a browser fetches the page on the chance that somebody will want it; such a request starts no login (catalogue ST-20)."""
    for name in _PURPOSE_HEADERS:
        values = headers(name)
        if values and any(word in value.lower() for value in values for word in _SPECULATIVE):
            return True
    return False


def accepts_html(accept: str) -> bool:
    """Whether an Accept header names ``text/html``. ``*/*`` does not: that is what ``fetch()`` and command-line clients send."""
    for item in accept.split(","):
        media_type, *parameters = item.split(";")
        if media_type.strip().lower() == "text/html" and not any(_is_zero(parameter) for parameter in parameters):
            return True
    return False


def _is_zero(parameter: str) -> bool:
    """Whether a parameter is the weight 0: "not acceptable" (RFC 9110 12.4.2)."""
    name, _, value = parameter.partition("=")
    return name.strip().lower() == "q" and value.strip() in ("0", "0.", "0.0", "0.00", "0.000")
