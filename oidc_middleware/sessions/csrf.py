"""The token on the sign-out page: proves that the form was ours, and made for this session."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from oidc_middleware.sessions.codec import UnknownFormat, dump, is_text, is_time, load
from oidc_middleware.sessions.sealing import BrokenSeal, Keyring

#: Seconds a page with the token can be used.
LIFETIME: Final = 3_600

#: Seconds the clock of the worker that made the token may be ahead of ours.
_LEEWAY: Final = 60


class CsrfTokens:
    """Makes and checks tokens. *binding* names the session a token is for; ``""`` where there is none to sign out of."""

    __slots__ = ("_keyring",)

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def make(self, binding: str, now: float, entropy: bytes) -> str:
        """A token that is good for :data:`LIFETIME` seconds from *now*. *entropy*: 12 random bytes. URL-safe ASCII."""
        return self._keyring.seal("csrf", dump([_digest(binding), int(now)]), entropy)

    def check(self, token: object, binding: str, now: float) -> bool:
        """Whether *token* was made for this session, less than :data:`LIFETIME` seconds ago. Never raises."""
        if not isinstance(token, str):
            return False
        try:
            digest, made = load(self._keyring.open("csrf", token), 2)
        except (BrokenSeal, UnknownFormat):
            return False
        if not is_text(digest) or not is_time(made):
            return False
        return hmac.compare_digest(digest.encode(), _digest(binding).encode()) and made - _LEEWAY <= now < made + LIFETIME


def _digest(binding: str) -> str:
    return hashlib.sha256(binding.encode("utf-8", "surrogatepass")).hexdigest()
