"""Public paths. Everything needs a login unless the table says otherwise (catalogue 1.12).

The decision is made on the path the application routes on, never on a URL put together from headers (catalogue PA-01). Patterns are literal:
an exact path, or a prefix up to a segment boundary. Whatever a server, a proxy and a router might read differently is not public.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

#: A segment-wise comparable path: no empty or dot segments, no backslash, no ``;`` parameters, nothing that is still or again encoded, no query
#: or fragment (PA-02..PA-04), no replacement character, which stands for bytes that are not UTF-8 (PA-05).
_DOUBTFUL_PATH: Final = re.compile(r"//|/\.\.?(?:/|\Z)|[\\;%?#\ufffd]")

#: In the raw target: the same before decoding, and encodings of what has a meaning in paths: controls, ``# % . / ; ? \`` and DEL.
_DOUBTFUL_TARGET: Final = re.compile(r"//|/\.\.?(?:/|\Z)|[\\;#]|%(?:[01][0-9a-f]|2[35ef]|3[bf]|5c|7f)|%(?![0-9a-f]{2})", re.IGNORECASE)

_PATTERN_MISTAKES: Final = re.compile(r"[\^$()\[\]{}|*\\]|\.\+")


class PublicPaths:
    """The paths that need no login. *patterns*: as :func:`problems` accepts them."""

    __slots__ = ("_exact", "_longest", "_prefixes")

    def __init__(self, patterns: Sequence[str]) -> None:
        self._exact = frozenset(pattern for pattern in patterns if not pattern.endswith("/*"))
        self._prefixes = frozenset(pattern[:-1] for pattern in patterns if pattern.endswith("/*"))
        self._longest = max(map(len, self._prefixes), default=0)

    def covers(self, path: str, target: str) -> bool:
        """Whether *path* (decoded, relative to the mount) is public. *target*: the raw request target, ``""`` where the server does not tell it.

        The cost does not depend on the number of patterns. The table is asked first: most requests are in neither part of it.
        """
        return (path in self._exact or self._under_prefix(path)) and not is_doubtful(path, target)

    def _under_prefix(self, path: str) -> bool:
        end = path.find("/", 1) + 1
        while 0 < end <= self._longest:
            if path[:end] in self._prefixes:
                return True
            end = path.find("/", end) + 1
        return False


def is_doubtful(path: str, target: str) -> bool:
    """Whether someone could read *path* or *target* as another path. Such a request is never public (catalogue PA-02..PA-05, PA-15)."""
    if not path.startswith("/") or not path.isprintable() or _DOUBTFUL_PATH.search(path):
        return True
    return bool(target) and _is_doubtful_target(target.partition("?")[0])


def _is_doubtful_target(target: str) -> bool:
    if not target.startswith("/") or not target.isprintable() or _DOUBTFUL_TARGET.search(target):
        return True
    try:
        unquote_to_bytes(target).decode()
    except UnicodeDecodeError:  # overlong forms among them
        return True
    return False


def problems(patterns: object) -> list[str]:
    """What is wrong with the setting ``public``: a sentence for each mistake, none if it can be used (catalogue CF-01, PA-11)."""
    if isinstance(patterns, (str, bytes)) or not isinstance(patterns, Sequence):
        return ["public: a list of paths is needed"]
    return [f"public: {problem}" for pattern in patterns if (problem := _problem(pattern))]


def _problem(pattern: object) -> str:
    shown = repr(pattern)[:200]
    if not isinstance(pattern, str):
        return f"{shown} is not a path"
    if not pattern.startswith("/"):
        return f"{shown} does not start with /"
    if pattern in ("/", "/*"):
        return f"{shown} would open the whole application; name the paths that need no login"
    path = pattern.removesuffix("*") if pattern.endswith("/*") else pattern
    if _PATTERN_MISTAKES.search(path):
        return f"{shown} looks like a regular expression or a glob; only exact paths and prefixes ending in /* are understood"
    if is_doubtful(path, ""):
        return f"{shown} can be read in more than one way; write the decoded path, without //, dot segments, query, ; % and control characters"
    return ""
