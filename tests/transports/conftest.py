"""Fixtures of the transport tests; what they are made of is in harness.py."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator

import pytest

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


@pytest.fixture(params=["own-asgi", "own-wsgi", "own-proxied-asgi", "users-async-client-asgi", "users-sync-client-asgi", "users-sync-client-wsgi"])
def call(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)
