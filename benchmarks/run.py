"""What a request costs with oidc_middleware in front, and with others: ``make bench`` (forty minutes), ``make bench-quick`` (three).

Ratios and differences within one run mean something; absolute figures of a shared machine do not.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # examples and tools, whose parts the comparison uses

import in_process
import instructions
import over_http
import over_stores
from figures import Report
from peers import publish

PARTS = ("process", "instructions", "http", "stores", "peers", "trouble")
#: What fits in three minutes.
QUICK = ("process", "peers")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--only", choices=PARTS, help="one part of it; trouble: a provider that hangs, strangers in a flood")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of the comparison with others, instead of nine or three")
    publish_help = "write docs/benchmarks: a whole run does, a quick one or one of a single part does not"
    parser.add_argument("--publish", action=argparse.BooleanOptionalAction, help=publish_help)
    parser.add_argument("--check", action="store_true", help="exit code 1 if a target was missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    number, calls, seconds = (3, 6_000, 1.0) if options.quick else (9, 30_000, 2.0)
    report = Report()
    print(f"{number} rounds; the load comes from {'wrk' if shutil.which('wrk') else 'Python threads (install wrk for a lighter one)'}")
    parts = (options.only,) if options.only else QUICK if options.quick else PARTS
    if "process" in parts:
        report.section("ASGI, in process", in_process.asgi(calls, number))
        report.section("WSGI, in process", in_process.wsgi(calls, number))
    if "instructions" in parts:
        report.section("ASGI, in process, thousands of instructions", instructions.measure())
    if "http" in parts:
        report.section("ASGI, Starlette behind uvicorn (uvloop, httptools)", over_http.measure("asgi", over_http.ASGI, seconds, number))
        report.section("WSGI, Flask behind gunicorn (gthread)", over_http.measure("wsgi", over_http.WSGI, seconds, number))
    if "stores" in parts:
        report.section("ASGI, where sessions live", over_stores.measure("asgi", seconds, number))
        report.section("WSGI, where sessions live", over_stores.measure("wsgi", seconds, number))
    compared = publish.compare(report, options.rounds, quick=options.quick) if "peers" in parts else {}
    trouble = publish.trouble(report, options.rounds) if "trouble" in parts else {}
    if options.publish if options.publish is not None else parts == PARTS:
        publish.write(compared | trouble)
    if options.json:
        options.json.write_text(json.dumps(report.as_json(), indent=1))
    if report.missed:
        print(f"\nMissed: {'; '.join(report.missed)}")
    return 1 if options.check and report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
