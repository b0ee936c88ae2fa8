"""What happens to the request and the answer of the application as they pass: identity headers out, caching kept private.

Shared by both shells, so that neither can forget.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

#: Header names by which proxies of this kind tell an application who is there. A client that sends one is lying (catalogue HD-01).
_IDENTITY_HEADERS: Final = frozenset(
    {
        "remote-user", "remote-email", "remote-groups", "remote-name", "x-remote-user", "x-remote-email", "x-remote-groups",
        "x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-forwarded-preferred-username", "x-forwarded-access-token",
        "x-user", "x-user-email", "x-webauth-user", "x-webauth-email", "x-webauth-groups", "x-authenticated-user", "x-pomerium-jwt-assertion",
    }
)  # fmt: skip
_IDENTITY_PREFIXES: Final = ("oidc-", "x-auth-request-", "x-oidc-")


@lru_cache(maxsize=2048)
def is_identity_header(name: str) -> bool:
    """Whether *name* claims an identity, in any spelling: WSGI bridges fold ``_``, ``-`` and case into one (catalogue HD-02)."""
    folded = name.strip().lower().replace("_", "-")
    return folded in _IDENTITY_HEADERS or folded.startswith(_IDENTITY_PREFIXES)


def private_caching(names_and_values: Iterable[tuple[str, str]]) -> str | None:
    """The ``Cache-Control`` that keeps a protected answer out of shared caches, or ``None`` where the application's own does already.

    *names_and_values* are the answer's headers, names in lower case. An answer without ``Cache-Control`` may not be stored; one with a validator
    (``ETag``, ``Last-Modified``) may be kept by the browser, which then asks each time, and is checked each time. ``public`` becomes ``private``
    (catalogue CA-01, CA-02).
    """
    control: str | None = None
    validator = False
    for name, value in names_and_values:
        if name == "cache-control":
            control = value if control is None else f"{control}, {value}"
        elif name in ("etag", "last-modified"):
            validator = True
    if control is None:
        return "private, no-cache" if validator else "private, no-store"
    directives = [directive.strip() for directive in control.split(",")]
    shared = [item for item in directives if item.lower() == "public" or item.lower().startswith("s-maxage")]
    if not shared:
        return None
    return ", ".join(["private", *(item for item in directives if item not in shared and item.lower() != "private")])
