"""Where a measured application runs and whom it trusts, for all of them: told by the variables that ``measure.py`` sets."""

from __future__ import annotations

import os
from typing import Final

BASE_URL: Final = os.environ["BENCH_BASE_URL"]
ISSUER: Final = os.environ["BENCH_ISSUER"]
METADATA: Final = f"{ISSUER}/.well-known/openid-configuration"
CLIENT_ID: Final = os.environ["BENCH_CLIENT_ID"]
CLIENT_SECRET: Final = os.environ["BENCH_CLIENT_SECRET"]
#: At the provider of the benchmark the e-mail address comes from the UserInfo endpoint, so every application has to ask there.
SCOPE: Final = "openid profile email"
SECRET_KEY: Final = "benchmark-only-0123456789-abcdefghij"
#: The page tells who is signed in. The bare application just says so.
ADA: Final = "ada@example.com"
