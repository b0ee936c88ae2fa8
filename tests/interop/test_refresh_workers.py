"""One redeem for each rotation: four worker processes, fifty requests at a time in each, a real Redis, a provider that takes reuse for a theft.

500 rounds for each kind of server. ``make refresh-soak`` runs 10,000, ``REFRESH_ROUNDS`` says any other number.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter

import pytest

from tests.interop.farm.farm import EACH, LIFE, WORKERS, farm

pytestmark = [pytest.mark.interop, pytest.mark.slow]

ROUNDS = int(os.environ.get("REFRESH_ROUNDS", "500"))


@pytest.mark.row("RF-02")
@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
def test_rf_02_one_redeem_for_each_rotation(server, redis_url, tmp_path):
    with farm(server, f"{redis_url}?prefix={tmp_path.name}:", tmp_path) as workers:
        told = asyncio.run(rotations(workers))
        assert "Traceback" not in workers.log, workers.log
        assert "WARNING" not in workers.log, workers.log
    print(f"\n{server}: {told}")


async def rotations(workers) -> str:
    cookie = workers.sign_in()
    async with workers.lines() as lines:
        known, begin = {(await lines[0].ask("/token", cookie))["token"]}, time.monotonic()
        for number in range(1, ROUNDS + 1):
            known.add(await rotation(workers, lines, cookie, number, known))
        seconds = time.monotonic() - begin
    assert workers.provider.complaints == []
    asked = ROUNDS * len(lines)
    return f"{ROUNDS} rounds, {asked} requests, {workers.refreshes} redeems, {seconds:.1f} s, {1000 * seconds / ROUNDS:.0f} ms a round"


async def rotation(workers, lines, cookie, number, known) -> str:
    """All ask at once for a token that is due; the one that all of them got."""
    # In turn: a token that can still be used; the same while the provider takes its time; one that has expired.
    workers.clock.advance(LIFE if number % 3 == 0 else LIFE - 9)
    if number % 3 == 2:
        workers.provider.script("token", delay=0.1, times=1)
    answers = await asyncio.gather(*(line.ask("/token", cookie) for line in lines))
    found = {answer.get("token") for answer in answers}
    assert len(found) == 1, (number, [answer for answer in answers if "token" not in answer], workers.log)
    assert [*Counter(answer["pid"] for answer in answers).values()] == [EACH] * WORKERS
    assert found.isdisjoint(known), f"round {number}: a token of an earlier round"
    assert found <= workers.provider.tokens.keys(), "the provider knows the token, so its family was not revoked"
    assert workers.refreshes == number, "one redeem for each rotation"
    return found.pop()
