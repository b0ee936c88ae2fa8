"""How a provider behaves: its options, and the state its endpoints share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final
from urllib.parse import urlsplit

from cachetools import LRUCache

from oidc_middleware.clock import Clock
from oidc_middleware.errors import ConfigError
from oidc_middleware.protocol.urls import endpoint_problem
from oidc_middleware.provider.authorization import RequestInfo
from oidc_middleware.provider.keys import SigningKeys
from oidc_middleware.provider.memory import MAX_ENTRIES, AccessToken, Code, Drawer, RefreshToken, Session
from oidc_middleware.provider.people import SCOPE_CLAIMS, SampleUser
from oidc_middleware.provider.registry import Client

SCOPES: Final = ("openid", *SCOPE_CLAIMS, "offline_access")
PKCE_POLICIES: Final = ("public", "always", "never")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """All lifetimes are in seconds.

    ``consent`` asks before a client gets claims. ``id_token_claims`` puts the claims of the granted scopes into the ID token as well.
    ``free_claims`` offers the form in which any ``sub`` and claims can be typed. ``require_pkce`` is ``"public"``, ``"always"`` or ``"never"``.
    ``acr_values`` are the authentication classes this provider claims to fulfil, the usual one first.
    """

    consent: bool = False
    id_token_claims: bool = False
    free_claims: bool = True
    require_pkce: str = "public"
    acr_values: tuple[str, ...] = ("urn:example:acr:password", "urn:example:acr:multi-factor")
    code_lifetime: float = 60
    id_token_lifetime: float = 300
    access_token_lifetime: float = 3_600
    refresh_token_lifetime: float = 14 * 86_400
    session_lifetime: float = 8 * 3_600

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> tuple[Options | None, list[str]]:
        """The options, and what is wrong with them."""
        known = {item.name: item for item in fields(cls)}
        problems = [f"{name}: there is no such option" for name in sorted(set(values) - set(known))]
        given = {name: value for name, value in values.items() if name in known}
        lifetimes = [name for name in given if name.endswith("_lifetime")]
        problems += [f"{name}: must be a positive number of seconds" for name in lifetimes if not _positive(given[name])]
        switches = [name for name in ("consent", "id_token_claims", "free_claims") if name in given]
        problems += [f"{name}: must be True or False" for name in switches if not isinstance(given[name], bool)]
        if given.get("require_pkce", "public") not in PKCE_POLICIES:
            problems.append(f"require_pkce: must be one of {', '.join(PKCE_POLICIES)}")
        return (None if problems else cls(**given)), problems


@dataclass(slots=True)
class Pending:
    """A page that waits for somebody: an authorization request or a sign-out, and the browser it was shown to.

    ``first_visit``: that browser brought no name yet. When it opens several pages at once, each answer names it anew, and only the last name stays.
    """

    kind: str
    browser: str = field(repr=False)
    info: RequestInfo = field(repr=False)
    session: Session | None = field(default=None, repr=False)  # whose consent or sign-out is asked for
    first_visit: bool = False


class State:
    """Everything the endpoints share: who may ask, who can sign in, and what was issued."""

    def __init__(
        self, issuer: str, clients: Iterable[Client], users: Iterable[SampleUser], clock: Clock, keys: SigningKeys, options: Options
    ) -> None:
        self.issuer = issuer
        self.clients = {client.client_id: client for client in clients}
        self.users = {user.sub: user for user in users}
        self.clock = clock
        self.keys = keys
        self.options = options
        self.codes = Drawer[Code](clock, max(options.code_lifetime, options.access_token_lifetime))
        self.access_tokens = Drawer[AccessToken](clock, options.access_token_lifetime)
        self.refresh_tokens = Drawer[RefreshToken](clock, options.refresh_token_lifetime)
        self.sessions = Drawer[Session](clock, options.session_lifetime)
        self.pending = Drawer[Pending](clock, 1_800)  # half an hour in front of a sign-in page
        self.consents: LRUCache[tuple[str, str], frozenset[str]] = LRUCache(MAX_ENTRIES)

    @property
    def path(self) -> str:
        """The path below which the provider lives, without a slash at its end."""
        return urlsplit(self.issuer).path.rstrip("/")

    def url(self, path: str) -> str:
        return self.issuer.rstrip("/") + path


def issuer_problems(issuer: object) -> list[str]:
    """Why *issuer* cannot be an issuer here: https, or http on a loopback host; no query, no fragment (OpenID Connect Core 2, Discovery 3)."""
    problem = "is not a string" if not isinstance(issuer, str) else "has a query" if "?" in issuer else endpoint_problem(issuer)
    return [f"issuer: {problem} (https, or http on a loopback host)"] if problem else []


def _positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e10


def require(problems: list[str]) -> None:
    """Raise one :class:`ConfigError` with all *problems*, if there are any."""
    if problems:
        raise ConfigError(problems)
