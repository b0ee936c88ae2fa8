"""The operator's settings: read from keyword options, ``OIDC_*`` variables and files, judged all at once."""

from __future__ import annotations

from oidc_middleware.config.load import load_settings
from oidc_middleware.config.settings import Settings

__all__ = ["Settings", "load_settings"]
