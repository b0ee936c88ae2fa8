"""The tokens of a session, kept for the application: when to refresh them, and what a refresh has to agree with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from oidc_middleware.sessions.codec import UnknownFormat, dump, is_count, is_text, is_texts, is_time, load, require

__all__ = ["MIN_INTERVAL", "KeptTokens", "UnknownFormat", "decode", "encode"]

_FIELDS: Final = 11

#: A token is refreshed this many seconds before it expires, or a quarter of its life, if that is less.
MARGIN: Final = 60.0
#: Seconds between two refreshes of a session, and after one that failed (catalogue RF-06, RF-14).
MIN_INTERVAL: Final = 30.0
#: The most that the clocks of two workers may differ (the setting ``leeway``). What was received later than that was received by another time.
MAX_SKEW: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTokens:
    """Times in seconds since the epoch, as floats.

    ``received``: the answer these came in. ``expires``: the access token's end, ``None`` where the provider told none. ``failed``: the last attempt
    to refresh them that came to nothing. ``ends``: the session's absolute end.
    ``subject``, ``audience``, ``nonce`` and ``auth_time`` are what the ID token of the login said; that of a refresh is held against them (OIDC
    Core 12.2). ``scopes`` are those granted now.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    received: float
    expires: float | None
    failed: float | None = None
    ends: float
    scopes: tuple[str, ...]
    subject: str
    audience: tuple[str, ...]
    nonce: str = field(repr=False)
    auth_time: int | None

    def fresh(self, now: float) -> bool:
        """Whether there is nothing to do: more than the margin remains, nobody knows of an end, or it has only just come.

        After the clock was set back nobody knows how old it is, and it might pass for good for as long (catalogue F-PR-10).
        """
        if self.expires is None or abs(now - self.received) < MIN_INTERVAL:
            return True
        return self.received - MAX_SKEW <= now < self.expires - min(MARGIN, (self.expires - self.received) / 4)

    def usable(self, now: float) -> bool:
        """Whether the access token has not expired."""
        return self.expires is None or now < self.expires

    def backing_off(self, now: float) -> bool:
        """Whether the last attempt failed a moment ago."""
        return self.failed is not None and abs(now - self.failed) < MIN_INTERVAL

    def renewed(
        self, *, access_token: str, expires_in: int | None, refresh_token: str | None, scopes: tuple[str, ...] | None, now: float
    ) -> KeptTokens:
        """After a refresh. ``None``: the old refresh token stays good, and the scopes are the same (RFC 6749 6, catalogue RF-09)."""
        return replace(
            self,
            access_token=access_token,
            refresh_token=refresh_token or self.refresh_token,
            received=now,
            expires=None if expires_in is None else now + expires_in,
            failed=None,
            scopes=self.scopes if scopes is None else scopes,
        )


def encode(tokens: KeptTokens) -> bytes:
    """The tokens as bytes. Raises ``ValueError`` for text that has no UTF-8 form."""
    return dump(
        [
            tokens.access_token,
            tokens.refresh_token,
            tokens.received,
            tokens.expires,
            tokens.failed,
            tokens.ends,
            tokens.scopes,
            tokens.subject,
            tokens.audience,
            tokens.nonce,
            tokens.auth_time,
        ]
    )


def decode(data: bytes) -> KeptTokens:
    """What :func:`encode` wrote. Raises :class:`UnknownFormat`, and nothing else, for anything it would not have written."""
    access_token, refresh_token, received, expires, failed, ends, scopes, subject, audience, nonce, auth_time = load(data, _FIELDS)
    require(is_text(access_token) and access_token != "" and (refresh_token is None or is_text(refresh_token)))
    require(is_time(received) and is_time(ends) and all(time is None or is_time(time) for time in (expires, failed)))
    require(is_texts(scopes) and is_texts(audience) and is_text(subject) and is_text(nonce) and (auth_time is None or is_count(auth_time)))
    return KeptTokens(
        access_token=access_token,
        refresh_token=refresh_token,
        received=received,
        expires=expires,
        failed=failed,
        ends=ends,
        scopes=tuple(scopes),
        subject=subject,
        audience=tuple(audience),
        nonce=nonce,
        auth_time=auth_time,
    )
