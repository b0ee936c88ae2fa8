"""Allow rules: who of those who can log in may come in. Any one rule is enough; no rule, no entry (catalogue AZ-03).

Claims come from outside: a rule compares types as well as values, and never looks into a string for what it expects in an array (catalogue
AZ-01). The rules are asked on every request (AZ-04), so they are kept as sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from oidc_middleware.errors import ConfigError
from oidc_middleware.identity import User
from oidc_middleware.policy.allow_option import RuleSet, read
from oidc_middleware.policy.email import Address, parse_address

NOT_SIGNED_IN: Final = "nobody is signed in"
NO_RULE: Final = "no rule admits this account"
NOT_VERIFIED: Final = "the e-mail address is not verified"
NO_GROUPS: Final = "the provider did not send the groups of this account"


@dataclass(frozen=True, slots=True)
class Denial:
    """Why somebody may not come in. ``reason`` is one of a few fixed sentences, safe to show."""

    reason: str


class AllowRules:
    """The rules of the option ``allow``."""

    __slots__ = ("_mail", "_rules")

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._mail = bool(rules.emails or rules.domains)

    @classmethod
    def from_option(cls, value: object) -> AllowRules:
        """The rules *value* describes; ``None``: everyone who can log in. Raises :class:`~oidc_middleware.errors.ConfigError`.

        Forms: ``"ada@example.com"``; ``"@example.com"``; ``"group:admins"``; a mapping with any of ``email``, ``domain``, ``group``, ``claim`` and
        ``waive_email_verified``; a callable that is given the :class:`~oidc_middleware.identity.User`; a list of these.
        """
        rules, found = read(value)
        if found:
            raise ConfigError(found)
        return cls(rules)

    @property
    def everyone(self) -> bool:
        """Whether everybody who is signed in may come in, so that there is nothing to ask."""
        return self._rules.everyone

    @property
    def claims(self) -> frozenset[str]:
        """The claims the rules look at: a session has to keep them. A callable looks at what it likes, which nobody knows."""
        mail = ("email", "email_verified") if self._mail else ()
        groups = ("groups",) if self._rules.groups else ()
        return frozenset((*mail, *groups, *self._rules.claims))

    def check(self, user: User) -> Denial | None:
        """``None`` when *user* may come in. The cost does not depend on the number of rules, but for callables and names of claims."""
        if not user.is_authenticated:
            return Denial(NOT_SIGNED_IN)
        if self._rules.everyone or self._admits_groups(user) or self._admits_claims(user):
            return None
        address = parse_address(_claim(user, "email")) if self._mail else None
        if address is not None and (self._admits(address, waived=True) or (_is_verified(user) and self._admits(address, waived=False))):
            return None
        # Anything but True is a no: an object that only looks like a yes must not be one (catalogue ER-05).
        if any(rule(user) is True for rule in self._rules.callables):
            return None
        return Denial(self._reason(user, address))

    def _reason(self, user: User, address: Address | None) -> str:
        if address is not None and self._admits(address, waived=False):
            return NOT_VERIFIED
        return NO_GROUPS if self._rules.groups and _claim(user, "groups") is None else NO_RULE

    def _admits(self, address: Address, *, waived: bool) -> bool:
        return (waived, address.text) in self._rules.emails or (waived, address.domain) in self._rules.domains

    def _admits_groups(self, user: User) -> bool:
        groups = _claim(user, "groups") if self._rules.groups else None
        return isinstance(groups, tuple) and all(isinstance(group, str) for group in groups) and not self._rules.groups.isdisjoint(groups)

    def _admits_claims(self, user: User) -> bool:
        for name, wanted in self._rules.claims.items():
            value = _claim(user, name)
            values = value if isinstance(value, tuple) else (value,)
            if any(isinstance(item, (str, bool, int)) and (type(item), item) in wanted for item in values):
                return True
        return False


def problems(value: object) -> list[str]:
    """What is wrong with the setting ``allow``: a sentence for each mistake, none if it can be used."""
    return read(value)[1]


def _is_verified(user: User) -> bool:
    """The text ``"true"``, which some providers send, does not count: OIDC Core 5.1 says boolean."""
    return _claim(user, "email_verified") is True


def _claim(user: User, name: str) -> object:
    """A claim's value; ``None`` when it is missing, or only referred to (OIDC Core 5.6.2; Entra's "overage" sends groups that way)."""
    elsewhere = user.claims.get("_claim_names")
    if elsewhere is not None and (not isinstance(elsewhere, Mapping) or name in elsewhere):
        return None
    value: object = user.claims.get(name)
    return value
