"""Which requests come from our own pages. Origins are compared whole and exact: scheme, host, port (RFC 6454 5, 6.2).

*base_origin* is the origin of the configured base URL in the form browsers send: lower case, no default port. The Host header has no say
(catalogue WS-10).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence


def proves_same_origin(sec_fetch_site: str, origins: Sequence[str], base_origin: str) -> bool | None:
    """Whether a request comes from our own origin. ``None``: there is no telling, ask the user.

    *sec_fetch_site*: the header's value, ``""`` when absent. *origins*: all values of the Origin header. Browsers set both themselves; pages
    cannot (Fetch Metadata 2.3, Fetch 3.2).
    """
    # Our pages send no referrer, and then the Origin of a form post is "null" (Fetch 3.2.5): that says nothing either way.
    named = [origin for origin in origins if origin != "null"]
    if len(origins) > 1 or any(origin != base_origin for origin in named):
        return False
    if sec_fetch_site == "same-origin":
        return True
    if sec_fetch_site == "none":
        # The user's own doing: a bookmark, the address bar. Or a link in a mail: no proof of anything.
        return None
    if sec_fetch_site:
        return False
    return True if named else None


def websocket_origin_allowed(origins: Collection[str], base_origin: str, extra: Collection[str] = ()) -> bool:
    """Whether a WebSocket handshake may use the session (catalogue WS-02). *origins*: all values of the Origin header.

    Cookies ride along on a handshake that any page can start, and no CORS check follows; so the one Origin must be ours or in *extra*. No
    Origin, two of them, or the opaque ``null`` are refused, even if *extra* names it: every sandboxed page has that one.
    """
    if len(origins) != 1:
        return False
    (origin,) = origins
    return origin not in ("", "null") and (origin == base_origin or origin in extra)
