"""Fixtures of the store tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stores.harness import Opened


@pytest.fixture
def opened() -> Iterator[Opened]:
    """``opened(target, "sync" or "async")`` opens a store; all are closed with the test."""
    stores = Opened()
    yield stores
    stores.close()


@pytest.fixture
def target_of(request, tmp_path):
    """The URL of an empty store of a kind."""

    def target(kind):
        match kind:
            case "memory":
                return "memory://"
            case "sqlite":
                return f"sqlite:///{tmp_path}/sessions.db"

    return target


@pytest.fixture(params=["memory-sync", "memory-async", "sqlite-sync", "sqlite-async"])
def store(request, opened, target_of):
    """An empty store of each kind."""
    kind, _, shell = request.param.partition("-")
    return opened(target_of(kind), shell)
