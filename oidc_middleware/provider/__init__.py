"""A real OpenID Provider for development and tests, and the plain functions of the provider's side of a login.

The functions know no framework; the provider itself is a Starlette application and is imported when somebody asks for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from oidc_middleware.provider.authorization import openid_authorization_validator, validate_authorization_request
from oidc_middleware.provider.id_tokens import add_id_token, id_token_hash
from oidc_middleware.provider.people import SAMPLE_USERS, SampleUser
from oidc_middleware.provider.refusals import Destination, FatalRequest, RequestRefused
from oidc_middleware.provider.registry import Client

if TYPE_CHECKING:
    from oidc_middleware.provider.app import Provider
    from oidc_middleware.provider.keys import SigningKeys
    from oidc_middleware.provider.server import serve, serving

__all__ = [
    "SAMPLE_USERS",
    "Client",
    "Destination",
    "FatalRequest",
    "Provider",
    "RequestRefused",
    "SampleUser",
    "SigningKeys",
    "add_id_token",
    "id_token_hash",
    "openid_authorization_validator",
    "serve",
    "serving",
    "validate_authorization_request",
]

_LATER = {"Provider": "app", "SigningKeys": "keys", "serve": "server", "serving": "server"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
