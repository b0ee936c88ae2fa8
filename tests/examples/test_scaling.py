"""docs/scaling.md: its tables are what the model makes of the committed measurement, and what the model multiplies is what Redis counts."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
import redis

from oidc_middleware.config import Settings
from oidc_middleware.flows import revocation, sockets
from oidc_middleware.stores import memory, redis_plans, sqlite
from oidc_middleware.stores.believed import Believed

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scripts():
    """The folder of the benchmark can be imported from."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def model(scripts):
    import scale_model

    return scale_model


@pytest.fixture(scope="module")
def measured(scripts):
    import scale

    return scale.measured()


@pytest.fixture
def looked(redis_url):
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    yield client, redis_url
    client.flushall()
    client.close()


@pytest.mark.row("F-PR-13")
def test_the_tables_of_the_page_are_what_the_model_says(measured):
    import scale
    from scale_tables import TABLES, renewed

    page = scale.PAGE.read_text(encoding="utf-8")
    assert renewed(page, measured) == page, "run: python benchmarks/scale.py --page"
    assert all(f"<!-- scale: {name} -->\n" in page for name in TABLES)
    assert measured["sessions"] >= 1_000_000


def test_the_model_hangs_on_the_defaults_of_the_package(model):
    defaults = Settings.__dataclass_fields__
    assert (defaults["idle_timeout"].default, defaults["session_lifetime"].default) == (model.IDLE, model.LIFETIME)
    assert model.LIFETIME + defaults["leeway"].default == model.KEPT_FOR
    assert (revocation.MEMORY_SECONDS, sockets.RECHECK_SECONDS) == (model.ASK_AGAIN, model.RECHECK)
    assert redis_plans._SPARE == model.INDEX_SPARE
    assert memory.MAX_SESSIONS == model.MAX_MEMORY_SESSIONS
    assert sqlite.MAX_MEGABYTES * 1_048_576 == model.MAX_SQLITE_BYTES


@pytest.mark.row("F-PR-13", "F-PR-14")
def test_what_is_multiplied_is_what_redis_counts(measured, looked):
    """Each kind of request once more, on another Redis: as many round trips, commands and calls to the provider as are written down."""
    from scale_count import counted

    def counts(of):
        return {name: of[name] for name in ("round_trips", "commands", "executed", "provider_calls")}

    again = {kind: counts(vars(cost)) for kind, cost in counted(*looked, 3).items()}
    assert again == {kind: counts(of) for kind, of in measured["costs"].items()}, "if that is meant, run: python benchmarks/scale.py --part counts"


@pytest.mark.row("F-PR-13")
def test_a_small_rush_hour_costs_what_the_model_says(model, measured, looked):
    """Ten people stay for half an hour each, two sign out, three are signed out by the provider: calculated, and done."""
    from scale_count import Rig

    client, url = looked
    people, requests = 10, 30
    rig = Rig(client, f"{url}?prefix=rush:")
    rig.sign_in(people)  # fetches the provider's metadata and keys
    begun = [rig.browser() for _ in range(people)]
    client.config_resetstat()
    rig.counter.commands = 0
    visitors = [rig.sign_in(person, begun[person]) for person in range(people)]
    for _ in range(requests):
        rig.clock.advance(model.HABITS.visit / requests)
        assert all(visitor.fetch("/api").status == 200 for visitor in visitors)
    for visitor in visitors[:2]:
        assert visitor.post_form("/oidc/logout").status == 200
    for person in range(2, 5):
        rig.ended_by_provider(person)
    stats = client.info("commandstats")
    executed = sum(
        stats[name]["calls"] for name in stats if not name.startswith(("cmdstat_info", "cmdstat_config", "cmdstat_hello", "cmdstat_client"))
    )

    written_down = people * model.HABITS.visit / model.TOUCH
    kinds = {
        "sign-in": people,
        "request": people * requests - written_down,
        "request, written down": written_down,
        "sign-out": 2,
        "back-channel logout, one session": 3,
    }
    assert rig.counter.commands == model.total(kinds, measured["costs"], "commands")
    assert executed == model.total(kinds, measured["costs"], "executed")


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_how_often_a_worker_that_remembers_still_asks(model, workers):
    """Every way in which a burst of requests can fall on so many workers."""
    burst, asked = int(model.HABITS.burst), 0
    for ways in itertools.product(range(workers), repeat=burst):
        known = [Believed(2) for _ in range(workers)]
        for worker in ways:
            if not known[worker].still("k", 1, 0.5):
                asked += 1
                known[worker].keep(known[worker].begin(), "k", 1, expires=9, indexes=(), asked=0.0)
    assert asked / burst / workers**burst == pytest.approx(model.asking(workers))
    assert model.asking(1) == model.asking(1_000, sticky=True)


def test_load_grows_with_users_and_every_mode_costs_something_else(model, measured):
    for mode in model.MODES:
        one, ten = (model.load(mode, users, measured) for users in (1e8, 1e9))
        for name, value in one.items():
            assert ten[name] == pytest.approx(10 * value, rel=0.02), (mode, name)
    loads = {mode: model.load(mode, 1e7, measured) for mode in model.MODES}
    assert (loads["cookie"]["commands"], loads["cookie"]["redis_memory"], model.servers(loads["cookie"])) == (0, 0, 0)
    assert loads["cookie + revocation"]["redis_memory"] < loads["store"]["redis_memory"] < loads["store, keep_tokens"]["redis_memory"]
    assert loads["store, local_seconds=2"]["commands"] <= loads["store"]["commands"] < loads["store, keep_tokens"]["commands"]
    full = model.breaks("store", measured)
    users = min(full.values())
    assert model.servers(model.load("store", 0.99 * users, measured)) == 1
    assert model.servers(model.load("store", 1.01 * users, measured)) == 2


@pytest.mark.row("F-PR-13")
def test_what_the_measurement_writes_are_real_sessions(scripts, looked):
    """A million of them are no use if the middleware could not read them."""
    import time

    from scale_fill import creations, fill, key_of, session, sessions_of

    from oidc_middleware.flows.stored_tokens import token_key
    from oidc_middleware.stores import open_sync
    from oidc_middleware.stores.redis_plans import Plans

    client, url = looked
    now, stored = time.time(), sessions_of(keep_tokens=True)
    fill(client, Plans("oidc:", together=True), stored, range(5), now)
    store = open_sync(url)
    for number in range(5):
        record = store.get(key_of(number), now)
        assert stored._opened(key_of(number), record.data) == session(number, now)
        tokens = store.get(token_key(key_of(number)), now)
        assert stored.tokens._opened(token_key(key_of(number)), tokens.data).subject == session(number, now).subject
    assert [creation.key for creation in creations(stored, 3, now)] == [token_key(key_of(3)), key_of(3)]
    for index in creations(stored, 3, now)[1].indexes:
        assert store.delete_index(index, issued_until=now, keep=60, now=now) == (1 if index.startswith("u:") else 0)
    assert [store.get(key_of(number), now) is None for number in range(5)] == [False, False, False, True, False]
    store.close()
