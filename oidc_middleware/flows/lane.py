"""The short way for a browser that was let in a moment ago: the same cookies, the same answer, without asking the gate again.

Only what the gate itself answered gets in, and only where its answer hangs on nothing but the cookies, the time, the rules and whether the session
was ended: one fixed address. All of them are asked every time (catalogue AZ-04, CK-07, LT-17); whatever cannot be known at once, and a path that
could be one of our own endpoints, takes the long way.
"""

from __future__ import annotations

from typing import Final

from oidc_middleware.flows.messages import NEVER, PassThrough
from oidc_middleware.flows.relying_party import RelyingParty

#: Entries of a generation. Two are kept, so between 1,024 and 2,048 browsers; 2 to 4 MB with usual cookies.
CAPACITY: Final = 1_024
#: Longer headers take the long way: the application's cookies are a client's to choose, and would be kept with ours (catalogue F-PR-11).
MAX_REMEMBERED: Final = 8_192


class Lane:
    """Remembers decisions by the raw Cookie header. Threads share it without a lock: each step is whole, and forgetting is harmless."""

    def __init__(self, rp: RelyingParty) -> None:
        self._prefix = rp.settings.prefix
        self._check = rp.allow.check
        self._young: dict[bytes | str, PassThrough] = {}
        self._old: dict[bytes | str, PassThrough] = {}

    def recall(self, cookie: bytes | str, path: str, now: float) -> PassThrough | None:
        """What the gate would say, or ``None``: ask it."""
        decision = self._young.get(cookie)
        if decision is None:
            decision = self._old.get(cookie)
            if decision is None:
                return None
            self.remember(cookie, decision)
        earliest, latest = decision.valid
        if earliest <= now < latest and self._prefix not in path and self._check(decision.user) is None:
            lives = decision.lives
            return decision if lives is None or lives(now) else None
        return None

    def remember(self, cookie: bytes | str, decision: PassThrough) -> None:
        """Keep a decision, if it says for how long it holds."""
        if decision.valid is NEVER or len(cookie) > MAX_REMEMBERED:
            return
        if len(self._young) >= CAPACITY:
            self._old, self._young = self._young, {}
        self._young[cookie] = decision
