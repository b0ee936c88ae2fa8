"""E-mail addresses, as far as allow rules compare them (catalogue AZ-02).

Stricter than mail itself: no quoted local parts, no comments, no address literals. Whoever has such an address needs another kind of rule.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple
from unicodedata import normalize

#: RFC 5321 4.5.3.1: 64 for the local part, 255 for the domain.
_MAX_LOCAL: Final = 64
_MAX_DOMAIN: Final = 255

#: What has a meaning of its own in addresses (RFC 5322 3.2.3: specials), and white space.
_SPECIAL: Final = re.compile(r'[\s"(),:;<>@\[\\\]]')

_LABEL: Final = re.compile(r"[^\W_](?:[^\W_]|-)*")


class Address(NamedTuple):
    """An address in the one spelling that is compared: NFKC, lower case. ``text`` is the whole of it."""

    text: str
    domain: str


def parse_address(value: object) -> Address | None:
    """*value* as an address; ``None`` for anything that two programs could read as two different ones."""
    return _parse(value) if isinstance(value, str) and len(value) <= _MAX_LOCAL + 1 + _MAX_DOMAIN else None


@lru_cache(1024)  # asked on every request, about the same few users
def _parse(value: str) -> Address | None:
    text = _normalised(value)
    if text is None or text.count("@") != 1:
        return None
    local, domain = text.split("@")
    if not local or len(local) > _MAX_LOCAL or _SPECIAL.search(local) or not local.isprintable() or not _is_domain(domain):
        return None
    return Address(text, domain)


def parse_domain(value: str) -> str | None:
    """*value* as a domain in the spelling that is compared."""
    domain = _normalised(value[: _MAX_DOMAIN + 1])
    return domain if domain is not None and _is_domain(domain) else None


def _normalised(value: str) -> str | None:
    """NFKC comes before any check, so that nothing turns into an ``@`` or a dot behind it.

    Where it makes ASCII out of something else, the text was in disguise: a full-width ``＠``, a Kelvin sign for a ``K``.
    """
    text = normalize("NFKC", value)
    return None if _ascii_count(text) > _ascii_count(value) else text.lower()


def _ascii_count(text: str) -> int:
    return sum(character.isascii() for character in text)


def _is_domain(text: str) -> bool:
    """Labels of letters, digits and hyphens with a dot between: no empty label, so neither a leading nor a trailing dot."""
    return len(text) <= _MAX_DOMAIN and all(_LABEL.fullmatch(label) and not label.endswith("-") for label in text.split("."))
