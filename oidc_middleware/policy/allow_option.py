"""The option ``allow``, read into sets. Every form it may have, and a sentence for everything that is none of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from oidc_middleware.identity import User
from oidc_middleware.policy.email import parse_address, parse_domain

#: An answer to "may this user come in?": nothing but ``True`` lets anybody in.
Rule = Callable[[User], bool]

_KINDS: Final = ("email", "domain", "group", "claim", "waive_email_verified")


@dataclass(slots=True)
class RuleSet:
    """The rules while they are read; nobody changes them afterwards.

    The entries of ``emails`` and ``domains`` say whether the rule takes an address that is not verified. The values of ``claims`` come with
    their type: ``1``, ``True`` and ``"1"`` are three different ones (catalogue AZ-01).
    """

    everyone: bool = False
    emails: set[tuple[bool, str]] = field(default_factory=set)
    domains: set[tuple[bool, str]] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    claims: dict[str, set[tuple[type, object]]] = field(default_factory=dict)
    callables: list[Rule] = field(default_factory=list)


def read(value: object) -> tuple[RuleSet, list[str]]:
    """The rules *value* describes, and what is wrong with it; the rules count only when nothing is."""
    rules = RuleSet(everyone=value is None)
    if value is None:
        return rules, []
    items = _listed(value)
    found = [problem for item in items for problem in _read_item(rules, item) if problem]
    if not items:
        found = ["there is no rule, so nobody could come in; leave the option out to admit everyone who can log in"]
    return rules, [f"allow: {problem}" for problem in found]


def _read_item(rules: RuleSet, item: object) -> list[str]:
    if isinstance(item, Mapping):
        return _read_mapping(rules, item)
    if callable(item):
        return [_add_callable(rules, item)]
    if not isinstance(item, str):
        return [f"{_shown(item)} is not a rule"]
    return [_read_text(rules, item)]


def _read_text(rules: RuleSet, text: str) -> str:
    if text.startswith("group:"):
        return _add_group(rules, text.removeprefix("group:"))
    if text.startswith("@"):
        return _add_domain(rules, text, waived=False)
    if "@" in text:
        return _add_email(rules, text, waived=False)
    return f'{_shown(text)} is not a rule; write "ada@example.com", "@example.com" or "group:admins"'


def _read_mapping(rules: RuleSet, option: Mapping[Any, Any]) -> list[str]:
    found = [f"{_shown(key)} is not a kind of rule; there are {', '.join(_KINDS)}" for key in option if key not in _KINDS]
    waived = option.get("waive_email_verified", False)
    if not isinstance(waived, bool):
        found.append("waive_email_verified is neither True nor False")
        waived = False
    if not any(kind in option for kind in _KINDS[:-1]):
        found.append("a mapping without a rule admits nobody")
    found += [f"{kind} is empty, so it admits nobody" for kind in ("email", "domain", "group") if kind in option and not _listed(option[kind])]
    found += [_add_email(rules, text, waived=waived) for text in _listed(option.get("email", ()))]
    found += [_add_domain(rules, text, waived=waived) for text in _listed(option.get("domain", ()))]
    found += [_add_group(rules, text) for text in _listed(option.get("group", ()))]
    return found + (_read_claims(rules, option["claim"]) if "claim" in option else [])


def _read_claims(rules: RuleSet, option: object) -> list[str]:
    if not isinstance(option, Mapping) or not option or not all(isinstance(name, str) and name for name in option):
        return ["claim does not map names of claims to values"]
    found = [f"claim {_shown(name)} is empty, so it admits nobody" for name, values in option.items() if not _listed(values)]
    return found + [_add_claim(rules, name, value) for name, values in option.items() for value in _listed(values)]


def _listed(value: object) -> list[Any]:
    """A list of values, or one alone. A string is one value, never its characters (catalogue AZ-01)."""
    return list(value) if isinstance(value, (list, tuple, set, frozenset)) else [value]


# -- one rule each: taken, or a sentence about what is wrong with it ------------------------------------------------------------------------


def _add_email(rules: RuleSet, text: object, *, waived: bool) -> str:
    address = parse_address(text)
    if address is None:
        return f"{_shown(text)} is not an e-mail address"
    rules.emails.add((waived, address.text))
    return ""


def _add_domain(rules: RuleSet, text: object, *, waived: bool) -> str:
    domain = parse_domain(text.removeprefix("@")) if isinstance(text, str) else None
    if domain is None:
        return f"{_shown(text)} is not a domain"
    rules.domains.add((waived, domain))
    return ""


def _add_group(rules: RuleSet, text: object) -> str:
    if not isinstance(text, str) or not text:
        return f"{_shown(text)} is not the name of a group"
    rules.groups.add(text)
    return ""


def _add_claim(rules: RuleSet, name: str, value: object) -> str:
    if not isinstance(value, (str, bool, int)):
        return f"claim {_shown(name)}: {_shown(value)} is neither a text, nor a whole number, nor a truth value"
    rules.claims.setdefault(name, set()).add((type(value), value))
    return ""


def _add_callable(rules: RuleSet, rule: Rule) -> str:
    if inspect.iscoroutinefunction(rule) or inspect.iscoroutinefunction(type(rule).__call__):
        return "a callable must be a plain function: it is asked where nothing can be awaited"
    rules.callables.append(rule)
    return ""


def _shown(value: object) -> str:
    return repr(value)[:200]
