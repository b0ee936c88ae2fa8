"""The table of options: name, reader, default. One option's reader may look at those above it, so the order matters.

pydantic-settings gathers every problem before it raises; :mod:`~oidc_middleware.config.load` turns them into sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Final

from pydantic import Field, PlainValidator, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from oidc_middleware.config import addresses, keys, values
from oidc_middleware.policy.allow import problems as allow_problems
from oidc_middleware.policy.public import PublicPaths
from oidc_middleware.policy.public import problems as public_problems
from oidc_middleware.protocol.authorize_params import authorize_params_problems

_AVAILABLE_AUTH: Final = ("client_secret_basic", "client_secret_post", "none")
_LATER_AUTH: Final = ("client_secret_jwt", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth")
_DAY: Final = 86400.0

Text = Annotated[str, PlainValidator(values.text)]
Words = Annotated[tuple[str, ...], PlainValidator(values.words)]
Switch = Annotated[bool, PlainValidator(values.switch)]


class Problems(ValueError):
    """Several things wrong with one option."""

    def __init__(self, sentences: list[str]) -> None:
        self.sentences: Final = tuple(sentences)
        super().__init__("; ".join(sentences))


class Options(BaseSettings):
    """What an operator can set. The fields mean what they mean in :class:`~oidc_middleware.config.settings.Settings`."""

    model_config = SettingsConfigDict(extra="forbid", hide_input_in_errors=True, validate_default=False, arbitrary_types_allowed=True)

    insecure_allow_http: Switch = False
    issuer: str
    client_id: Annotated[str, PlainValidator(values.client_id)]
    client_secret: Annotated[str | None, PlainValidator(keys.client_secret)] = Field(default=None, repr=False)
    client_auth: str | None = None
    secret_key: tuple[str, ...] = Field(default=(), repr=False, validate_default=True)
    base_url: str | None = None
    prefix: Annotated[str, PlainValidator(addresses.prefix)] = "/oidc"
    scopes: Annotated[tuple[str, ...], PlainValidator(values.scopes)] = ("openid", "profile", "email")
    public: tuple[str, ...] = ()
    allow: Any = None
    authorize_params: Mapping[str, object] = Field(default_factory=dict, repr=False)
    response_mode: Annotated[str, PlainValidator(values.one_of("query", "form_post"))] = "query"
    store: Any = Field(default=None, repr=False)
    revocation: Any = Field(default=None, repr=False)
    keep_tokens: Switch = False
    session_claims: Annotated[tuple[str, ...] | None, PlainValidator(values.words)] = None
    id_token_algs: tuple[str, ...] = ("RS256",)
    userinfo: Annotated[str, PlainValidator(values.one_of("auto", "always", "never"))] = "auto"
    session_lifetime: Annotated[float, PlainValidator(values.seconds(1, 400 * _DAY))] = 8 * 3600.0
    idle_timeout: Annotated[float, PlainValidator(values.seconds(1, 400 * _DAY))] = 3600.0
    login_timeout: Annotated[float, PlainValidator(values.seconds(1, _DAY))] = 600.0
    leeway: Annotated[float, PlainValidator(values.seconds(0, 300))] = 60.0
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], PlainValidator(values.networks)] = ()
    http_client: Annotated[Any, PlainValidator(values.http_client)] = Field(default=None, repr=False)
    allowed_hosts: Annotated[tuple[str, ...], PlainValidator(addresses.hosts)] = ()
    websocket_origins: tuple[str, ...] = ()
    end_long_responses: Switch = False
    extra_audiences: Words = ()
    allow_missing_exp: Switch = False
    require_pkce: Switch = False
    trust_env: Switch = True
    title: Annotated[str, PlainValidator(values.title)] = ""

    @field_validator("issuer", mode="plain")
    @classmethod
    def _issuer(cls, value: object, info: ValidationInfo) -> str:
        return addresses.issuer(value, insecure=info.data.get("insecure_allow_http", False))

    @field_validator("base_url", mode="plain")
    @classmethod
    def _base_url(cls, value: object, info: ValidationInfo) -> str:
        return addresses.base_url(value, insecure=info.data.get("insecure_allow_http", False))

    @field_validator("websocket_origins", mode="plain")
    @classmethod
    def _websocket_origins(cls, value: object, info: ValidationInfo) -> tuple[str, ...]:
        return addresses.origins(value, insecure=info.data.get("insecure_allow_http", False))

    @field_validator("client_auth", mode="plain")
    @classmethod
    def _client_auth(cls, value: object, info: ValidationInfo) -> str:
        """OIDC Core 9. An unusable pair of method and secret would only show at the first login."""
        if isinstance(value, str) and value in _LATER_AUTH:
            raise ValueError(f"{value} is not available in this version")
        method = values.one_of(*_AVAILABLE_AUTH)(value)
        if "client_secret" in info.data and (method == "none") == bool(info.data["client_secret"]):
            raise ValueError("is none, but a client_secret is set" if method == "none" else f"is {method}, which needs a client_secret")
        return method

    @field_validator("secret_key", mode="plain")
    @classmethod
    def _secret_key(cls, value: object, info: ValidationInfo) -> tuple[str, ...]:
        """Never a random default: each worker would make its own, and log out everybody at every restart (catalogue F-PR-04)."""
        secret: str | None = info.data.get("client_secret")
        if value == () and "client_secret" in info.data:
            if secret is None or len(secret) < keys.MIN_SECRET_CHARACTERS:
                raise ValueError("is required unless there is a client_secret of at least 32 characters to derive it from")
            return (keys.derived_key(secret),)
        found = keys.secret_keys(value) if value != () else ()
        if secret is not None and secret in found:
            raise ValueError("must differ from client_secret, which the provider knows too")
        return found

    @field_validator("public", mode="plain")
    @classmethod
    def _public(cls, value: object, info: ValidationInfo) -> tuple[str, ...]:
        patterns = values.words(value)
        _raise(public_problems(patterns))
        own = f"{info.data.get('prefix', '/oidc')}/callback"
        if PublicPaths(patterns).covers(own, own):
            raise ValueError("covers the package's own endpoints; they are reachable as they are")
        return patterns

    @field_validator("allow", mode="plain")
    @classmethod
    def _allow(cls, value: object) -> object:
        """An empty or missing value is a mistake, never "everyone" (catalogue AZ-03)."""
        rules = values.allow(value)
        if rules is None:
            raise ValueError("is None; leave the option out to admit everyone who can log in")
        _raise(allow_problems(rules))
        return rules

    @field_validator("authorize_params", mode="plain")
    @classmethod
    def _authorize_params(cls, value: object) -> Mapping[str, object]:
        parameters = values.mapping(value)
        _raise(authorize_params_problems(parameters))
        return parameters

    @field_validator("response_mode", mode="after")
    @classmethod
    def _response_mode(cls, value: str, info: ValidationInfo) -> str:
        """The answer comes as a cross-site POST, which carries only cookies that are SameSite=None and Secure."""
        if value == "form_post" and "base_url" in info.data:
            address = info.data["base_url"]
            if address is None or not addresses.keeps_cross_site_cookies(address):
                raise ValueError("is form_post, which needs a base_url with https (or on a loopback host)")
        return value

    @field_validator("store", "revocation", mode="plain")
    @classmethod
    def _store(cls, value: object, info: ValidationInfo) -> object:
        """A place for sessions, or for the list of ended ones; ``cookie`` (or nothing) is no place on the server."""
        from oidc_middleware.stores import store_problems  # noqa: PLC0415  # looked at only where one is asked for

        if value == "cookie" and info.field_name == "store":
            return None
        _raise(store_problems(value))
        if info.field_name == "revocation" and info.data.get("store") is not None:
            raise ValueError("is for sessions in cookies; sessions in a store are ended there")
        return value

    @field_validator("keep_tokens", mode="after")
    @classmethod
    def _keep_tokens(cls, value: bool, info: ValidationInfo) -> bool:
        """A refresh token that rotates has one owner; cookies of parallel answers would restore an older one (catalogue RF-07)."""
        if value and "store" in info.data and info.data["store"] is None:
            raise ValueError("needs store: tokens are kept on the server, never in a cookie")
        return value

    @field_validator("id_token_algs", mode="plain")
    @classmethod
    def _id_token_algs(cls, value: object, info: ValidationInfo) -> tuple[str, ...]:
        """Pinned here, whatever the provider's metadata says: never "none", never symmetric beside asymmetric (catalogue ID-01 to ID-04)."""
        from oidc_middleware.protocol.jws import SYMMETRIC, algorithm_problems  # noqa: PLC0415  # brings joserfc, slow to import

        algs = values.words(value)
        secret = info.data.get("client_secret") or ""
        found = algorithm_problems(algs, has_secret=bool(secret) or "client_secret" not in info.data)
        need = max((SYMMETRIC.get(alg, 0) for alg in algs), default=0)
        if secret and len(secret.encode()) < need:
            found.append(f"{algs[0]} needs a client_secret of at least {need} bytes (RFC 7518 3.2)")
        _raise(found)
        return algs


def _raise(sentences: list[str]) -> None:
    if sentences:
        raise Problems(sentences)
