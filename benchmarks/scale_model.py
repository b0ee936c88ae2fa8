"""From the number of users to load: arithmetic on measured constants, nothing else. Pure functions; times in seconds, CPU in cores.

The habits of users are assumptions, all of them in :class:`Habits`. What a request, a sign-in, a stored session costs is in the JSON file that
``make bench-scale`` writes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

#: The package's defaults that the model hangs on; a test holds them against the code.
IDLE: Final = 3_600.0
LIFETIME: Final = 28_800.0
KEPT_FOR: Final = LIFETIME + 60.0
TOUCH: Final = IDLE / 4
RECHECK: Final = 30.0
ASK_AGAIN: Final = 5.0
INDEX_SPARE: Final = 3_600.0
MAX_MEMORY_SESSIONS: Final = 100_000
MAX_SQLITE_BYTES: Final = 1_024 * 1_048_576

MODES: Final = ("cookie", "cookie + revocation", "store", "store, local_seconds=2", "store, keep_tokens")


@dataclass(frozen=True)
class Habits:
    """What people do in the busiest hour. *users* are those who come on one day."""

    sign_ins_a_day: float = 1.2
    #: The busiest hour, in times of an average one.
    peak: float = 3.0
    visit: float = 1_800.0
    #: Requests of a visitor, on average; they come in bursts, as pages are loaded.
    requests: float = 0.1
    burst: float = 5.0
    #: Of those who sign in: how many sign out, how many are signed out by the provider, how many hold a WebSocket open during their visit.
    sign_outs: float = 0.2
    backchannel: float = 0.2
    sockets: float = 0.1
    #: Seconds from one access token to the next: five minutes of life, refreshed when a minute is left.
    token: float = 240.0
    #: CPU seconds of the application itself for a request, and how full a worker's core may be.
    application: float = 0.005
    worker_full: float = 0.6


@dataclass(frozen=True)
class Limits:
    """One Redis server: the core of its one thread that runs commands, memory, and a network of 10 Gbit/s, none of them full."""

    cpu: float = 0.7
    memory: float = 48e9
    network: float = 750e6


HABITS: Final = Habits()
LIMITS: Final = Limits()


def rates(users: float, habits: Habits = HABITS) -> dict[str, float]:
    """What happens in a second of the busiest hour, and how many are there at once."""
    sign_ins = users * habits.sign_ins_a_day * habits.peak / 86_400
    visitors = sign_ins * habits.visit
    requests = visitors * habits.requests
    workers = max(1, math.ceil(requests * habits.application / habits.worker_full))
    return {
        "sign_ins": sign_ins,
        "sign_outs": sign_ins * habits.sign_outs,
        "backchannel": sign_ins * habits.backchannel,
        "visitors": visitors,
        "requests": requests,
        "written_down": visitors / TOUCH,
        "sockets": visitors * habits.sockets,
        "looks": visitors * habits.sockets / RECHECK,
        "refreshes": visitors / habits.token,
        "stored": sign_ins * (habits.visit + IDLE),
        "workers": float(workers),
    }


def asking(workers: float, habits: Habits = HABITS, *, sticky: bool = False) -> float:
    """The share of requests for which a worker that remembers for a few seconds has to ask all the same.

    A burst falls on as many workers as the balancer likes; each asks once. Between bursts more time passes than anything is remembered.
    """
    if sticky:
        return 1 / habits.burst
    return workers * (1 - (1 - 1 / workers) ** habits.burst) / habits.burst


def redis_kinds(mode: str, users: float, habits: Habits = HABITS, *, sticky: bool = False) -> dict[str, float]:
    """How often in a second each kind of thing happens whose cost was counted."""
    per = rates(users, habits)
    if mode == "cookie":
        return {}
    share = asking(per["workers"], habits, sticky=sticky)
    if mode == "cookie + revocation":
        asked = per["requests"] * share + per["looks"]
        return {"request, list asked": asked, "sign-out, list": per["sign_outs"], "back-channel logout, list": per["backchannel"]}
    plain = per["requests"] - per["written_down"]
    if "local_seconds" in mode:
        plain *= share
    tokens = ", keep_tokens" if "keep_tokens" in mode else ""
    kinds = {
        "request": plain + per["looks"],
        "request, written down": per["written_down"],
        f"sign-in{tokens}": per["sign_ins"],
        f"sign-out{tokens}": per["sign_outs"],
        f"back-channel logout{tokens or ', one session'}": per["backchannel"],
    }
    if tokens:  # one of the requests that are counted above brings the refresh
        kinds["request that refreshes it"] = per["refreshes"]
        kinds["request"] -= per["refreshes"]
    return kinds


def total(kinds: Mapping[str, float], costs: Mapping[str, Mapping[str, float]], what: str) -> float:
    """The sum over *kinds* of how often, times what one costs."""
    return sum(often * costs[kind][what] for kind, often in kinds.items())


def redis_memory(mode: str, users: float, bytes_of: Mapping[str, float], habits: Habits = HABITS) -> float:
    """Bytes in Redis at the end of a busy stretch. What expires stays for as long as it was given: indexes outlive their sessions."""
    per = rates(users, habits)
    ends = per["sign_outs"] + per["backchannel"]
    if mode == "cookie":
        return 0.0
    if mode == "cookie + revocation":
        return ends * KEPT_FOR * bytes_of["mark"]
    session, index_life = bytes_of["session"] - bytes_of["indexes"], habits.visit + 2 * IDLE + INDEX_SPARE
    held = per["stored"] * session + per["sign_ins"] * index_life * bytes_of["indexes"]
    held += KEPT_FOR * (ends * bytes_of["tombstone"] + per["backchannel"] * bytes_of["mark"])
    if "keep_tokens" in mode:
        tokens, token_index_life = bytes_of["tokens"] - bytes_of["indexes"], 2 * LIFETIME + INDEX_SPARE
        held += per["sign_ins"] * (LIFETIME * tokens + token_index_life * bytes_of["indexes"])
        held += KEPT_FOR * (ends * bytes_of["tombstone"] + per["backchannel"] * bytes_of["mark"])
    return held


def load(mode: str, users: float, measured: Mapping[str, Any], habits: Habits = HABITS, *, sticky: bool = False) -> dict[str, float]:
    """Everything that the tables show for one mode and number of users."""
    per, costs = rates(users, habits), measured["costs"]
    kinds = redis_kinds(mode, users, habits, sticky=sticky)
    refreshes = per["refreshes"] if "keep_tokens" in mode else 0.0
    flows = {f"sign-in{', keep_tokens' if refreshes else ''}": per["sign_ins"]}
    flows |= {kind: often for kind, often in kinds.items() if kind.startswith(("sign-out", "back-channel", "request that refreshes"))}
    asked, known = (measured["worker_us"][place] for place in _PLACES[mode])
    share = asking(per["workers"], habits, sticky=sticky)
    ours = per["requests"] * (share * asked + (1 - share) * known) + total(flows, costs, "worker_us")
    return {
        "commands": total(kinds, costs, "commands"),
        "round_trips": total(kinds, costs, "round_trips"),
        "executed": total(kinds, costs, "executed"),
        "redis_cpu": total(kinds, costs, "redis_us") / 1e6,
        "redis_network": max(total(kinds, costs, "bytes_in"), total(kinds, costs, "bytes_out")),
        "redis_memory": redis_memory(mode, users, measured["bytes"], habits),
        "provider": per["sign_ins"] * costs["sign-in"]["provider_calls"] + refreshes + 2 * per["workers"] / 3_600,
        "our_cpu": ours / 1e6,
        "application_cpu": per["requests"] * habits.application,
    }


def servers(of: Mapping[str, float], limits: Limits = LIMITS) -> int:
    """How many Redis servers share this load, evenly."""
    need = max(of["redis_cpu"] / limits.cpu, of["redis_memory"] / limits.memory, of["redis_network"] / limits.network)
    return math.ceil(need) if of["redis_memory"] else 0


def breaks(mode: str, measured: Mapping[str, Any], habits: Habits = HABITS, limits: Limits = LIMITS) -> dict[str, float]:
    """The number of users with whom one Redis server is full: of CPU, of memory, of network. Everything but the workers' share grows linearly."""
    users = 1e9
    of = load(mode, users, measured, habits)
    parts = {"CPU": of["redis_cpu"] / limits.cpu, "memory": of["redis_memory"] / limits.memory, "network": of["redis_network"] / limits.network}
    return {name: users / part for name, part in parts.items() if part}


def one_machine(measured: Mapping[str, Any], habits: Habits = HABITS) -> dict[str, float]:
    """The number of users with whom stores without a server are full: memory by sessions, SQLite by its file and by its one writer at half load."""
    one = rates(1.0, habits)
    writes = one["sign_ins"] + one["written_down"] + one["sign_outs"] + one["backchannel"]
    sqlite = measured["sqlite"]
    return {
        "memory: its 100,000 sessions": MAX_MEMORY_SESSIONS / one["stored"],
        "memory: the one process's application": habits.worker_full / habits.application / one["requests"],
        "SQLite: its file of 1 GB": MAX_SQLITE_BYTES / sqlite["bytes_per_session"] / one["stored"],
        "SQLite: its one writer, half of the time,": 0.5e6 / sqlite["create"]["client_cpu"] / writes,
    }


#: What a request costs a worker when it has to ask, and when it remembers. To ask the list is to ask Redis, and costs about as much as a session.
_PLACES: Final = {
    "cookie": ("session in the cookie", "session in the cookie"),
    "cookie + revocation": ("Redis", "cookie, list of ended ones in Redis"),
    "store": ("Redis", "Redis"),
    "store, local_seconds=2": ("Redis", "Redis, local_seconds=2"),
    "store, keep_tokens": ("Redis", "Redis"),
}
