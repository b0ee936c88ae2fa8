"""What the tests of the settings start from: a complete set of options, and the problems of another set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from oidc_middleware.config import load_settings
from oidc_middleware.errors import ConfigError

KEY = "q7Zr2mXw9Lk4Tn8Vb3Yc6Hd1Jf5Gs0Pa-one"
OTHER_KEY = "B4tq9Wn2Rx7Km5Zv8Lc1Yd6Hj3Fs0Gp-two"
LONG_SECRET = "Zk3vN8qT1xW6rB9mY4cH7dJ2fL5gS0pA"
BASE: dict[str, Any] = {
    "issuer": "https://login.example.com",
    "client_id": "dash",
    "client_secret": "s3cr:t%ä",
    "secret_key": KEY,
    "base_url": "https://dash.example.com",
}


def load(environ: Mapping[str, str] | None = None, /, **changes: Any):
    """Settings from the base options with *changes*; ``...`` leaves an option out."""
    options = {name: value for name, value in {**BASE, **changes}.items() if value is not ...}
    return load_settings(options, environ or {})


def problems(environ: Mapping[str, str] | None = None, /, **changes: Any) -> tuple[str, ...]:
    """The problems of the base options with *changes*."""
    with pytest.raises(ConfigError) as caught:
        load(environ, **changes)
    return caught.value.problems


def problem(environ: Mapping[str, str] | None = None, /, **changes: Any) -> str:
    """The only problem."""
    found = problems(environ, **changes)
    assert len(found) == 1, found
    return found[0]
