"""What a browser sends and gets back: plain values, the same for an ASGI and a WSGI app."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit


@dataclass(frozen=True, slots=True)
class Sent:
    """A request. ``target`` is path and query as they go over the wire; ``mount`` is the part of the path that the server strips off."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    mount: str = ""
    peer: str = "127.0.0.1"

    @property
    def target(self) -> str:
        """Path and query."""
        rest = self.url.split("//", 1)[1].partition("#")[0]
        start = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
        found = rest[start:]
        return found if found.startswith("/") else "/" + found

    def header(self, name: str) -> str:
        """The value of a header, ``""`` if it was not sent."""
        return next((value for key, value in self.headers if key.lower() == name), "")


@dataclass(slots=True)
class Page:
    """An answer. Header names are lower case; ``chunks`` are the pieces in which the body came."""

    status: int
    headers: list[tuple[str, str]] = field(repr=False)
    chunks: list[bytes] = field(repr=False)
    sent: Sent = field(default=Sent("GET", ""), repr=False)

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.chunks)

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    @property
    def url(self) -> str:
        """Where it came from."""
        return self.sent.url

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def header(self, name: str) -> str:
        """The first value of a header (*name* in lower case), ``""`` if there is none."""
        return next((value for key, value in self.headers if key == name), "")

    def all(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for key, value in self.headers if key == name]

    @property
    def location(self) -> str:
        """The absolute URL of a redirect, as a browser resolves it; ``""`` without one."""
        location = self.header("location")
        return urljoin(self.sent.url, location) if location else ""

    @property
    def is_redirect(self) -> bool:
        """Whether a browser goes on from here by itself."""
        return self.status in (301, 302, 303, 307, 308) and bool(self.header("location"))


def origin(url: str) -> str:
    """``scheme://host[:port]`` with a default port left out."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{host}" if parts.port in (None, default) else f"{parts.scheme}://{host}:{parts.port}"
