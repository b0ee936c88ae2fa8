"""Many sessions, many logouts, in Redis and through whole applications (catalogue F-PR-13, F-PR-14). Nothing is timed: what is counted are steps."""

from collections import Counter

import pytest
import redis

from oidc_middleware.stores import open_sync
from oidc_middleware.stores.base import BATCH
from oidc_middleware.testing import REMOVE
from tests.catalogue.many import CALLS, FEW, LOGOUTS, LONG, MANY, filled
from tests.conformance.backchannel import assert_done, lives, send_logout, signs_in
from tests.stores.harness import NOW, new

#: What runs over all that there is, instead of asking for what is meant.
SCANS = {"scan", "sscan", "hscan", "zscan", "keys", "sort", "smembers", "hgetall", "randomkey"}


class Watch:
    """What a Redis executed."""

    def __init__(self, url):
        self.client = redis.Redis.from_url(url)

    def calls(self, call):
        """``(result, {command: how often})`` of *call*, what scripts run included."""
        self.client.config_resetstat()
        result = call()
        stats = self.client.info("commandstats")
        return result, {name.removeprefix("cmdstat_"): stats[name]["calls"] for name in stats if "config" not in name and "info" not in name}


@pytest.fixture
def watch(redis_url):
    watch = Watch(redis_url)
    watch.client.flushall()
    yield watch
    watch.client.flushall()
    watch.client.close()


@pytest.mark.row("F-PR-13", "DS-09")
def test_f_pr_13_redis_is_asked_as_much_with_many_sessions_as_with_few(watch, redis_url):
    asked = []
    for number in (FEW, MANY):
        watch.client.flushall()
        store = filled(open_sync(redis_url), number)
        asked.append({name: watch.calls(lambda: call(store, f"k{FEW // 2}"))[1] for name, call in CALLS.items()})  # noqa: B023  # called at once
        store.close()
    assert asked[0] == asked[1]
    assert asked[0]["get"] == {"get": 1}
    assert not {command for calls in asked for counts in calls.values() for command in counts} & SCANS


@pytest.mark.row("F-PR-13")
def test_f_pr_13_redis_forgets_by_itself_and_keeps_sessions_in_its_compact_form(stage, watch, redis_url):
    stage.kept = {"store": redis_url}
    stage.restart()
    browser = signs_in(stage, "ada", "s-1")
    names = [name.decode() for name in watch.client.keys("oidc:*")]
    indexes = [name for name in names if name.startswith("oidc:i:")]
    assert len(indexes) == 3
    assert {watch.client.object("encoding", name) for name in indexes} <= {b"listpack", b"ziplist"}, "ten times the size otherwise"
    assert all(watch.client.pttl(name) > 0 for name in names)
    data = len(watch.client.get(next(name for name in names if name.startswith("oidc:s:"))))
    assert sum(watch.client.memory_usage(name) for name in names if "oidc:c:" not in name) < 1.3 * data + 1_200
    assert lives(browser)


@pytest.mark.row("F-PR-13")
def test_f_pr_13_redis_is_never_told_to_forget_many_at_once(watch, redis_url):
    """It serves nobody else while it does: what was written in one moment goes over minutes, and counts no longer for it."""
    store, ttl = filled(open_sync(redis_url), MANY, ttl=600.0), 600
    for each in range(MANY // 2):
        assert store.replace(f"k{each}", b"two", 1, ttl=ttl, now=NOW)
        assert store.claim(f"jti-{each}", ttl, NOW)
        store.mark(f"sub-{each}", issued_until=NOW - 1, keep=ttl, now=NOW)
    for kind, least in {"s": ttl, "c": ttl, "m": ttl, "i": 2 * ttl + 3_600}.items():
        left = sorted(watch.client.pttl(name) / 1000 for name in watch.client.keys(f"oidc:{kind}:*"))
        assert len(left) >= MANY // 2
        assert least - 60 < left[0] <= left[-1] <= least * 17 / 16 + 60
        assert left[-1] - left[0] > 0.9 * (least / 16 + 60)
        busiest = max(Counter(int(each / 10) for each in left).values())
        assert busiest < 0.2 * len(left), "no ten seconds have more of it"
    assert store.acquire("lease", "one", 30, NOW)
    assert watch.client.pttl("oidc:l:lease") <= 30_000, "whoever waits for one waits no longer"
    assert [store.get(f"k{each}", NOW + ttl) for each in (0, 1, MANY - 1)] == [None] * 3
    assert store.marks(("sub-0",), NOW + ttl) is None
    assert store.claim("jti-0", ttl, NOW + ttl)
    store.close()


@pytest.mark.row("F-PR-13", "F-PR-14")
def test_f_pr_13_redis_forgets_those_of_a_great_logout_one_by_one(watch, redis_url):
    store, keep = open_sync(redis_url), 3_600
    for each in range(BATCH):
        assert new(store, f"k{each}", indexes=("sub-1",))
    assert store.delete_index("sub-1", issued_until=NOW, keep=keep, now=NOW) == BATCH
    left = sorted(watch.client.pttl(f"oidc:s:k{each}") / 1000 for each in range(BATCH))
    assert keep - 60 < left[0] <= left[-1] <= keep + 2 * (keep / 16 + 60)
    assert max(Counter(int(each / 10) for each in left).values()) < 0.2 * BATCH
    store.close()


@pytest.mark.row("F-PR-14", "DS-09")
def test_f_pr_14_redis_ends_distinct_sessions_with_a_few_commands_each(watch, redis_url):
    store = filled(open_sync(redis_url), LOGOUTS)
    steps, sent = [], store._send
    store._send = lambda commands: (steps.append(len(commands)), sent(commands))[1]

    def end():
        return [store.delete_index(f"sid-{each}", issued_until=NOW, keep=60, now=NOW) for each in range(LOGOUTS)]

    ended, executed = watch.calls(end)
    store.close()
    assert ended == [1] * LOGOUTS
    assert steps == [1, 1] * LOGOUTS, "mark, and end"
    assert max(executed.values()) <= 2 * LOGOUTS
    assert not set(executed) & SCANS


@pytest.mark.row("F-PR-14", "DS-09")
def test_f_pr_14_redis_ends_one_account_in_batches(watch, redis_url):
    """Each batch is one command, which names none of them; the logouts after the first find nothing."""
    store = open_sync(redis_url)
    for each in range(LOGOUTS):
        assert new(store, f"k{each}", indexes=(f"sid-{each}", "sub-1"))
    assert new(store, "stranger", indexes=("sub-2",))
    steps, sent = [], store._send
    store._send = lambda commands: (steps.append((len(commands), max(map(len, commands)))), sent(commands))[1]
    ended, executed = watch.calls(lambda: store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW))
    assert ended == LOGOUTS
    assert [length for length, _ in steps] == [1] * (2 + LOGOUTS // BATCH)
    assert max(width for _, width in steps) < 12
    assert executed["getrange"] == LOGOUTS
    assert executed["set"] == LOGOUTS + 1, "each session, and the mark"
    assert not set(executed) & SCANS
    steps.clear()
    rest, executed = watch.calls(lambda: [store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) for _ in range(LOGOUTS - 1)])
    assert (rest, len(steps)) == ([0] * (LOGOUTS - 1), 2 * (LOGOUTS - 1))
    assert store.get("stranger", NOW)
    store.close()


@pytest.mark.row("F-PR-14", "LT-12")
@pytest.mark.parametrize("place", ["memory", "sqlite", "redis"])
def test_f_pr_14_whole_logouts_end_what_they_name_and_nothing_else(stage, place, tmp_path, request):
    """Logout tokens through the endpoint: distinct ones, and many for one account. Each is exactly 200."""
    number = 200 if LONG else 6
    urls = {"memory": lambda: "memory://", "sqlite": lambda: f"sqlite:///{tmp_path}/s.db"}
    inner = urls.get(place, lambda: f"{request.getfixturevalue('redis_url')}?prefix=whole-{stage.shell}:")()
    stage.kept = {"store": inner}
    stage.restart()
    distinct = [signs_in(stage, f"user-{each}", f"sid-{each}") for each in range(number)]
    shared = [signs_in(stage, "everybody", f"shared-{each}") for each in range(number)]
    stranger = signs_in(stage, "eve", "s-eve")
    stage.clock.advance(1)
    for each in range(number):
        assert_done(send_logout(stage, stage.provider.logout_token(sub=f"user-{each}", sid=f"sid-{each}")))
    assert [lives(browser) for browser in distinct] == [False] * number
    assert [lives(browser) for browser in (*shared, stranger)] == [True] * (number + 1)
    for _ in range(number):
        assert_done(send_logout(stage, stage.provider.logout_token(sub="everybody", sid=REMOVE)))
    assert [lives(browser) for browser in (*shared, stranger)] == [False] * number + [True]
