"""The sample users, and which scope releases which of their claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from oidc_middleware.errors import ConfigError

#: OpenID Connect Core 5.4, and ``groups``, which no specification defines but every provider has.
SCOPE_CLAIMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "profile": (
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ),
        "email": ("email", "email_verified"),
        "address": ("address",),
        "phone": ("phone_number", "phone_number_verified"),
        "groups": ("groups",),
    }
)

#: Claims that say something about the token, not about the person: no user may bring them along.
PROTOCOL_CLAIMS: Final = frozenset(
    ("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "azp", "at_hash", "c_hash", "sid", "auth_time", "acr", "amr", "events", "cnf")
)

_SCOPED: Final = frozenset(claim for claims in SCOPE_CLAIMS.values() for claim in claims)


@dataclass(frozen=True, slots=True)
class SampleUser:
    """Somebody to sign in as.

    ``sub`` is 1 to 255 printable ASCII characters (OpenID Connect Core 2). ``note`` stands on the sign-in page and says why one would choose this
    user. ``claims`` are further claims; those that no scope covers are released to every client.
    """

    sub: str
    name: str = ""
    email: str | None = None
    email_verified: bool = True
    groups: Sequence[str] | None = None
    note: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = subject_problems(self.sub)
        if clash := sorted(PROTOCOL_CLAIMS.intersection(self.claims)):
            problems.append(f"users: claims of a user cannot set {', '.join(clash)}")
        if problems:
            raise ConfigError(problems)

    @property
    def all_claims(self) -> dict[str, Any]:
        """Every claim about this person except ``sub``."""
        claims: dict[str, Any] = {}
        if self.name:
            claims["name"] = self.name
            claims["preferred_username"] = self.sub
        if self.email is not None:
            claims |= {"email": self.email, "email_verified": self.email_verified}
        if self.groups is not None:
            claims["groups"] = list(self.groups)
        return claims | dict(self.claims)

    @property
    def label(self) -> str:
        """What to call this person on a page."""
        name = self.all_claims.get("name")
        return name if isinstance(name, str) and name else self.sub

    def released(self, scopes: Sequence[str], asked: Sequence[str] = ()) -> dict[str, Any]:
        """The claims that *scopes* release, and those *asked* for by name in the ``claims`` parameter (OpenID Connect Core 5.4, 5.5)."""
        allowed = {claim for scope in scopes for claim in SCOPE_CLAIMS.get(scope, ())}.union(asked)
        return {name: value for name, value in self.all_claims.items() if name in allowed or name not in _SCOPED}

    def answers_to(self, hint: str) -> bool:
        """Whether a ``login_hint`` means this person: subject, user name, e-mail address or telephone number."""
        claims = self.all_claims
        return hint.casefold() in {
            str(value).casefold() for value in (self.sub, claims.get("preferred_username"), claims.get("email"), claims.get("phone_number")) if value
        }


def subject_problems(sub: object) -> list[str]:
    """Why *sub* is no usable subject identifier: one sentence, or none."""
    if isinstance(sub, str) and 1 <= len(sub) <= 255 and sub.isascii() and sub.isprintable():
        return []
    return ["users: sub must be 1 to 255 printable ASCII characters"]


#: People worth testing with: each stands for one thing an application has to cope with.
SAMPLE_USERS: Final[tuple[SampleUser, ...]] = (
    SampleUser(
        "ada",
        "Ada Lovelace",
        "ada@example.com",
        groups=("admins", "engineering"),
        note="Administrator; has every standard claim.",
        claims={
            "given_name": "Ada",
            "family_name": "Lovelace",
            "birthdate": "1815-12-10",
            "zoneinfo": "Europe/London",
            "locale": "en-GB",
            "phone_number": "+44 20 7946 0001",
            "phone_number_verified": True,
            "address": {"formatted": "12 St James's Square\nLondon", "country": "GB"},
            "updated_at": 1_700_000_000,
            "department": "analytical engines",
        },
    ),
    SampleUser(
        "grace",
        "Grace Hopper",
        "grace@example.com",
        groups=("engineering",),
        note="An engineer, no administrator.",
        claims={"given_name": "Grace", "family_name": "Hopper", "locale": "en-US", "department": "compilers"},
    ),
    SampleUser(
        "alan",
        "Alan Turing",
        "alan@example.org",
        email_verified=False,
        groups=("analysts",),
        note="E-mail address not verified, and of another domain.",
        claims={"given_name": "Alan", "family_name": "Turing", "locale": "en-GB"},
    ),
    SampleUser(
        "sofja",
        "Софья Ковалевская",
        "sofja@example.com",
        note="A name beyond ASCII; no groups claim at all.",
        claims={"given_name": "Софья", "family_name": "Ковалевская", "locale": "ru"},
    ),
    SampleUser(
        "katherine",
        "Katherine Johnson",
        "katherine@example.com",
        groups=tuple(f"team-{number:03}" for number in range(1, 201)),
        note="In 200 groups: does her session still fit?",
        claims={"given_name": "Katherine", "family_name": "Johnson", "locale": "en-US"},
    ),
    SampleUser("svc-anonymous", note="Nothing but a subject."),
)
