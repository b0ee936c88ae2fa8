"""Where a Redis URL points: one server, the master that sentinels know, or a cluster. Knows nothing of the Redis library."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

OPTIONS: Final = frozenset({"prefix", "max_connections", "local_seconds", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "sentinel_username",
                            "sentinel_password"})  # fmt: skip
NUMBERS: Final = frozenset({"max_connections", "local_seconds"})
SCHEMES: Final = tuple(scheme + form for form in ("", "+sentinel", "+cluster") for scheme in ("redis", "rediss"))

#: Connections of one process at most; whoever comes then waits for one.
_MAX_CONNECTIONS: Final = 50
#: The longest that somebody who was signed out elsewhere may still be let in here.
_MAX_LOCAL_SECONDS: Final = 60
_SENTINEL_PORT: Final = 26379
_REDIS_PORT: Final = 6379


@dataclass(frozen=True, slots=True)
class Place:
    """The servers and how to talk to them. ``form`` is ``""``, ``"sentinel"`` or ``"cluster"``."""

    form: str
    hosts: tuple[tuple[str, int], ...]
    db: int
    service: str
    tls: Mapping[str, str] | None = field(repr=False)
    username: str | None = field(repr=False)
    password: str | None = field(repr=False)
    sentinel_username: str | None = field(repr=False)
    sentinel_password: str | None = field(repr=False)
    prefix: str = "oidc:"
    max_connections: int = _MAX_CONNECTIONS
    local_seconds: int = 0


def place_of(scheme: str, url: str, options: Mapping[str, str]) -> Place:
    """What *url* (without its query, which is *options*) points to. ``ValueError`` with a sentence that quotes no part of it."""
    form = scheme.partition("+")[2]
    authority, _, path = url.partition("://")[2].partition("/")
    credentials, _, hosts = authority.rpartition("@")
    username, _, password = credentials.partition(":")
    service, db = _service_and_db(form, path)
    return Place(
        form=form,
        hosts=tuple(_host_and_port(part, _SENTINEL_PORT if form == "sentinel" else _REDIS_PORT, form) for part in hosts.split(",")),
        db=db,
        service=service,
        tls={name: value for name, value in options.items() if name.startswith("ssl_")} if scheme.startswith("rediss") else None,
        username=unquote(username) or None,
        password=unquote(password) or None,
        sentinel_username=options.get("sentinel_username") or None,
        sentinel_password=options.get("sentinel_password") or None,
        prefix=options.get("prefix", "oidc:"),
        max_connections=int(options.get("max_connections", _MAX_CONNECTIONS)),
        local_seconds=int(options.get("local_seconds", 0)),
    )


def problems(scheme: str, url: str, options: Mapping[str, str]) -> list[str]:
    """What is wrong with a Redis URL, in sentences that quote no part of it: it may hold a password anywhere."""
    found = []
    if importlib.util.find_spec("redis") is None:
        found.append("needs the Redis library: pip install 'oidc-middleware[redis]'")
    try:
        place = place_of(scheme, url, {**options, **dict.fromkeys(NUMBERS, "1")})
    except ValueError as error:
        return [*found, str(error)]
    if not place.form and len(place.hosts) > 1:
        found.append("names several hosts; say redis+sentinel:// or redis+cluster:// to use them")
    if options.get("local_seconds", "").isdecimal() and int(options["local_seconds"][:12]) > _MAX_LOCAL_SECONDS:
        found.append(f"has the option local_seconds with more than {_MAX_LOCAL_SECONDS}: whoever is signed out elsewhere stays in here for so long")
    if not place.prefix.isascii() or not place.prefix.isprintable():
        found.append("has a prefix with other than printable ASCII characters")
    return found


def _service_and_db(form: str, path: str) -> tuple[str, int]:
    service, _, number = path.partition("/") if form == "sentinel" else ("", "", path)
    if form == "sentinel" and not service:
        raise ValueError("must name the sentinels' service: redis+sentinel://host:port/service")
    if not number:
        return unquote(service), 0
    if form == "cluster" or not (number.isascii() and number.isdecimal() and len(number) < 6):
        raise ValueError("has a path that is no database number" if form != "cluster" else "names a database; a Redis cluster has only one")
    return unquote(service), int(number)


def _host_and_port(text: str, default: int, form: str) -> tuple[str, int]:
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":") if port.startswith(":") or not port else "?"
    else:
        host, _, port = text.partition(":")
    if not host or not (port == "" or (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536)):
        raise ValueError(f"must name host and port: redis{'+' + form if form else ''}://host:{default}")
    return host, int(port or default)
