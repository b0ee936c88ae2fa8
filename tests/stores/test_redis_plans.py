"""Plans for Redis, driven by hand: what is asked, in which order, and what comes of each answer."""

import struct

import pytest
import redis

from oidc_middleware.errors import Unavailable
from oidc_middleware.stores.base import BATCH, unavailable
from oidc_middleware.stores.redis_plans import Plans
from tests.stores.harness import NOW, new

FULL = Unavailable("store_full", "no room")


def deleting():
    return Plans("oidc:", together=True).delete_index("sub-1", issued_until=NOW, keep=60, now=NOW)


def ended(plan, answers):
    with pytest.raises(StopIteration) as caught:
        plan.send(answers)
    return caught.value.value


@pytest.mark.row("F-PR-14", "LT-18")
def test_an_account_is_ended_batch_by_batch_until_one_is_not_full():
    plan = deleting()
    (mark,) = next(plan)
    (first,) = plan.send([1])
    assert [command for command in (mark, first) if "oidc:m:sub-1" in command] == [mark]
    assert plan.send([[BATCH - 1, BATCH]]) == [first], "one was gone already"
    assert plan.send([[BATCH, BATCH]]) == [first]
    assert ended(plan, [[3, 4]]) == 2 * BATCH + 2


@pytest.mark.row("F-ST-07", "LT-18")
def test_a_server_that_fills_up_midway_loses_the_rest_without_tombstones_and_no_count():
    plan = deleting()
    (mark,) = next(plan)
    plan.send([1])
    plan.send([[BATCH, BATCH]])
    (look,) = plan.throw(FULL)
    assert look[0] == "ZRANGEBYSCORE"
    buries = plan.send([[b"k1", b"k2"]])
    assert [command[3] for command in buries] == ["oidc:s:k1", "oidc:s:k2"]
    assert plan.throw(FULL) == [("UNLINK", "oidc:s:k1"), ("UNLINK", "oidc:s:k2")]
    assert plan.send([1, 1]) == [("ZREM", "oidc:i:sub-1", b"k1", b"k2"), look]
    assert plan.send([2, []]) == [mark], "now there may be room"
    assert ended(plan, [1]) == BATCH + 2


@pytest.mark.row("F-ST-01", "LT-18")
def test_a_server_that_goes_away_midway_is_asked_nothing_more():
    plan = deleting()
    next(plan)
    plan.send([1])
    with pytest.raises(Unavailable) as caught:
        plan.throw(unavailable("redis", "gone"))
    assert caught.value.code == "store_unavailable"


@pytest.mark.row("F-ST-12", "F-PR-14")
def test_what_an_index_names_and_is_not_ours_is_neither_ended_nor_counted(opened, redis_server):
    store = opened(redis_server.url)
    for key in ("k1", "k2", "k3", "k4"):
        assert new(store, key)
    assert store.delete("k4", keep=60, now=NOW)
    with redis.Redis.from_url(redis_server.url) as client:
        foreign = struct.pack(">4sQdI", b"else", 7, NOW + 600, 0) + b"somebody's"
        client.set("oidc:s:k2", foreign)
        client.delete("oidc:s:k3")
        client.rpush("oidc:s:k3", "a list")
        assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) == 1
        assert client.get("oidc:s:k2") == foreign
        assert client.lrange("oidc:s:k3", 0, -1) == [b"a list"]
        assert client.zcard("oidc:i:sub-1") == 0, "nobody looks for them there again"
    assert store.get("k1", NOW) is None
