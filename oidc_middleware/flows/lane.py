"""The short way for what nearly all requests are: somebody whose session was not ended, and anybody at a public address.

It says what the gate would say, or nothing: only where the answer hangs on nothing but the cookies, the time, the rules, the address and whether the
session was ended, and only for one fixed site. All of them are asked every time (catalogue AZ-04, CK-07, LT-17); whatever cannot be known at once,
and a path that could be one of our own endpoints, takes the long way.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from oidc_middleware.flows.effects import StoreGet
from oidc_middleware.flows.messages import NEVER, Decision, PassThrough
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.sessions.sealing import BrokenSeal
from oidc_middleware.sessions.session import UnknownFormat

if TYPE_CHECKING:
    from oidc_middleware.flows.site import Site

#: Entries of a generation. Two are kept, so between 1,024 and 2,048 browsers; 2 to 4 MB with usual cookies.
CAPACITY: Final = 1_024
#: Longer headers take the long way: the application's cookies are a client's to choose, and would be kept with ours (catalogue F-PR-11).
MAX_REMEMBERED: Final = 8_192
#: The same for addresses, in characters.
LONGEST_ADDRESS: Final = 200

#: Mount, path and raw target as the server tells them: everything in a request that public paths are judged by.
Address = tuple[str, str, bytes | str]


class Unsure(NamedTuple):
    """What the gate would say, if the answer to *question* is the session in this *version*: nobody could tell without waiting."""

    decision: PassThrough
    question: StoreGet
    version: int

    def settled(self, record: tuple[bytes, int] | None) -> PassThrough | None:
        """What the gate would say, now that the store has answered with *record*; ``None``: ask it."""
        return self.decision if record is not None and record[1] == self.version else None


class Lane:
    """Remembers what raw Cookie headers mean, and which addresses are public. Threads share it without a lock: each step is whole, and forgetting
    is harmless.
    """

    def __init__(self, rp: RelyingParty) -> None:
        self._rp = rp
        self._site = rp.sites.fixed
        self._prefix = rp.settings.prefix
        self._check = None if rp.allow.everyone else rp.allow.check
        self._stranger = PassThrough(rp.anonymous, private=False)
        self._young: dict[bytes | str, PassThrough] = {}
        self._old: dict[bytes | str, PassThrough] = {}
        self._before_value = 0 if self._site is None else len(f"{self._site.session_name}=")
        self._among_others = lru_cache(CAPACITY)(self._read)
        self._public: set[Address] = set()

    def recall(self, cookie: bytes | str, path: str, now: float) -> PassThrough | Unsure | None:
        """What the gate would say to whoever has a live session in *cookie*, or ``None``: ask it. ``Unsure``: ask the store first."""
        decision = self._young.get(cookie) or self._older(cookie)
        if decision is None:
            return None
        earliest, latest = decision.valid
        if not earliest <= now < latest or self._prefix in path:
            return None
        if self._check is not None and self._check(decision.user) is not None:
            return None
        lives = decision.lives
        if lives is None or lives(now):
            return decision
        return None if decision.asks is None else Unsure(decision, *decision.asks)

    def _older(self, cookie: bytes | str) -> PassThrough | None:
        decision = self._old.get(cookie) or self._opened(cookie)
        if decision is not None:
            self.remember(cookie, decision)
        return decision

    def _opened(self, cookie: bytes | str) -> PassThrough | None:
        """Who is in *cookie*, if the session passes every check that the gate makes before it looks at the time and asks the rules.

        What is in a store, or in more than one cookie, is for the gate to look at.
        """
        site = self._site
        value = None if site is None or self._rp.revocable else site.sessions.sole(cookie)
        if value is None:
            return None
        try:
            # Other cookies may be new with each request while ours stays as it is: among them, it is remembered by itself as well.
            return self._read(value) if len(value) == len(cookie) - self._before_value else self._among_others(value)
        except (BrokenSeal, UnknownFormat):
            return None

    def _read(self, value: bytes | str) -> PassThrough:
        site: Site = self._site  # type: ignore[assignment]  # there is one, or nobody gets here
        issuer, subject, claims_json, created, seen, expires, _, scopes, _, _, _ = site.sessions.fields(value)
        user = self._rp.user_type(issuer, subject, claims_json, scopes)
        return PassThrough(user, (), site.lifetimes.quiet_between(created, seen, expires))

    def public(self, cookie: bytes | str, address: Address) -> PassThrough | None:
        """What the gate said to strangers at this *address*, if it is public. Whose cookies so much as name a session has to ask the gate."""
        if address not in self._public or self._site is None:
            return None
        text = cookie if isinstance(cookie, str) else cookie.decode("latin-1")
        return None if self._site.session_name in text else self._stranger

    def remember(self, cookie: bytes | str, decision: PassThrough) -> None:
        """Keep a decision, if it says for how long it holds."""
        if decision.valid is NEVER or len(cookie) > MAX_REMEMBERED:
            return
        if len(self._young) >= CAPACITY:
            self._old, self._young = self._young, {}
        self._young[cookie] = decision

    def learn(self, cookie: bytes | str, address: Address, decision: Decision) -> None:
        """What the gate just said: to somebody with a session, or to a stranger at a public address, which hangs on the address alone."""
        if not isinstance(decision, PassThrough):
            return
        self.remember(cookie, decision)
        if not decision.private and sum(map(len, address)) <= LONGEST_ADDRESS:
            if len(self._public) >= CAPACITY:
                self._public.clear()
            self._public.add(address)
