"""The settings after judgement: what the rest of the package relies on without looking again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One relying party at one provider. Make it with :func:`~oidc_middleware.config.load_settings`, which checks every value.

    All durations are seconds. Whatever is or may contain a secret is left out of the printed form (catalogue LG-01).
    """

    #: Exact issuer identifier, never normalised: OIDC Discovery 4.3 compares it character by character.
    issuer: str
    client_id: str
    #: ``None``: a public client, protected by PKCE alone.
    client_secret: str | None = field(default=None, repr=False)
    #: ``client_secret_basic``, ``client_secret_post``, ``none``, or ``None``: chosen from the provider's metadata.
    client_auth: str | None = None
    #: Each of at least 32 bytes. The first seals, all open.
    secret_keys: tuple[str, ...] = field(repr=False)
    #: Where users reach the app, with its mount path and without a trailing slash. ``None``: told by the request's Host, see ``allowed_hosts``.
    base_url: str | None = None
    #: Path of the package's own endpoints below ``base_url``; begins with a slash, ends without one.
    prefix: str = "/oidc"
    #: Always contains ``openid``.
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    #: Paths that need no login: exact, or a prefix ending in ``/*``.
    public: tuple[str, ...] = ()
    #: Who may come in, as the option was given (``policy.allow`` reads it); ``None``: everyone who can log in.
    allow: object = None
    #: Further parameters of the authorization request.
    authorize_params: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    #: ``query`` or ``form_post``.
    response_mode: str = "query"
    #: ``None``: the session lives in the cookie.
    store: object | None = field(default=None, repr=False)
    revocation: object | None = field(default=None, repr=False)
    keep_tokens: bool = False
    #: The claims that a session keeps; ``None``: what fits.
    session_claims: tuple[str, ...] | None = None
    #: The only signature algorithms an ID token may have, whatever the provider's metadata says (catalogue ID-04).
    id_token_algs: tuple[str, ...] = ("RS256",)
    #: ``auto``, ``always`` or ``never``.
    userinfo: str = "auto"
    session_lifetime: float = 8 * 3600.0
    idle_timeout: float = 3600.0
    login_timeout: float = 600.0
    leeway: float = 60.0
    #: Whose ``X-Forwarded-*`` headers count.
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    #: The user's own ``httpx.Client`` or ``httpx.AsyncClient``.
    http_client: object | None = field(default=None, repr=False)
    #: ``host`` or ``host:port``, lower case, that the app answers to besides ``base_url``.
    allowed_hosts: tuple[str, ...] = ()
    #: http for hosts other than loopback. Cookies and tokens then cross the network in the clear.
    insecure_allow_http: bool = False
    #: Origins besides the app's own that may open WebSockets.
    websocket_origins: tuple[str, ...] = ()
    #: Whether an answer that goes on when its session ends is cut off (catalogue WS-09).
    end_long_responses: bool = False
    #: Audiences that an ID token may name besides ``client_id``.
    extra_audiences: tuple[str, ...] = ()
    #: Whether a logout token may go without ``exp``; it then counts for two minutes from its ``iat`` (catalogue LT-07).
    allow_missing_exp: bool = False
    #: Refuse a provider whose metadata does not promise PKCE with S256.
    require_pkce: bool = False
    #: Whether the proxy and certificate variables of the environment count for calls to the provider.
    trust_env: bool = True
    #: The application's name on the package's own pages.
    title: str = ""
