"""What happens to the request and the answer of the application as they pass: identity headers out, caching kept private.

Shared by both shells, so that neither can forget.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

#: Header names by which proxies of this kind tell an application who is there. A client that sends one is lying (catalogue HD-01).
_IDENTITY_HEADERS: Final = frozenset(
    {
        "remote-user", "remote-email", "remote-group", "remote-groups", "remote-name",
        "x-remote-user", "x-remote-email", "x-remote-group", "x-remote-groups", "x-remote-name",
        "x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-forwarded-preferred-username", "x-forwarded-access-token",
        "x-user", "x-user-email", "x-userinfo", "x-authenticated-user", "x-authenticated-userid", "x-authenticated-groups",
        "cf-access-authenticated-user-email", "x-pomerium-jwt-assertion",
    }
)  # fmt: skip
#: oauth2-proxy, mod_auth_openidc, Grafana, authentik, Pomerium, Vouch, Tailscale; Google IAP, AWS ALB, Azure App Service.
_IDENTITY_PREFIXES: Final = (
    "x-auth-request-", "oidc-", "x-oidc-", "x-webauth-", "x-authentik-", "x-pomerium-claim-", "x-vouch-", "tailscale-user-",
    "x-goog-authenticated-user-", "x-amzn-oidc-", "x-ms-client-principal", "x-ms-token-",
)  # fmt: skip
#: Names up to this length are remembered: a client chooses them, and a longer one would cost memory for nothing (catalogue F-PR-11).
MAX_REMEMBERED: Final = 64

#: One directive; a comma in quotes does not end it (RFC 9111 5.2.2.7: ``private="set-cookie, x-user"`` is about these headers alone).
_DIRECTIVE: Final = re.compile(r'(?:[^,"]|"[^"]*"?)+')
#: Each of these keeps a shared cache from handing the answer on without asking us.
_KEEPS_OUT: Final = frozenset({"private", "no-store", "no-cache"})


def is_identity_header(name: str) -> bool:
    """Whether *name* claims an identity, in any spelling: WSGI bridges fold ``_``, ``-`` and case into one (catalogue HD-02)."""
    return _claims_identity(name) if len(name) <= MAX_REMEMBERED else _claims_identity.__wrapped__(name)


@lru_cache(maxsize=2048)
def _claims_identity(name: str) -> bool:
    folded = name.strip().lower().replace("_", "-")
    return folded in _IDENTITY_HEADERS or folded.startswith(_IDENTITY_PREFIXES)


def private_caching(names_and_values: Iterable[tuple[str, str]]) -> str | None:
    """The ``Cache-Control`` that keeps a protected answer out of shared caches, or ``None`` where the application's own does already.

    *names_and_values* are the answer's headers, names in lower case. An answer without ``Cache-Control`` may not be stored; one with a validator
    (``ETag``, ``Last-Modified``) may be kept by the browser, which then asks each time, and is checked each time. ``public`` becomes ``private``,
    and so does what says nothing of the kind: a bare ``max-age`` lets every cache on the way store an answer that went by a cookie (RFC 9111 3;
    catalogue CA-01, CA-02).
    """
    control: str | None = None
    validator = False
    for name, value in names_and_values:
        if name == "cache-control":
            control = value if control is None else f"{control}, {value}"
        elif name in ("etag", "last-modified"):
            validator = True
    directives = [directive for item in _DIRECTIVE.findall(control or "") if (directive := item.strip())]
    if not directives:
        return "private, no-cache" if validator else "private, no-store"
    shared = [item for item in directives if item.lower() == "public" or item.lower().startswith("s-maxage")]
    if not shared and not _KEEPS_OUT.isdisjoint(map(str.lower, directives)):
        return None
    return ", ".join(["private", *(item for item in directives if item not in shared and item.lower().partition("=")[0] != "private")])
