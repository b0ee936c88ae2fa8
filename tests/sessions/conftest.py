from __future__ import annotations

import hashlib
import json
from itertools import count

import pytest

from oidc_middleware.sessions.cookies import CookieNames
from oidc_middleware.sessions.pending import PendingLogins, new_pending_login
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


@pytest.fixture
def logins(names, keyring):
    return PendingLogins(names, keyring, login_timeout=600, leeway=60)


@pytest.fixture
def begin(random, now):
    def make(return_to="/reports?year=2026", created=now, **more):
        values = {"issuer": "https://login.example.com/realms/main", "redirect_uri": "https://dash.example.com/oidc/callback", **more}
        return new_pending_login(random(96), return_to=return_to, created=created, **values)

    return make


@pytest.fixture
def several(logins, begin, entropy, now, browser):
    """A browser in which *count* logins began, a second apart; and the logins."""

    def make(count, step=1.0, **more):
        begun, lines = [], []
        for number in range(count):
            one = begin(created=now + number * step, **more)
            lines += logins.add(browser(lines), one, entropy(), now + number * step)
            begun.append(one)
        return browser(lines), begun

    return make
