"""What the shells hand in, and what they get back: plain values on both sides.

They carry cookies, codes and states, so their printed form shows none of it: a debugger's or an error tracker's dump of a frame is a log as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from oidc_middleware.identity import User

if TYPE_CHECKING:
    from oidc_middleware.flows.effects import StoreGet
    from oidc_middleware.flows.sockets import Watch


class Request(NamedTuple):
    """One request, as far as the middleware looks at it.

    ``path`` is the path the application routes on, relative to ``mount`` (ASGI ``root_path``, WSGI ``SCRIPT_NAME``), percent-decoded by the
    server. ``target`` is the raw request target where the server tells it. ``cookie`` is the raw Cookie header (several are joined by ``"; "``,
    RFC 9113 8.2.3), one character per byte. ``headers(name)`` returns all values of a header; *name* in lower case with hyphens. ``peer`` is the
    address of whoever opened the connection. ``now`` is in seconds since the epoch.
    """

    kind: str  # "http" or "websocket"
    method: str
    scheme: str  # "http" or "https", as the server saw it
    mount: str
    path: str
    target: str
    query: str
    cookie: str
    headers: Callable[[str], list[str]]
    peer: str
    now: float

    def header(self, name: str) -> str:
        """The only value of a header, or ``""`` when it is absent or ambiguous."""
        values = self.headers(name)
        return values[0] if len(values) == 1 else ""

    def __repr__(self) -> str:
        return f"<Request {self.kind} {self.method!r} {self.mount!r} {self.path!r}>"


#: No time at all.
NEVER: Final = (0.0, 0.0)


class PassThrough(NamedTuple):
    """The application answers, knowing the user; our cookies go out with its answer."""

    user: User
    set_cookies: tuple[str, ...] = ()
    valid: tuple[float, float] = NEVER  # from when until when the same cookies get the same answer, if the rules agree
    private: bool = True  # the answer depends on who asks: keep it out of shared caches
    watch: Watch | None = None  # the session behind a WebSocket, to be looked at while it is open
    lives: Callable[[float], bool] | None = None  # where it is valid: whether it is known, now, that the session was not ended from elsewhere
    asks: tuple[StoreGet, int] | None = None  # or if this is so: the store still answers with the session in this version

    def __repr__(self) -> str:
        return f"<PassThrough {self.user!r} with {len(self.set_cookies)} cookies>"


class Respond(NamedTuple):
    """We answer. For a WebSocket this is the denial response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<Respond {self.status}>"


Decision = PassThrough | Respond
