"""Whether several processes run the application, as far as one of them can tell: each has its own ``memory://`` (catalogue F-ST-15)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from oidc_middleware.stores.targets import is_shared

#: What uvicorn, hypercorn, gunicorn and their kin are told; processes they start inherit it.
_OPTION: Final = re.compile(r"(?:--workers|--processes|-w)(?:=?([0-9]{1,4}))?")
#: What :class:`~oidc_middleware.stores.memory.MemoryStore` calls itself.
_NAME: Final = re.compile(r"[0-9a-f]{12}")

NOT_SHARED: Final = (
    "memory:// with several workers: each knows its own sessions and logouts only. Use sqlite:///, redis://, or sessions in the cookie"
)


def memory_of(target: object, store: object) -> Callable[[], str] | None:
    """The name of *store* if it is a :class:`~oidc_middleware.stores.memory.MemoryStore`, as a function: a fork changes it. ``None`` for others."""
    if target is None or is_shared(target) or not _NAME.fullmatch(str(getattr(store, "instance", ""))):
        return None
    return lambda: str(getattr(store, "instance", ""))


def several_announced(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether this process's command line, or ``WEB_CONCURRENCY`` where that says nothing, asks for more than one worker."""
    for position, word in enumerate(argv):
        match = _OPTION.fullmatch(word)
        if match is not None:
            number = match[1] or next(iter(argv[position + 1 : position + 2]), "")
            return number.isdecimal() and int(number[:4]) > 1
    number = environ.get("WEB_CONCURRENCY", "")
    return number.isascii() and number.isdecimal() and int(number[:4]) > 1
