"""From the settings ``store`` and ``revocation`` to a store. What a store is made of is imported when one of its kind is asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import parse_qsl, urlsplit

from oidc_middleware.errors import ConfigError
from oidc_middleware.stores import redis_url
from oidc_middleware.stores.base import METHODS, AsyncStore, SyncStore

_FORMS: Final = "memory://, sqlite:///file, redis://, rediss://, redis+sentinel:// or redis+cluster://"


@dataclass(frozen=True, slots=True)
class Target:
    """What a store's URL says. Credentials are in ``url`` and ``options``, so neither is shown."""

    scheme: str
    url: str = field(repr=False)
    options: Mapping[str, str] = field(repr=False)


def open_sync(target: str | object) -> SyncStore:
    """The store for WSGI. *target*: a URL, or an object with the methods of :class:`SyncStore`. ``ConfigError`` when it is neither.

    Nothing is connected before the first call.
    """
    _refuse(store_problems(target, wanted="sync"))
    if not isinstance(target, str):
        return cast("SyncStore", target)
    return cast("SyncStore", _KINDS[_parsed(target).scheme].open_sync(_parsed(target)))


def open_async(target: str | object) -> AsyncStore:
    """The store for ASGI. *target*: as :func:`open_sync`, or an object with the methods of :class:`AsyncStore`."""
    _refuse(store_problems(target, wanted="async"))
    if not isinstance(target, str):
        from oidc_middleware.stores.inline import Threaded  # noqa: PLC0415  # needs anyio

        return cast("AsyncStore", target) if _is_async(target) else Threaded(cast("SyncStore", target))
    return cast("AsyncStore", _KINDS[_parsed(target).scheme].open_async(_parsed(target)))


def store_problems(target: str | object, *, wanted: str = "") -> list[str]:
    """What is wrong with *target*, each a sentence without a subject's name in front; opens nothing.

    *wanted*: ``"sync"`` also refuses an object whose methods are ``async``.
    """
    if not isinstance(target, str):
        return _object_problems(target, wanted)
    try:
        parsed = _parsed(target)
    except ValueError:
        return [f"is not a URL; it must be one of {_FORMS}"]
    kind = _KINDS.get(parsed.scheme)
    if kind is None:
        return [f"must be one of {_FORMS}, or an object with the methods of a store"]
    unknown = sorted(set(parsed.options) - kind.options)
    problems = [f"has the unknown option {name!r}; known for {parsed.scheme}:// are {', '.join(sorted(kind.options))}" for name in unknown]
    problems += [
        f"has the option {name} with something that is no positive number"
        for name in sorted(kind.numbers & set(parsed.options))
        if not (parsed.options[name].isascii() and parsed.options[name].isdecimal() and int(parsed.options[name][:12]) > 0)
    ]
    return problems + kind.problems(parsed)


def is_shared(target: str | object) -> bool:
    """Whether several workers see the same sessions. A store object says so itself with ``shared = False``."""
    if isinstance(target, str):
        return not target.lower().startswith("memory:")
    return bool(getattr(target, "shared", True))


def file_of(target: str | object) -> str | None:
    """The file of a store that is one, as its URL names it; ``None`` for stores elsewhere."""
    if not isinstance(target, str):
        return None
    parsed = _parsed(target)
    return _path(parsed) if parsed.scheme == "sqlite" else None


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ConfigError([f"store {problem}" for problem in problems])


def _object_problems(target: object, wanted: str) -> list[str]:
    missing = [name for name in METHODS if not callable(getattr(target, name, None))]
    if missing:
        return [f"must be one of {_FORMS}, or an object with the methods of a store; this one lacks {', '.join(missing)}"]
    if wanted == "sync" and _is_async(target):
        return ["is an asynchronous store; a WSGI application needs one with plain methods"]
    return []


def _is_async(target: object) -> bool:
    return inspect.iscoroutinefunction(getattr(target, "get", None))


def _parsed(target: str) -> Target:
    """``ValueError`` when *target* cannot be split, without its text."""
    try:
        parts = urlsplit(target)
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError("not a URL") from None
    if parts.fragment or any(character <= " " or character == "\x7f" for character in target):
        raise ValueError("not a URL")
    return Target(parts.scheme, target.partition("?")[0], dict(options))


# -- the kinds ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Kind:
    open_sync: Callable[[Target], Any]
    open_async: Callable[[Target], Any]
    problems: Callable[[Target], list[str]]
    options: frozenset[str]
    numbers: frozenset[str]


def _memory(target: Target) -> Any:
    from oidc_middleware.stores.memory import MAX_SESSIONS, MemoryStore  # noqa: PLC0415  # only who uses it pays for it, here and below

    return MemoryStore(int(target.options.get("max_sessions", MAX_SESSIONS)))


def _memory_async(target: Target) -> Any:
    from oidc_middleware.stores.inline import Inline  # noqa: PLC0415  # as above

    return Inline(_memory(target))


def _memory_problems(target: Target) -> list[str]:
    return [] if target.url.lower() == "memory://" else ["has something after memory:// that means nothing there"]


def _path(target: Target) -> str:
    """SQLAlchemy's form: three slashes and a relative path, four for an absolute one."""
    return target.url.partition("://")[2].removeprefix("/")


def _sqlite(target: Target, **options: float) -> Any:
    from oidc_middleware.stores.sqlite import MAX_MEGABYTES, SqliteStore  # noqa: PLC0415  # as above

    return SqliteStore(_path(target), max_megabytes=int(target.options.get("max_megabytes", MAX_MEGABYTES)), **options)


def _sqlite_async(target: Target) -> Any:
    from oidc_middleware.stores.inline import Inline  # noqa: PLC0415  # as above
    from oidc_middleware.stores.sqlite import Busy  # noqa: PLC0415  # as above

    return Inline(_sqlite(target, patience=0), _sqlite(target), Busy)


def _sqlite_problems(target: Target) -> list[str]:
    after = target.url.partition(":")[2]
    if not after.startswith("///") or _path(target) in {"", "/", ":memory:"} or _path(target).endswith("/"):
        return ["must name a file: sqlite:///relative.db or sqlite:////absolute/path.db"]
    return []


def _redis(target: Target) -> Any:
    from oidc_middleware.stores.redis import RedisStore  # noqa: PLC0415  # as above

    return RedisStore(redis_url.place_of(target.scheme, target.url, target.options))


def _redis_async(target: Target) -> Any:
    from oidc_middleware.stores.redis import AsyncRedisStore  # noqa: PLC0415  # as above

    return AsyncRedisStore(redis_url.place_of(target.scheme, target.url, target.options))


def _redis_problems(target: Target) -> list[str]:
    return redis_url.problems(target.scheme, target.url, target.options)


_KINDS: Final[dict[str, _Kind]] = {
    "memory": _Kind(_memory, _memory_async, _memory_problems, frozenset({"max_sessions"}), frozenset({"max_sessions"})),
    "sqlite": _Kind(_sqlite, _sqlite_async, _sqlite_problems, frozenset({"max_megabytes"}), frozenset({"max_megabytes"})),
    **dict.fromkeys(redis_url.SCHEMES, _Kind(_redis, _redis_async, _redis_problems, redis_url.OPTIONS, redis_url.NUMBERS)),
}
