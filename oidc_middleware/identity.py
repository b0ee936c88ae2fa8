"""The verified user, as the application sees it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from oidc_middleware.errors import ConfigError, LoginError

_EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})


def frozen(value: Any) -> Any:
    """A deeply read-only copy of a JSON value: objects become read-only mappings, arrays tuples."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: frozen(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(frozen(item) for item in value)
    return value


class User:
    """Who is signed in. One object may serve many requests at once, so it is read-only through and through.

    ``issuer`` and ``identity`` (the ``sub`` claim) together name the user; neither the e-mail address nor the name does (OIDC Core 5.7).
    Claims are decoded when somebody reads them.
    """

    __slots__ = ("_access_token", "_claims", "_told")

    _told: tuple[str, str, str, tuple[str, ...]]

    def __init__(self, issuer: str, subject: str, claims_json: str = "{}", scopes: tuple[str, ...] = ()) -> None:
        # Whoever comes with a session that is new to this process waits for this: one slot is filled now, the others when they are needed.
        _set_told(self, (issuer, subject, claims_json, scopes))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is read-only")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is read-only")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.identity!r} at {self.issuer!r}>" if self.is_authenticated else f"<{type(self).__name__} anonymous>"

    def access_token(self) -> Any:
        """An access token for this user, refreshed when it is due: a ``str`` under WSGI, something to ``await`` under ASGI.

        Needs ``keep_tokens``, or raises :class:`~oidc_middleware.errors.ConfigError`. ``LoginError``: ``login_required`` without a session,
        ``refresh_refused`` when the provider ended the session, which then ended here as well. ``Unavailable``: the token has expired and cannot
        be refreshed now.
        """
        if not self.is_authenticated:
            raise LoginError("login_required", "an access token of nobody")
        source: Callable[[], Any] | None = getattr(self, "_access_token", None)
        if source is None:
            raise ConfigError(["keep_tokens: is off, so there is no access token to be had"])
        return source()

    @property
    def issuer(self) -> str:
        """The provider's issuer identifier."""
        return self._told[0]

    @property
    def identity(self) -> str:
        """The ``sub`` claim."""
        return self._told[1]

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes the provider granted."""
        return self._told[3]

    @property
    def is_authenticated(self) -> bool:
        """Whether a session stands behind this user. ``False`` on public paths without one."""
        return bool(self._told[1])

    @property
    def claims(self) -> Mapping[str, Any]:
        """The claims the session keeps, deeply read-only."""
        claims: Mapping[str, Any] | None = getattr(self, "_claims", None)
        if claims is None:
            claims = frozen(json.loads(self._told[2]))
            object.__setattr__(self, "_claims", claims)
        return claims if claims is not None else _EMPTY

    @property
    def display_name(self) -> str:
        """The friendliest name at hand: ``name``, ``preferred_username``, ``email``, else ``sub``."""
        for claim in ("name", "preferred_username", "email"):
            value = self.claims.get(claim)
            if isinstance(value, str) and value:
                return value
        return self.identity

    @property
    def email(self) -> str | None:
        """The ``email`` claim. Whether it is proven is another claim, ``email_verified``."""
        value = self.claims.get("email")
        return value if isinstance(value, str) and value else None

    @property
    def groups(self) -> tuple[str, ...]:
        """The ``groups`` claim, if it is an array of strings; anything else counts as no groups (catalogue AZ-01)."""
        value = self.claims.get("groups")
        if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
            return value
        return ()


#: A slot's own setter gets past the guard, as ``object.__setattr__`` does, and takes half as long.
_set_told: Final = vars(User)["_told"].__set__

ANONYMOUS: Final = User("", "")
