"""Fixtures of the transport tests; what they are made of is in harness.py."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator

import httpx
import pytest
import trustme

from tests.transports.harness import Caller, Peer, Provider


@pytest.fixture
def provider() -> Iterator[Callable[..., Provider]]:
    """``provider(script)`` starts a provider; all are ended with the test."""
    with contextlib.ExitStack() as stack:

        def start(script: Callable[[Peer], None], tls: ssl.SSLContext | None = None) -> Provider:
            running = Provider(script, tls)
            stack.callback(running.close)
            return running

        yield start


CALLERS = [
    "own-asgi", "own-wsgi", "own-proxied-asgi", "own-proxied-wsgi", "users-async-client-asgi", "users-sync-client-asgi", "users-sync-client-wsgi"
]  # fmt: skip


@pytest.fixture(params=CALLERS)
def call(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)


@pytest.fixture(params=["asgi", "wsgi"])
def shell(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=["http", "https"])
def maybe_tls(request: pytest.FixtureRequest, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext | None:
    """The provider's TLS context, or ``None``. The machine trusts its authority."""
    if request.param == "http":
        return None
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    monkeypatch.setattr(httpx, "create_ssl_context", lambda **_options: trusted)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context
