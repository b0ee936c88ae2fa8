"""What the provider remembers: browser sessions, codes, tokens. Everything is bounded and expires; nothing is kept under its own secret.

Time and randomness come from the clock, so a test decides about both.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from cachetools import TTLCache

from oidc_middleware.clock import Clock
from oidc_middleware.provider.people import SampleUser

T = TypeVar("T")

MAX_ENTRIES: Final = 10_000  # of each kind; a development provider that issues more forgets the least recently used


@dataclass(slots=True)
class Session:
    """A browser in which somebody is signed in. ``auth_time`` is in seconds since the epoch, ``sid`` is what ID tokens say."""

    user: SampleUser
    auth_time: float
    sid: str
    ended: bool = False


@dataclass(slots=True)
class Grant:
    """What one authorization request led to. Every code and token points at its grant; revoking it kills them all at once."""

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    session: Session = field(repr=False)
    auth_time: float  # of this grant: a later sign-in in the same session does not change it (Core 12.2)
    info: Mapping[str, Any] = field(repr=False)
    acr: str | None = None
    revoked: bool = False

    @property
    def alive(self) -> bool:
        """Not revoked, and either still signed in or made to outlive the session (``offline_access``, Core 11)."""
        return not self.revoked and (not self.session.ended or "offline_access" in self.scopes)

    @property
    def user(self) -> SampleUser:
        return self.session.user


@dataclass(slots=True)
class Code:
    """An authorization code. ``used`` ones are remembered, because using one again means that it leaked (RFC 6749 4.1.2)."""

    grant: Grant
    expires: float
    used: bool = False


@dataclass(slots=True)
class AccessToken:
    grant: Grant
    scopes: tuple[str, ...]


@dataclass(slots=True)
class RefreshToken:
    """A refresh token. ``used`` ones are remembered: using one again kills the whole family (RFC 9700 4.14.2)."""

    grant: Grant
    used: bool = False


class Drawer(Generic[T]):
    """Things kept for some seconds under an unguessable handle of 256 bits. Only the handle's SHA-256 value is stored."""

    def __init__(self, clock: Clock, lifetime: float, capacity: int = MAX_ENTRIES) -> None:
        self._clock = clock
        self._things: TTLCache[bytes, T] = TTLCache(capacity, lifetime, timer=clock.now)

    def put(self, thing: T) -> str:
        """Keep *thing*; returns its handle (43 characters)."""
        handle = new_handle(self._clock)
        self._things[_digest(handle)] = thing
        return handle

    def get(self, handle: str | None) -> T | None:
        return None if handle is None else self._things.get(_digest(handle))

    def take(self, handle: str | None) -> T | None:
        """The thing, which is then gone."""
        return None if handle is None else self._things.pop(_digest(handle), None)

    def __len__(self) -> int:
        return len(self._things)


def new_handle(clock: Clock) -> str:
    return urlsafe_b64encode(clock.random(32)).rstrip(b"=").decode()


def _digest(handle: str) -> bytes:
    return hashlib.sha256(handle.encode("utf-8", "replace")).digest()
