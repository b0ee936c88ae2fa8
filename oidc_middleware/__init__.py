"""OpenID Connect login in front of any ASGI or WSGI application, in one line.

    from oidc_middleware import protect
    app = protect(app)

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from oidc_middleware.errors import ConfigError, LoginError, OIDCError, ProviderError, Unavailable
    from oidc_middleware.identity import User
    from oidc_middleware.provider import add_id_token, id_token_hash, openid_authorization_validator, validate_authorization_request
    from oidc_middleware.steps import (
        exchange_code_for_tokens,
        exchange_code_for_tokens_async,
        handle_authentication_result,
        handle_authentication_result_async,
        start_authentication,
    )
    from oidc_middleware.wrap import protect

__version__ = "0.1.0"

__all__ = [
    "ConfigError",
    "LoginError",
    "OIDCError",
    "ProviderError",
    "Unavailable",
    "User",
    "__version__",
    "add_id_token",
    "exchange_code_for_tokens",
    "exchange_code_for_tokens_async",
    "handle_authentication_result",
    "handle_authentication_result_async",
    "id_token_hash",
    "openid_authorization_validator",
    "protect",
    "start_authentication",
    "validate_authorization_request",
]

_HOMES: Final = {
    "errors": ("ConfigError", "LoginError", "OIDCError", "ProviderError", "Unavailable"),
    "identity": ("User",),
    "wrap": ("protect",),
    "provider": ("add_id_token", "id_token_hash", "openid_authorization_validator", "validate_authorization_request"),
    "steps": (
        "exchange_code_for_tokens",
        "exchange_code_for_tokens_async",
        "handle_authentication_result",
        "handle_authentication_result_async",
        "start_authentication",
    ),
}
_MODULE_OF: Final = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
