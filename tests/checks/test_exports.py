"""The public names. Whoever adds or removes one changes this list too, and the changelog."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

PUBLIC = {
    "oidc_middleware": {
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
    },
    "oidc_middleware.config": {"Settings", "load_settings"},
    "oidc_middleware.integrations.httpx": {"UserToken"},
}


@pytest.mark.parametrize("module", PUBLIC)
def test_exported_names(module):
    found = import_module(module)
    assert set(found.__all__) == PUBLIC[module]
    assert [name for name in found.__all__ if getattr(found, name, None) is None] == []


@pytest.mark.parametrize("world", ["asgi", "wsgi"])
def test_each_world_has_the_middleware(world):
    found = import_module(f"oidc_middleware.{world}")
    assert found.OIDCMiddleware.__module__ == f"oidc_middleware.{world}"


def test_an_unknown_name_is_an_attribute_error():
    import oidc_middleware

    with pytest.raises(AttributeError, match="no attribute 'protekt'"):
        oidc_middleware.protekt  # noqa: B018  # reading it is the test


def test_importing_the_package_loads_no_other_package():
    code = "import sys; before = set(sys.modules); import oidc_middleware; print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - sys.stdlib_module_names == {"oidc_middleware"}
