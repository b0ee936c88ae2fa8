"""Sizes and times of stores with few and with many sessions, for the model in :mod:`scale_model`."""

from __future__ import annotations

import gc
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any, Final

import over_stores
import redis_process
from scale_count import counted
from scale_fill import ISSUER, creations, fill, key_of, session, sessions_of

from oidc_middleware.flows.stored import indexes_of, user_index
from oidc_middleware.flows.stored_tokens import token_index, token_key
from oidc_middleware.stores import open_sync
from oidc_middleware.stores.memory import MemoryStore
from oidc_middleware.stores.redis_plans import Plans
from oidc_middleware.stores.sqlite import SqliteStore

_HERE: Final = Path(__file__).parent
_FEW: Final = 1_000
_KEEP: Final = 28_860.0
_PREFIX: Final = "oidc:"


def counts(_sessions: int, *, quick: bool = False) -> dict[str, Any]:
    """What each kind of request asks of Redis."""
    _say("counting what each kind of request asks of Redis")
    with tempfile.TemporaryDirectory() as folder, redis_process.running(Path(folder)) as server:
        return {"costs": {name: asdict(cost) for name, cost in counted(server.client, server.url, 40 if quick else 400).items()}}


def redis(sessions: int, *, quick: bool = False) -> dict[str, Any]:
    """Redis with few and with *sessions* sessions: sizes, times, logouts, expiry."""
    with tempfile.TemporaryDirectory() as folder, redis_process.running(Path(folder)) as server:
        machine = _machine() | {"redis": server.client.info("server")["redis_version"]}
        return {"machine": machine, "sessions": sessions, **_redis(server, sessions, 1_000 if quick else 10_000)}


def local(_sessions: int, *, quick: bool = False) -> dict[str, Any]:
    """The stores that need no server."""
    _say("SQLite and memory")
    with tempfile.TemporaryDirectory() as folder:
        sqlite = _one_machine(SqliteStore(Path(folder) / "sessions.db"), 2_000 if quick else 50_000)
        sqlite["bytes_per_session"] = sum(path.stat().st_size for path in Path(folder).iterdir()) / sqlite["sessions"]
    return {"sqlite": sqlite, "memory": _alone("_memory", 2_000 if quick else 100_000)}


def workers(_sessions: int, *, quick: bool = False) -> dict[str, Any]:
    """What a request costs the server that the middleware runs in."""
    _say("a request behind a real server, with each place for sessions")
    return {"worker_us": _worker(over_stores.measure("asgi", 1.0, 1 if quick else 5))}


#: The parts of a measurement. Each can be done anew without the others.
PARTS: Final = {"counts": counts, "redis": redis, "local": local, "workers": workers}


def _alone(function: str, number: int) -> dict[str, Any]:
    """The result of one of the functions below in a process of its own, whose memory nothing else has been in."""
    call = f"import json, scale_measure; print(json.dumps(scale_measure.{function}({number})))"
    environ = {**os.environ, "PYTHONPATH": f"{_HERE.parent}{os.pathsep}{_HERE}"}
    done = subprocess.run([sys.executable, "-c", call], env=environ, capture_output=True, text=True, timeout=600, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


def _machine() -> dict[str, Any]:
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cpu": model, "cores": os.cpu_count(), "memory_gb": round(memory / 1e9), "python": platform.python_version(), "system": platform.system()}


def _redis(server: redis_process.Running, sessions: int, many: int) -> dict[str, Any]:
    client, plans, stored = server.client, Plans(_PREFIX, together=True), sessions_of()
    store = open_sync(server.url)
    client.flushall()
    found: dict[str, Any] = {"latency": {}, "bytes": {}}
    empty = client.info("memory")["used_memory"]
    fill(client, plans, stored, range(_FEW), time.time())
    found["latency"][str(_FEW)] = _latency(server, store, _FEW)
    _say(f"writing {sessions:,} sessions")
    began = time.monotonic()
    fill(client, plans, stored, range(_FEW, sessions), time.time())
    _say(f"written in {time.monotonic() - began:.0f} s")
    found["bytes"]["session"] = (client.info("memory")["used_memory"] - empty) / sessions
    found["bytes"]["indexes"] = _bytes_of_indexes(client, sessions)
    found["latency"][str(sessions)] = _latency(server, store, sessions)
    found["bytes"] |= _bytes_of_ends(client, store, sessions)
    found["bytes"]["tokens"] = _bytes_of_tokens(client, plans, sessions)
    _say(f"{many:,} back-channel logouts, twice")
    found["backchannel"] = {"distinct": _distinct(client, store, many), "one_subject": _one_subject(client, store, plans, many)}
    _say("many sessions expire at once")
    ends = {"at one moment": False, "as we write them": True}
    found["expiry"] = {name: _expiry(client, plans, store, min(sessions // 4, 100_000), spread=spread) for name, spread in ends.items()}
    store.close()
    return found


def _timed(calls: Sequence[Callable[[], object]]) -> dict[str, float]:
    """Microseconds: half of the calls, and 99 of 100, took no longer; the longest; CPU of this process for each.

    Others use this machine: the calls are in up to ten parts, and what is told is the median of the parts', but for the longest of all.
    """
    gc.collect()
    parts, cpu = [], time.process_time()
    size = max(1, len(calls) // 10, min(len(calls), 100))
    for start in range(0, len(calls), size):
        lengths = []
        for call in calls[start : start + size]:
            began = time.perf_counter()
            call()
            lengths.append(1e6 * (time.perf_counter() - began))
        parts.append(sorted(lengths))
    cpu = 1e6 * (time.process_time() - cpu) / len(calls)
    p50, p99 = (median(lengths[len(lengths) * part // 100] for lengths in parts) for part in (50, 99))
    return {"p50": p50, "p99": p99, "longest": max(lengths[-1] for lengths in parts), "client_cpu": cpu}


def _latency(server: redis_process.Running, store: Any, sessions: int) -> dict[str, dict[str, float]]:
    """Of the store's calls, on sessions drawn at random; each with Redis's CPU for one."""
    draw, now, stored = random.Random(7), time.time(), sessions_of()
    keys = [key_of(draw.randrange(sessions)) for _ in range(5_000)]
    records = {key: store.get(key, now) for key in keys[:1_000]}
    base = 1_000_000_000 + sessions  # sessions that are made and ended here
    new = [creations(stored, base + number, now)[0] for number in range(500)]
    kinds: dict[str, list[Callable[[], object]]] = {
        "get": [lambda key=key: store.get(key, now) for key in keys],  # type: ignore[misc]  # the default binds each key
        "replace": [lambda key=key, was=was: store.replace(key, was.data, was.version, ttl=3600, now=now) for key, was in records.items()],  # type: ignore[misc]  # likewise
        "create": [lambda it=it: store.create(it.key, it.data, ttl=it.ttl, indexes=it.indexes, issued_at=it.issued_at, now=now) for it in new],  # type: ignore[misc]  # likewise
        "delete": [lambda it=it: store.delete(it.key, keep=1, now=now) for it in new],  # type: ignore[misc]  # likewise
    }
    found = {}
    for name, calls in kinds.items():
        before = server.cpu()
        found[name] = _timed(calls)
        found[name]["redis_cpu"] = 1e6 * (server.cpu() - before) / len(calls)
    return found


def _bytes_of_indexes(client: Any, sessions: int) -> float:
    """Of the indexes of one session, which outlive it."""
    numbers = random.Random(8).sample(range(_FEW, sessions), 200)
    names = [f"{_PREFIX}i:{index}" for number in numbers for index in indexes_of(session(number, 0.0))]
    return float(sum(client.memory_usage(name) for name in names) / len(numbers))


def _bytes_of_ends(client: Any, store: Any, sessions: int) -> dict[str, float]:
    """What is left of a session that was ended, and of the word that an index was."""
    key, index, now = key_of(sessions - 1), user_index(ISSUER, "nobody"), time.time()
    assert store.delete(key, keep=_KEEP, now=now)
    store.mark(index, issued_until=now, keep=_KEEP, now=now)
    return {"tombstone": float(client.memory_usage(f"{_PREFIX}s:{key}")), "mark": float(client.memory_usage(f"{_PREFIX}m:{index}"))}


def _bytes_of_tokens(client: Any, plans: Any, sessions: int) -> float:
    """What keeping tokens adds to a session: the record, and three indexes more."""
    numbers = range(sessions, sessions + 200)
    fill(client, plans, sessions_of(keep_tokens=True), numbers, time.time())
    names = [f"{_PREFIX}s:{token_key(key_of(number))}" for number in numbers]
    names += [f"{_PREFIX}i:{token_index(index)}" for number in numbers for index in indexes_of(session(number, 0.0))]
    return float(sum(client.memory_usage(name) for name in names) / len(numbers))


def _watched(client: Any, calls: Sequence[Callable[[], object]]) -> dict[str, Any]:
    """The same as :func:`_timed`, with what Redis says: which commands, and the longest that everybody else had to wait for one of them."""
    client.config_set("slowlog-log-slower-than", 200)
    client.config_resetstat()
    client.slowlog_reset()
    found: dict[str, Any] = _timed(calls)
    found["commands"] = sorted(name.removeprefix("cmdstat_") for name in client.info("commandstats"))
    found["longest_command_us"] = max((entry["duration"] for entry in client.slowlog_get(1_000)), default=0)
    return found


def _distinct(client: Any, store: Any, many: int) -> dict[str, Any]:
    now = time.time()
    ended: list[int] = []

    def end(number: int) -> None:
        index = indexes_of(session(number, now))[1]
        ended.append(store.delete_index(index, issued_until=now, keep=_KEEP, now=now))

    found = _watched(client, [lambda number=number: end(number) for number in range(many)])  # type: ignore[misc]  # the default binds each number
    return found | {"logouts": many, "ended": sum(ended)}


def _one_subject(client: Any, store: Any, plans: Any, many: int) -> dict[str, Any]:
    """One account with *many* sessions is ended, as often."""
    now, index, base = time.time(), user_index(ISSUER, "everybody"), 2_000_000_000
    fill(client, plans, sessions_of(), range(base, base + many), now, subject="everybody")
    ended: list[int] = []

    def end() -> None:
        ended.append(store.delete_index(index, issued_until=now + 1, keep=_KEEP, now=now))

    first = _watched(client, [end])
    rest = _watched(client, [end] * (many - 1))
    return rest | {"logouts": many, "ended": sum(ended), "first_ms": first["longest"] / 1000, "first_longest_command_us": first["longest_command_us"]}


def _expiry(client: Any, plans: Any, store: Any, many: int, *, spread: bool) -> dict[str, Any]:
    """*many* sessions reach their end at once, while others are asked for: as the store writes them, or with one moment for Redis to forget all.

    They have no indexes, which would outlive them: Redis stops looking when few of the keys it meets have expired.
    """
    client.flushall()
    base, living = 3_000_000_000, range(4_000_000_000, 4_000_000_000 + _FEW)
    fill(client, plans, sessions_of(), living, time.time())
    now, keys = time.time(), [key_of(number) for number in living]
    end = now + 20 + many / 2_000
    for start in range(0, many, 1_000):
        at, numbers = time.time(), range(base + start, base + min(start + 1_000, many))
        fill(client, plans, sessions_of(), numbers, at, ttl=max(1.0, end - at), indexed=False)
        if not spread:
            pipeline = client.pipeline(transaction=False)
            for number in numbers:
                pipeline.pexpireat(f"{_PREFIX}s:{key_of(number)}", int(1000 * end))
            pipeline.execute()
    client.config_set("latency-monitor-threshold", 1)
    client.execute_command("LATENCY", "RESET")
    calls = [lambda key=key: store.get(key, now) for key in keys]  # type: ignore[misc]  # the default binds each key
    quiet = _timed(calls * 5)
    time.sleep(max(0.0, end - time.time() - 1))
    before, lengths = client.info("stats"), []
    while client.info("stats")["expired_keys"] - before["expired_keys"] < 0.9 * many and time.time() < end + 120:
        lengths.append(_timed(calls[:200]))
    after, cycles = client.info("stats"), [entry[1] for entry in client.execute_command("LATENCY", "HISTORY", "expire-cycle")]
    return {
        "sessions": many, "removed_after_s": round(time.time() - end, 1), "removed": after["expired_keys"] - before["expired_keys"],
        "quiet": quiet, "p99": max(entry["p99"] for entry in lengths), "longest": max(entry["longest"] for entry in lengths),
        "cycles_cut_off": after["expired_time_cap_reached_count"] - before["expired_time_cap_reached_count"],
        "longest_cycle_ms": max(cycles, default=0),
    }  # fmt: skip


def _one_machine(store: Any, number: int) -> dict[str, Any]:
    """A store without a server: the same calls, at the end with *number* sessions in it."""
    now, stored = time.time(), sessions_of()
    made = [creations(stored, each, now)[0] for each in range(number)]

    def create(it: Any) -> None:
        assert store.create(it.key, it.data, ttl=it.ttl, indexes=it.indexes, issued_at=it.issued_at, now=now)

    found: dict[str, Any] = {"sessions": number, "create": _timed([lambda it=it: create(it) for it in made])}  # type: ignore[misc]  # the default binds each
    sample = random.Random(9).sample(made, 1_000)
    found["get"] = _timed([lambda it=it: store.get(it.key, now) for it in sample * 5])  # type: ignore[misc]  # likewise
    found["replace"] = _timed([lambda it=it: store.replace(it.key, it.data, 1, ttl=3600, now=now) for it in sample])  # type: ignore[misc]  # likewise
    return found


def _memory(number: int) -> dict[str, Any]:
    """The store in this process, and what it takes of the process's memory."""
    gc.collect()
    before = _resident()
    store = MemoryStore(number)
    now, stored = time.time(), sessions_of()
    size = 0
    for each in range(number):
        it = creations(stored, each, now)[0]
        size += len(it.data)
        assert store.create(it.key, it.data, ttl=it.ttl, indexes=it.indexes, issued_at=it.issued_at, now=now)
    gc.collect()
    taken = (_resident() - before) / number
    found = _one_machine(MemoryStore(number), min(number, 5_000))
    return found | {"sessions": number, "bytes_per_session": taken, "bytes_of_data": size / number, "kept": repr(store)}


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _worker(figures: Sequence[Any]) -> dict[str, float]:
    """CPU microseconds that a request costs on top of the application, by place; ``bare`` is the application itself."""
    found = {"bare": next(figure.median for figure in figures if figure.name == "bare, CPU per request")}
    name = ""
    for figure in figures:
        if figure.name.endswith(", by CPU"):
            name = figure.name.removesuffix(", by CPU")
        elif figure.name.strip() == "CPU on top of bare":
            found[name] = figure.median
    return found
