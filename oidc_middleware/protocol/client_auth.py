"""How the client proves itself at the token endpoint: RFC 6749 2.3, OIDC Core 9."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote_plus, urlencode

from oidc_middleware.errors import ConfigError
from oidc_middleware.protocol.metadata import ProviderMetadata
from oidc_middleware.protocol.text import shown


@dataclass(frozen=True, slots=True)
class Client:
    """This application as the provider knows it. ``auth_method`` is a key of :data:`METHODS`.

    Raises ``ConfigError`` for an unknown method, and for a method that needs a secret without one (catalogue FD-04).
    """

    client_id: str
    client_secret: str | None = field(repr=False)
    auth_method: str

    def __post_init__(self) -> None:
        problems = _method_problems(self.auth_method, has_secret=bool(self.client_secret))
        if problems:
            raise ConfigError(problems)


@dataclass(frozen=True, slots=True)
class _Method:
    needs_secret: bool
    apply: Callable[[Mapping[str, str], Client], tuple[dict[str, str], dict[str, str]]]  # form, client -> headers, form


def _basic(form: Mapping[str, str], client: Client) -> tuple[dict[str, str], dict[str, str]]:
    # RFC 6749 2.3.1 wants both halves form-urlencoded first: a secret may hold ":" or any Unicode character. Most libraries leave it out.
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret or '')}"
    return {"authorization": f"Basic {base64.b64encode(pair.encode('ascii')).decode('ascii')}"}, dict(form)


def _post(form: Mapping[str, str], client: Client) -> tuple[dict[str, str], dict[str, str]]:
    return {}, {**form, "client_id": client.client_id, "client_secret": client.client_secret or ""}


def _none(form: Mapping[str, str], client: Client) -> tuple[dict[str, str], dict[str, str]]:
    return {}, {**form, "client_id": client.client_id}


#: The methods we know, best first: that is the order of choice when nothing is configured.
METHODS: Final[Mapping[str, _Method]] = {
    "client_secret_basic": _Method(needs_secret=True, apply=_basic),
    "client_secret_post": _Method(needs_secret=True, apply=_post),
    "none": _Method(needs_secret=False, apply=_none),
}


def choose_auth_method(configured: str | None, has_secret: bool, metadata: ProviderMetadata) -> str:
    """The method to use: the configured one; else, with a secret, the first of ours that the provider supports; else ``none``.

    Raises ``ConfigError`` when there is none. What is configured wins over the metadata, which is often incomplete.
    """
    if configured is not None:
        problems = _method_problems(configured, has_secret=has_secret)
        if problems:
            raise ConfigError(problems)
        return configured
    if not has_secret:
        return "none"
    for name, method in METHODS.items():
        if method.needs_secret and name in metadata.token_endpoint_auth_methods:
            return name
    offered = ", ".join(map(shown, metadata.token_endpoint_auth_methods))
    raise ConfigError([f"client_auth: the provider supports {offered}, of which none is available here"])


def authenticated(form: Mapping[str, str], client: Client) -> tuple[dict[str, str], bytes]:
    """Headers and body of a POST of *form* to the token endpoint, as *client*."""
    headers, complete = METHODS[client.auth_method].apply(form, client)
    return {"content-type": "application/x-www-form-urlencoded", **headers}, urlencode(complete).encode("ascii")


def _method_problems(name: str, *, has_secret: bool) -> list[str]:
    method = METHODS.get(name)
    if method is None:
        return [f"client_auth: {shown(name)} is not available, only {', '.join(METHODS)}"]
    if method.needs_secret and not has_secret:
        return [f"client_secret: {name} needs one that is not empty"]
    return []
