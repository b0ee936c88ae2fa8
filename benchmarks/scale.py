"""The constants behind docs/scaling.md: ``make bench-scale`` (ten minutes, 5 GB) measures them, writes them down, and renews the page's tables.

python benchmarks/scale.py --sessions 20000 --quick       look only
python benchmarks/scale.py --page                         the tables from what was measured before
python benchmarks/scale.py --users 250000                 what the model says of so many users
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

from scale_model import MODES, load, rates, servers
from scale_tables import renewed

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "benchmarks" / "results" / "scale.json"
PAGE: Final = ROOT / "docs" / "scaling.md"


def measured() -> dict[str, Any]:
    """What the last run wrote down."""
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="The constants and the tables of docs/scaling.md")
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--part", choices=("counts", "redis", "local", "workers"), help="measure this anew, keep the rest")
    parser.add_argument("--quick", action="store_true", help="less of everything, and print it instead of writing it down")
    parser.add_argument("--page", action="store_true", help="measure nothing, renew the page")
    parser.add_argument("--users", type=float, help="measure nothing, print what so many users mean")
    options = parser.parse_args()
    if options.users:
        known = measured()
        said = {mode: {**load(mode, options.users, known), "redis_servers": servers(load(mode, options.users, known))} for mode in MODES}
        print(json.dumps({"rates": rates(options.users), **said}, indent=1))
        return
    if not options.page:
        import scale_measure  # noqa: PLC0415  # needs redis and the servers of the benchmark; the arithmetic needs neither

        parts = [options.part] if options.part else list(scale_measure.PARTS)
        found: dict[str, Any] = {}
        for part in parts:
            found |= scale_measure.PARTS[part](options.sessions, quick=options.quick)
        if options.quick:
            print(json.dumps(_rounded(found), indent=1))
            return
        RESULTS.parent.mkdir(exist_ok=True)
        kept = measured() if options.part else {}
        RESULTS.write_text(json.dumps(kept | _rounded(found), indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), measured()), encoding="utf-8")


def _rounded(value: Any) -> Any:
    """Figures as exact as they are: three significant digits, and whole numbers beyond a thousand."""
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, float):
        return round(value) if abs(value) >= 1_000 else float(f"{value:.3g}")
    return value


if __name__ == "__main__":
    main()
