"""What a shell asked of the store before a flow began need not be asked by the flow."""

import asyncio
from types import SimpleNamespace

import pytest

from oidc_middleware.drive import AsyncWorld, Known, SyncWorld, arun, run
from oidc_middleware.errors import Unavailable
from oidc_middleware.flows.effects import Now, StoreGet
from oidc_middleware.testing import FakeClock


def asks_and_tells():
    first = yield StoreGet("k-1")
    try:
        second = yield StoreGet("k-2")
    except Unavailable as error:
        second = error.code
    return first, second


def known_to(kind, key, store, flow):
    """``(what the store was asked, what becomes of *flow*)`` when it was asked about *key* before."""
    calls = []

    def get(key, now):
        calls.append(key)
        return store(key)

    async def aget(key, now):
        return get(key, now)

    if kind == "sync":
        world = SyncWorld(None, FakeClock(), SimpleNamespace(get=get))
        return calls, run(flow, world, known=world.heard(StoreGet(key)))

    async def story():
        world = AsyncWorld(None, FakeClock(), SimpleNamespace(get=aget))
        return await arun(flow, world, known=await world.heard(StoreGet(key)))

    return calls, asyncio.run(story())


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_what_is_known_is_not_done_again(kind):
    assert known_to(kind, "k-1", str.upper, asks_and_tells()) == (["k-1", "k-2"], ("K-1", "K-2"))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_what_is_known_of_something_else_does_not_count(kind):
    assert known_to(kind, "k-2", str.upper, asks_and_tells()) == (["k-2", "k-1", "k-2"], ("K-1", "K-2"))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_error_that_is_known_is_thrown_into_the_flow(kind):
    def fails(key):
        raise OSError("secret")

    def flow():
        try:
            return (yield StoreGet("k-1"))
        except Unavailable as error:
            return error

    calls, error = known_to(kind, "k-1", fails, flow())
    assert (calls, error.code) == (["k-1"], "store_unavailable")
    assert "secret" not in f"{error!r} {error.detail}"
    with pytest.raises(Unavailable):
        known_to(kind, "k-1", fails, asks_and_tells())
    assert isinstance(Known(StoreGet("k-1")).begun(asks_and_tells(), Now()), Now)
