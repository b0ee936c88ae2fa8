"""Writes what docs/benchmarks/results.json holds into docs/benchmarks/README.md and comparison.svg. ``make bench`` measures and calls this.

python tools/benchmark_page.py

The text of the page is written by hand; between two comments ``<!-- results: NAME -->`` and ``<!-- end -->`` stands what is made here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from statistics import median
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[1] / "docs" / "benchmarks"
RESULTS: Final = FOLDER / "results.json"
PAGE: Final = FOLDER / "README.md"
PICTURE: Final = FOLDER / "comparison.svg"

_NOT_MEASURED: Final = "Not measured in this run."

#: What results.json holds, as ``benchmarks/peers/publish.py`` writes it.
Results = Mapping[str, Any]


def main() -> None:
    """Write both."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    PICTURE.write_text(picture(results), encoding="utf-8")


# -- the page ----------------------------------------------------------------------------------------------------------------------------


def page(text: str, results: Results) -> str:
    """*text* with the parts between its comments made from *results*. ``KeyError`` for a part that does not exist."""

    def made(found: re.Match[str]) -> str:
        return f"{found[1]}\n{_PARTS[found[2]](results)}\n{found[3]}"

    return re.sub(r"(<!-- results: ([a-z]+) -->)\n(?:.*?\n)??(<!-- end -->)", made, text, flags=re.DOTALL)


def spread(values: Sequence[float], digits: int) -> str:
    """Median, and in brackets the smallest and the largest."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _name(subject: Mapping[str, Any]) -> str:
    return f"**{subject['name']}**" if subject["ours"] else str(subject["name"])


def _machine(results: Results) -> str:
    how = results["how"]
    before, after = how["load_average"]
    others = "other programs were using the same cores" if max(before, after) >= how["cores"] + 1 else "nothing else of weight ran"
    return (
        f"Measured on {how['date']}: {how['cores']} cores ({how['machine']}), {how['system']}, Python {how['python']}; "
        f"{how['rounds']} rounds of {how['seconds']:g} s, {how['connections']} connections made by {how['load']}, {how['logins']} sign-ins a round. "
        f"Load average at the beginning {before:.1f}, at the end {after:.1f}: {others}."
    )


def _requests(results: Results) -> str:
    return _table(
        ("signed in", "server", "requests/s, of bare", "by CPU, of bare", "extra CPU per request, µs"),
        (
            (_name(one), one["server"], spread(one["ratio"], 2), spread(one["cpu_ratio"], 2), spread(one["extra_us"], 0))
            for one in results["subjects"]
        ),
    )


def _ways(results: Results) -> str:
    return _table(
        ("the way to sign in", "server", "redirects/s, of bare", "CPU per redirect, µs", "sign-in: CPU, ms", "sign-in: waiting for the app, ms"),
        (
            (
                _name(one), one["server"], spread(one["redirect_ratio"], 3), spread(one["redirect_us"], 0), spread(one["login_cpu_ms"], 1),
                spread(one["login_wall_ms"], 0),
            )
            for one in results["subjects"]
        ),
    )  # fmt: skip


def _versions(results: Results) -> str:
    versions = {name: version for one in results["subjects"] for name, version in one["versions"].items()}
    lines = [", ".join(f"{name} {version}" for name, version in sorted(versions.items())) + "."]
    lines += [f"- Left out: {one['name']} on {one['server']}: {one['reason']}" for one in results["left_out"]] or ["Nothing was left out."]
    return "\n\n".join([lines[0], "\n".join(lines[1:])])


def _outages(results: Results) -> str:
    if not results.get("outages"):
        return _NOT_MEASURED
    return _table(
        ("99th percentile, ms", "provider well", "token endpoint silent", "all of it silent", "ratio, tokens", "ratio, all"),
        (
            (
                one["server"],
                *(spread(one["p99_ms"][name], 1) for name in ("well", "silent-tokens", "silent")),
                *(_ratio(one["p99_ms"], name) for name in ("silent-tokens", "silent")),
            )
            for one in results["outages"]
        ),
    )


def _ratio(p99: Mapping[str, Sequence[float]], name: str) -> str:
    return spread([hanging / well for hanging, well in zip(p99[name], p99["well"], strict=True)], 2)


def _floods(results: Results) -> str:
    if not results.get("floods"):
        return _NOT_MEASURED
    return _table(
        ("server", "requests", "seconds", "memory before, MB", "memory after, MB"),
        (
            (one["server"], f"{one['requests']:,}", f"{one['seconds']:g}", f"{one['before_mb']:.1f}", f"{one['after_mb']:.1f}")
            for one in results["floods"]
        ),
    )


_PARTS: Final[dict[str, Callable[[Results], str]]] = {
    "machine": _machine,
    "requests": _requests,
    "ways": _ways,
    "versions": _versions,
    "outages": _outages,
    "floods": _floods,
}


# -- the picture -------------------------------------------------------------------------------------------------------------------------

_STYLE: Final = """
  .ground { fill: #ffffff; stroke: #dfe3ea; } .grid { stroke: #e3e7ee; } .ours { fill: #3457d5; } .theirs { fill: #9aa5b8; }
  .spread { stroke: #171a21; stroke-width: 1.5; }
  text { fill: #171a21; font: 400 13px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
  .strong { font-weight: 650; } .head { font-weight: 650; font-size: 16px; } .soft { fill: #5b6272; font-size: 12px; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #12161d; stroke: #2b313d; } .grid { stroke: #2b313d; } .ours { fill: #7f9bff; } .theirs { fill: #5d6778; }
    .spread { stroke: #eceef3; }
    text { fill: #eceef3; } .soft { fill: #a3abbb; }
  }
"""
_WIDTH: Final = 820
_LEFT: Final = 330
_RIGHT: Final = 740
_ROW: Final = 33


def picture(results: Results) -> str:
    """Two panels as SVG, readable on a light and on a dark ground: what is left of the bare server, and the CPU time of one sign-in."""
    subjects = results["subjects"]
    panel = 96 + _ROW * len(subjects)
    height = 2 * panel + 44
    legend = f"Bars and dots: the median of {results['how']['rounds']} rounds; lines: from the smallest to the largest."
    described = "; ".join(
        f"{one['name']} on {one['server']}: {median(one['cpu_ratio']):.2f} of bare, {median(one['login_cpu_ms']):.1f} ms" for one in subjects
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="t d">',
        '<title id="t">oidc_middleware and others: what authentication leaves of a server, and what a sign-in costs</title>',
        f'<desc id="d">{escape(described)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" x=".5" y=".5" width="{_WIDTH - 1}" height="{height - 1}" rx="16"/>',
        *_bars(subjects, 40),
        *_dots(subjects, 40 + panel),
        f'<text class="soft" x="24" y="{height - 14}">{escape(legend)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _rows(subjects: Sequence[Mapping[str, Any]], top: float) -> Iterator[tuple[Mapping[str, Any], float, str]]:
    """Each subject, its line's middle, and its label."""
    for number, one in enumerate(subjects):
        y = top + 66 + _ROW * number
        strong = ' class="strong"' if one["ours"] else ""
        label = f'<text{strong} x="{_LEFT - 12}" y="{y + 1:.1f}" text-anchor="end">{escape(one["name"])}</text>'
        server = f'<text class="soft" x="{_LEFT - 12}" y="{y + 14:.1f}" text-anchor="end">{escape(one["server"])}</text>'
        yield one, y, label + server


def _head(title: str, below: str, top: float) -> list[str]:
    return [f'<text class="head" x="24" y="{top:.1f}">{escape(title)}</text>', f'<text class="soft" x="24" y="{top + 18:.1f}">{escape(below)}</text>']


def _grid(x: float, label: str, top: float, rows: int) -> str:
    return (
        f'<path class="grid" d="M{x:.1f} {top + 44:.1f}V{top + 50 + _ROW * rows:.1f}"/>'
        f'<text class="soft" x="{x:.1f}" y="{top + 40:.1f}" text-anchor="middle">{label}</text>'
    )


def _bars(subjects: Sequence[Mapping[str, Any]], top: float) -> Iterator[str]:
    def x(value: float) -> float:
        return _LEFT + min(value, 1.15) * (_RIGHT - _LEFT)

    yield from _head(
        "Signed-in requests: what is left of the bare server", "by CPU time per request; 1 = as many as without authentication; more is better", top
    )
    for mark in (0.0, 0.25, 0.5, 0.75, 1.0):
        yield _grid(x(mark), f"{mark:g}", top, len(subjects))
    for one, y, label in _rows(subjects, top):
        values = one["cpu_ratio"]
        middle = median(values)
        yield label
        yield f'<rect class="{"ours" if one["ours"] else "theirs"}" x="{_LEFT}" y="{y - 8:.1f}" width="{x(middle) - _LEFT:.1f}" height="18" rx="3"/>'
        yield f'<path class="spread" d="M{x(min(values)):.1f} {y + 1:.1f}H{x(max(values)):.1f}"/>'
        yield f'<text x="{max(x(max(values)), x(1)) + 10:.1f}" y="{y + 5:.1f}">{middle:.2f}</text>'


def _dots(subjects: Sequence[Mapping[str, Any]], top: float) -> Iterator[str]:
    def x(value: float) -> float:
        return _LEFT + (math.log10(max(value, 1)) / math.log10(300)) * (_RIGHT - _LEFT)

    yield from _head(
        "One sign-in: CPU time of the application's server", "milliseconds, logarithmic: each line is ten times the one before; less is better", top
    )
    for mark in (1, 10, 100):
        yield _grid(x(mark), str(mark), top, len(subjects))
    for one, y, label in _rows(subjects, top):
        values = one["login_cpu_ms"]
        yield label
        yield f'<path class="spread" d="M{x(min(values)):.1f} {y + 1:.1f}H{x(max(values)):.1f}"/>'
        yield f'<circle class="{"ours" if one["ours"] else "theirs"}" cx="{x(median(values)):.1f}" cy="{y + 1:.1f}" r="6"/>'
        yield f'<text x="{x(max(values)) + 12:.1f}" y="{y + 5:.1f}">{median(values):.1f}</text>'


if __name__ == "__main__":
    main()
