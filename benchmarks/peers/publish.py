"""The comparison with others: measured, printed, and written to docs/benchmarks for readers."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from figures import Figure, Report
from load import CONNECTIONS
from peers import environments as env
from peers import outage
from peers.catalogue import MANY_THREADS, PEERS
from peers.measure import Measured, measure

from tools import benchmark_page

#: Seconds for each part of a round, rounds, and sign-ins in each.
FULL: Final = (2.0, 9, 5)
QUICK: Final = (1.0, 3, 2)
_OUTAGE: Final = (5.0, 5)
_FLOOD_SECONDS: Final = 60.0


def compare(report: Report, rounds: int | None = None, *, quick: bool = False) -> dict[str, Any]:
    """Print the comparison, and return what docs/benchmarks/results.json shall hold. *rounds*: others than usual."""
    seconds, number, logins = QUICK if quick else FULL
    number = rounds or number
    peers = [peer for peer in PEERS if peer.quick or not quick]
    begun = os.getloadavg()[0]
    print("\nOthers, each beside its own bare application")
    found, left_out = measure(peers, seconds, number, logins)
    for one in found:
        report.section(f"{one.peer.name}, {one.peer.server}", list(_figures(one)))
    names = {peer.id: peer for peer in PEERS}
    for peer, reason in left_out.items():
        print(f"\nLeft out: {names[peer].name} on {names[peer].server}: {reason}")
    return {
        "how": {
            "date": dt.datetime.now(dt.UTC).date().isoformat(),
            "cores": os.cpu_count(),
            "machine": platform.machine(),
            "system": platform.system(),
            "python": platform.python_version(),
            "load": "wrk" if shutil.which("wrk") else "Python threads",
            "connections": CONNECTIONS,
            "rounds": number,
            "seconds": seconds,
            "logins": logins,
            "load_average": [begun, os.getloadavg()[0]],
        },
        "subjects": [_subject(one) for one in found],
        "left_out": [{"name": names[peer].name, "server": names[peer].server, "reason": reason} for peer, reason in left_out.items()],
    }


def trouble(report: Report, rounds: int | None = None) -> dict[str, Any]:
    """Print what signed-in users notice of an outage and of strangers in a flood, and return it for the same file."""
    seconds, number = _OUTAGE
    ours = [peer for peer in PEERS if peer.id in {"ours-uvicorn", "ours-gunicorn"}]
    try:
        outages = outage.outages([*ours, MANY_THREADS], seconds, min(rounds or number, number))
        floods = outage.floods(ours, _FLOOD_SECONDS)
    except env.NotHere as reason:
        print(f"\nLeft out: outages and floods: {reason}")
        return {"outages": [], "floods": []}
    for one in outages:
        report.section(f"Signed-in users while the provider hangs, {one.server}", list(_outage_figures(one)))
    for flood in floods:
        values = (flood.after_mb - flood.before_mb,)
        report.section(f"{flood.requests:,} strangers in {flood.seconds:g} s, {flood.server}", [Figure("memory on top", "MB", values, at_most=5)])
    return {"outages": [asdict(one) for one in outages], "floods": [asdict(one) for one in floods]}


def write(results: Mapping[str, Any]) -> None:
    """results.json, and what is made from it. A part that *results* lacks stays as it was measured last."""
    known = json.loads(benchmark_page.RESULTS.read_text(encoding="utf-8")) if benchmark_page.RESULTS.is_file() else {}
    results = known | dict(results)
    benchmark_page.RESULTS.write_text(json.dumps(_rounded(results), indent=1) + "\n", encoding="utf-8")
    benchmark_page.main()
    print(f"\nWritten: {benchmark_page.FOLDER.relative_to(env.ROOT)}")


def _figures(one: Measured) -> Iterator[Figure]:
    yield Figure("signed in, requests per second, of bare", "ratio", tuple(one.ratio))
    yield Figure("  by CPU", "ratio", tuple(one.cpu_ratio))
    yield Figure("  CPU on top of bare", "us", tuple(one.extra_us))
    yield Figure("redirects per second, of bare", "ratio", tuple(one.redirect_ratio))
    yield Figure("  CPU", "us", tuple(one.redirect_us))
    yield Figure("sign-in, CPU", "ms", tuple(one.login_cpu_ms))
    yield Figure("  waiting for the application", "ms", tuple(one.login_wall_ms))


def _outage_figures(one: outage.Outage) -> Iterator[Figure]:
    well = one.p99_ms["well"]
    yield Figure("99th percentile, provider well", "ms", tuple(well))
    for name, what in (("silent-tokens", "token endpoint silent"), ("silent", "all of it silent")):
        values = tuple(hanging / usual for hanging, usual in zip(one.p99_ms[name], well, strict=True))
        yield Figure(f"  {what}, of that", "ratio", values, at_most=1.2)


def _subject(one: Measured) -> dict[str, Any]:
    figures = {name: value for name, value in vars(one).items() if name != "peer"}
    peer = one.peer
    return {"id": peer.id, "name": peer.name, "server": peer.server, "ours": peer.ours, "versions": dict(peer.versions()), **figures}


def _rounded(value: Any) -> Any:
    """Four digits that mean something."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {name: _rounded(part) for name, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, Sequence) and not isinstance(value, str) else value
