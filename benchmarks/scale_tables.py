"""The tables of docs/scaling.md, made from what was measured: text between ``<!-- scale: name -->`` and ``<!-- /scale -->``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from scale_model import HABITS, LIMITS, MODES, asking, breaks, load, one_machine, rates, servers

SIZES: Final = (1_000, 100_000, 10_000_000, 100_000_000)
_BLOCK: Final = re.compile(r"(<!-- scale: (\w+) -->\n).*?(<!-- /scale -->)", re.DOTALL)
Measured = Mapping[str, Any]


def renewed(page: str, measured: Measured) -> str:
    """*page* with all its tables made anew. Raises ``KeyError`` for a table that nobody knows."""
    return _BLOCK.sub(lambda match: match[1] + TABLES[match[2]](measured) + match[3], page)


def number(value: float) -> str:
    """As people read it: 0.03, 7.5, 420, 31 k, 2.4 M."""
    if 0 < value < 0.01:
        return "< 0.01"
    if value < 10_000:
        return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
    factor, unit = next((factor, unit) for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if value >= factor)
    return f"{value / factor:.2g} {unit}" if value < 99.5 * factor else f"{value / factor:.0f} {unit}"


def size(value: float) -> str:
    """Bytes, likewise."""
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.0f} B" if value else "–"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows)]
    return "\n".join(lines) + "\n"


def _machine(measured: Measured) -> str:
    of = measured["machine"]
    system = f"{of['system']}, Python {of['python']}, Redis {of['redis']}"
    return f"{of['cores']} cores ({of['cpu']}), {of['memory_gb']} GB, {system}; {measured['sessions']:,} sessions.\n"


def _costs(measured: Measured) -> str:
    rows = []
    for kind, of in measured["costs"].items():
        traffic = f"{of['bytes_in']:,.0f} / {of['bytes_out']:,.0f}"
        counts = (f"{of['round_trips']:.0f}", f"{of['commands']:.0f}", f"{of['executed']:.0f}")
        rows.append((kind, *counts, traffic, f"{of['redis_us']:.0f}", f"{of['worker_us']:,.0f}", f"{of['provider_calls']:.0f}"))
    head = ("", "round trips", "commands", "executed", "bytes to / from Redis", "Redis µs", "worker µs", "provider calls")
    return _table(head, rows)


def _bytes(measured: Measured) -> str:
    of = measured["bytes"]
    rows = [
        ("a session, with its three indexes", f"{of['session']:,.0f}", "an hour after its last use"),
        ("of that, the indexes", f"{of['indexes']:,.0f}", "three hours after its last use"),
        ("its tokens, with `keep_tokens`", f"{of['tokens']:,.0f}", "until `session_lifetime` is over; their indexes for twice as long and an hour"),
        ("what is left of an ended session", f"{of['tombstone']:,.0f}", "`session_lifetime`"),
        ("the word that a user or a sign-in was ended", f"{of['mark']:,.0f}", "`session_lifetime`"),
    ]
    return _table(("", "bytes in Redis", "stays"), rows)


def _latency(measured: Measured) -> str:
    few, many = measured["latency"]
    rows = []
    for kind in measured["latency"][few]:
        early, late = measured["latency"][few][kind], measured["latency"][many][kind]
        times = [f"{of['p50']:.0f} / {of['p99']:,.0f}" for of in (early, late)]
        rows.append((f"`{kind}`", *times, f"{early['redis_cpu']:.0f} / {late['redis_cpu']:.0f}", f"{late['client_cpu']:.0f}"))
    head = ("", f"p50 / p99 µs, {int(few):,}", f"p50 / p99 µs, {int(many):,}", "Redis CPU µs, few / many", "our CPU µs")
    return _table(head, rows)


def _logouts(measured: Measured) -> str:
    rows = []
    for kind, name in (("distinct", "as many sessions, one by one"), ("one_subject", "one account, again and again")):
        of = measured["backchannel"][kind]
        rows.append((f"{of['logouts']:,}: {name}", f"{of['ended']:,}", f"{of['p50']:.0f} / {of['p99']:,.0f}", f"{of['longest'] / 1000:.1f}"))
    of = measured["backchannel"]["one_subject"]
    rows.append(("the first of these, which ends them all", f"{of['logouts']:,}", "", f"{of['first_ms']:.0f}"))
    return _table(("back-channel logouts", "sessions ended", "p50 / p99 µs", "longest, ms"), rows)


def _expiry(measured: Measured) -> str:
    rows = []
    for name, of in measured["expiry"].items():
        after, cut = f"{of['removed_after_s']:,.0f}", f"{of['cycles_cut_off']:,}"
        rows.append((name, f"{of['sessions']:,}", f"{of['removed']:,}", after, f"{of['longest_cycle_ms']:.0f}", cut))
    return _table(("Redis is to forget them", "sessions", "removed", "s after their end", "longest pause, ms", "pauses cut off at 25 ms"), rows)


def _single(measured: Measured) -> str:
    rows = []
    for name, of in (("SQLite", measured["sqlite"]), ("memory", measured["memory"])):
        times = [f"{of[kind]['client_cpu']:.1f}" for kind in ("get", "create", "replace")]
        rows.append((name, f"{of['sessions']:,}", f"{of['bytes_per_session']:,.0f}", *times))
    return _table(("", "sessions", "bytes each", "`get`, µs of CPU", "`create`", "`replace`"), rows)


def _workers(measured: Measured) -> str:
    of = measured["worker_us"]
    rows = [(name, f"{cost:.0f}", f"{of['bare'] / (of['bare'] + cost):.2f}") for name, cost in of.items() if name != "bare"]
    return _table(("sessions in", "CPU on top of the application, µs", f"of the bare application ({of['bare']:.0f} µs)"), rows)


def _rates(_measured: Measured) -> str:
    every = [rates(users) for users in SIZES]
    names = {
        "visitors": "visitors at once", "requests": "requests/s", "sign_ins": "sign-ins/s", "sign_outs": "sign-outs/s",
        "backchannel": "back-channel logouts/s", "written_down": "sessions written down/s", "refreshes": "token refreshes/s, if kept",
        "sockets": "open WebSockets", "stored": "sessions that live", "workers": "workers (cores) of the application",
    }  # fmt: skip
    return _table(("users a day", *map(number, SIZES)), [(name, *(number(of[key]) for of in every)) for key, name in names.items()])


def _modes(measured: Measured) -> str:
    rows = []
    for mode in MODES:
        of = [load(mode, users, measured) for users in SIZES]
        rows.append((f"**{mode}**", *([""] * len(SIZES))))
        if of[0]["commands"]:
            rows += [
                ("… commands/s", *(number(each["commands"]) for each in of)),
                ("… cores of Redis", *(number(each["redis_cpu"]) for each in of)),
                ("… memory", *(size(each["redis_memory"]) for each in of)),
                ("… network/s", *(size(each["redis_network"]) for each in of)),
                ("… Redis servers", *(str(servers(each)) for each in of)),
            ]
        rows += [
            ("… our CPU, cores (the application's)", *(f"{number(each['our_cpu'])} ({number(each['application_cpu'])})" for each in of)),
            ("… calls to the provider/s", *(number(each["provider"]) for each in of)),
        ]
    return _table(("users a day", *map(number, SIZES)), rows)


def _breaks(measured: Measured) -> str:
    rows = []
    for mode in MODES[1:]:
        full = sorted(breaks(mode, measured).items(), key=lambda item: item[1])
        rows.append((f"{mode}: one Redis server", *(f"{name} at {number(users)}" for name, users in full)))
    for place in ("memory", "SQLite"):
        found = sorted((users, name.partition(": ")[2]) for name, users in one_machine(measured).items() if name.startswith(place))
        rows.append((place, *(f"{what} at {number(users)}" for users, what in found), ""))
    return _table(("", "full first", "then", "then"), rows)


def _share(_measured: Measured) -> str:
    rows = [(number(workers), f"{asking(workers):.2f}", f"{asking(workers, sticky=True):.2f}") for workers in (1, 4, 16, 256)]
    return _table(("workers", "requests that still ask", "with a balancer that sends a visitor to the same worker"), rows)


def _assumed(_measured: Measured) -> str:
    of, limits = HABITS, LIMITS
    return (
        f"Assumed of people: {of.sign_ins_a_day:g} sign-ins a day each; the busiest hour has {of.peak:g} times the average; a visit takes "
        f"{of.visit / 60:.0f} minutes with {of.requests:g} requests/s, in bursts of {of.burst:g}; {of.sign_outs:.0%} sign out, "
        f"{of.backchannel:.0%} are signed out by the provider, {of.sockets:.0%} hold a WebSocket open. Of access tokens: one for every "
        f"{of.token:.0f} s of a visit. Of the application: {1000 * of.application:g} ms of CPU for a request, workers {of.worker_full:.0%} full. "
        f"Of one Redis server: {limits.cpu:.0%} of a core, {size(limits.memory)}, {size(limits.network)}/s.\n"
    )


TABLES: Final[dict[str, Callable[[Measured], str]]] = {
    "machine": _machine,
    "costs": _costs,
    "bytes": _bytes,
    "latency": _latency,
    "logouts": _logouts,
    "expiry": _expiry,
    "single": _single,
    "workers": _workers,
    "assumed": _assumed,
    "rates": _rates,
    "modes": _modes,
    "breaks": _breaks,
    "share": _share,
}
