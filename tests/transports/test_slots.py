"""Who is told at once that too much is under way, and who waits: a spent code is not thrown away for want of a place."""

import asyncio
import threading

import httpx
import pytest

from oidc_middleware.errors import Unavailable
from oidc_middleware.protocol.messages import HttpRequest
from oidc_middleware.transports import slots
from oidc_middleware.transports.client import AsyncHttp, SyncHttp


def request(purpose):
    return HttpRequest(purpose, "GET", f"https://op.example/{purpose}")


async def answers_of_a_crowd(seconds):
    """What eight calls get of which two of a kind may be under way, when the provider takes *seconds* to answer the first ones."""
    gate, full, arrived = asyncio.Event(), asyncio.Event(), []

    async def handle(sent):
        arrived.append(sent.url.path)
        if len(arrived) == 4:
            full.set()
        await gate.wait()
        return httpx.Response(200, json={})

    http = AsyncHttp(httpx.AsyncClient(transport=httpx.MockTransport(handle)), trust_env=False, max_concurrent=2)
    calls = [asyncio.ensure_future(http.send(request(purpose))) for purpose in ["token"] * 4 + ["userinfo"] * 4]
    await full.wait()
    await asyncio.sleep(seconds)
    gate.set()
    return [result.code if isinstance(result, Unavailable) else result.status for result in await asyncio.gather(*calls, return_exceptions=True)]


@pytest.mark.row("DS-06", "F-PR-19")
def test_while_the_provider_answers_everybody_waits_for_a_place():
    assert asyncio.run(answers_of_a_crowd(0)) == [200] * 8


@pytest.mark.row("DS-06", "F-PR-19")
def test_while_it_hangs_userinfo_waits_for_a_place_and_a_new_login_does_not(monkeypatch):
    monkeypatch.setattr(slots, "STILL_SECONDS", 0.1)
    assert asyncio.run(answers_of_a_crowd(0.4)) == [200, 200, "provider_busy", "provider_busy", 200, 200, 200, 200]


@pytest.mark.row("DS-06")
def test_a_new_login_leaves_the_call_half_of_its_time(monkeypatch):
    monkeypatch.setattr(slots, "STILL_SECONDS", 60)

    async def handle(sent):
        await asyncio.sleep(60)

    async def main():
        http = AsyncHttp(httpx.AsyncClient(transport=httpx.MockTransport(handle)), trust_env=False, max_concurrent=1, deadline=0.6)
        calls = [http.send(request("token")) for _ in range(2)]
        return sorted(error.code for error in await asyncio.gather(*calls, return_exceptions=True))

    assert asyncio.run(main()) == ["provider_busy", "provider_timeout"]


@pytest.mark.row("DS-06", "F-PR-19")
@pytest.mark.parametrize("purpose", ["userinfo", "token"])
def test_and_so_do_threads(purpose):
    gate, results = threading.Event(), []

    def handle(sent):
        assert gate.wait(10)
        return httpx.Response(200, json={})

    http = SyncHttp(httpx.Client(transport=httpx.MockTransport(handle)), trust_env=False, max_concurrent=1)

    def call():
        results.append(http.send(request(purpose)).status)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(10)
    assert results == [200] * 3


@pytest.mark.row("DS-06")
def test_patience_ends_with_the_deadline():
    async def main():
        async def handle(sent):
            await asyncio.sleep(60)

        http = AsyncHttp(httpx.AsyncClient(transport=httpx.MockTransport(handle)), trust_env=False, max_concurrent=1, deadline=0.2)
        calls = [http.send(request("userinfo")) for _ in range(2)]
        return sorted(error.code for error in await asyncio.gather(*calls, return_exceptions=True))

    assert asyncio.run(main()) in (["provider_busy", "provider_timeout"], ["provider_timeout", "provider_timeout"])
