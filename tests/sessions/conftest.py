from __future__ import annotations

import hashlib
import json
from itertools import count

import pytest

from oidc_middleware.sessions.cookies import CookieNames
from oidc_middleware.sessions.sealing import Keyring
from oidc_middleware.sessions.session import Lifetimes, Session
from oidc_middleware.sessions.session_cookie import SessionCookies

NOW = 1_763_762_400.0
SECRET = "a secret of at least thirty-two bytes"


def pairs(set_cookies):
    """The Cookie header a browser sends after these Set-Cookie values: deletions count."""
    jar = {}
    for line in set_cookies:
        pair, *attributes = line.split("; ")
        name, _, value = pair.partition("=")
        if "Max-Age=0" in attributes:
            jar.pop(name, None)
        else:
            jar[name] = value
    return "; ".join(f"{name}={value}" for name, value in jar.items())


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def browser():
    return pairs


@pytest.fixture
def names():
    return CookieNames("oidc_app", secure=True)


@pytest.fixture
def keyring():
    return Keyring([SECRET], "app")


@pytest.fixture
def foreign_keyring():
    return Keyring([SECRET], "another app")


@pytest.fixture
def lifetimes():
    return Lifetimes(session_lifetime=28_800, idle_timeout=3_600, leeway=60)


@pytest.fixture
def cookies(names, keyring, lifetimes):
    return SessionCookies(names, keyring, lifetimes)


@pytest.fixture
def random():
    """Bytes that look random, and are the same in every run."""
    numbers = count()

    def draw(length):
        return b"".join(hashlib.sha256(f"{next(numbers)}".encode()).digest() for _ in range(length // 32 + 1))[:length]

    return draw


@pytest.fixture
def entropy(random):
    return lambda: random(12)


@pytest.fixture
def session():
    def make(**changes):
        claims = changes.pop("claims", {"name": "Ada", "email": "ada@example.com"})
        values = {
            "issuer": "https://login.example.com",
            "subject": "ada",
            "claims_json": json.dumps(claims),
            "created": NOW,
            "seen": NOW,
            "expires": NOW + 28_800,
        }
        return Session(**{**values, **changes})

    return make
