"""Where a login may return to: a path of our own origin, or the landing page (catalogue 1.1).

The one function for every return path, wherever it comes from (catalogue RD-20). A value passes as it is or not at all; nothing is repaired.
Same origin by construction: the URL standard (URL 4.4, *path or authority state*) leaves our origin only through a second ``/`` or ``\\`` at the
start, or through TAB, LF and CR that it removes first; none of these gets past :data:`_SHAPE`.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

#: Longer ones are refused, never cut (catalogue RD-17). The browser carries it in a cookie; mod_auth_openidc and others bound it as well.
MAX_LENGTH: Final = 2_048

#: ``/``, then neither ``/`` nor ``\``, and only printable ASCII without space and backslash.
_SHAPE: Final = re.compile(r"/(?!/)[!-\[\]-~]*")

#: What a proxy or an application that decodes once more could make another address of: ``//``, ``\``, control characters, dot segments.
_DOUBTFUL: Final = re.compile(rb"//|\\|[\x00-\x1f\x7f]|/\.\.?(?:/|\Z)")


def safe_return_to(value: object, *, own_prefix: str, default: str) -> str:
    """*value* if it is a safe return path, else *default*. Never raises.

    *own_prefix*: the path of our own endpoints with the mount, ``/dash/oidc``; returning there would log in or out again (catalogue RD-16).
    *default*: the landing page, trusted. Queries and percent-escapes come back untouched.
    """
    if value == default:
        return default
    if not isinstance(value, str) or len(value) > MAX_LENGTH or not _SHAPE.fullmatch(value):
        return default
    # The path as it stands, decoded once as every server does, and once more as some proxies do (catalogue RD-06, RD-11).
    path = value.partition("?")[0].partition("#")[0].encode()
    own = f"{own_prefix}/".encode()
    for _ in range(3):
        if _DOUBTFUL.search(path) or (path + b"/").startswith(own):
            return default
        if path.find(b"%") < 0:  # bytes take five times as long to say what is in them
            break  # decoding changes nothing any more
        path = unquote_to_bytes(path)
    return value
