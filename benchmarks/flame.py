"""Where the time of a request goes, as a flame graph: ``make profile`` writes ``flame-hit.svg`` and its like; open them in a browser.

Every call and return, in Python and in C, is seen by ``sys.setprofile``, which costs small functions more than large ones: look at shapes, and take
figures from ``make bench``.

    python benchmarks/flame.py [--calls N] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from html import escape
from pathlib import Path
from types import FrameType
from typing import Any, Final

import in_process
import subjects

WIDTH: Final = 1_400
ROW: Final = 18
#: Narrower boxes are left out: nobody could read or click them.
NARROWEST: Final = 0.5

Stack = tuple[str, ...]


def sampled(timer: in_process.Timer, calls: int) -> Counter[Stack]:
    """Nanoseconds spent in each stack of functions, itself alone."""
    spent: Counter[Stack] = Counter()
    stack: list[str] = []
    since = time.perf_counter_ns()

    def seen(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal since
        spent[tuple(stack)] += time.perf_counter_ns() - since
        if event == "call":
            stack.append(f"{frame.f_code.co_qualname} ({Path(frame.f_code.co_filename).name})")
        elif event == "c_call":
            stack.append(argument.__qualname__)
        elif stack:
            stack.pop()
        since = time.perf_counter_ns()

    sys.setprofile(seen)
    try:
        timer(calls)
    finally:
        sys.setprofile(None)
    return spent


def below(spent: Counter[Stack], root: str) -> Counter[Stack]:
    """The stacks at and below the outermost function named *root*: our own part, without the benchmark around it."""
    found: Counter[Stack] = Counter()
    for stack, nanoseconds in spent.items():
        start = next((index for index, name in enumerate(stack) if name.startswith(root)), None)
        if start is not None:
            found[stack[start:]] += nanoseconds
    return found


def svg(spent: Counter[Stack], title: str) -> str:
    """One box for each function on each stack, as wide as its share of the time; what it calls stands below it."""
    whole: Counter[Stack] = Counter()
    for stack, nanoseconds in spent.items():
        for depth in range(1, len(stack) + 1):
            whole[stack[:depth]] += nanoseconds
    total = sum(nanoseconds for stack, nanoseconds in whole.items() if len(stack) == 1)
    left: dict[Stack, float] = {}
    taken: defaultdict[Stack, float] = defaultdict(float)
    boxes = []
    for stack in sorted(whole):
        parent = stack[:-1]
        left[stack] = left.get(parent, 0.0) + taken[parent]
        width = WIDTH * whole[stack] / total
        taken[parent] += width
        if width >= NARROWEST:
            x, y, share = left[stack], ROW * (len(stack) + 1), 100 * whole[stack] / total
            shade = 60 + 25 * (sum(map(ord, stack[-1])) % 7) / 7
            boxes.append(
                f'<g><title>{escape(stack[-1])}: {share:.1f} %</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}" '
                f'fill="hsl(28,85%,{shade:.0f}%)"/><text x="{x + 3:.1f}" y="{y + 13}">{escape(stack[-1][: int(width / 7)])}</text></g>'
            )
    height = ROW * (max(map(len, whole)) + 3)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">'
        f'<text x="3" y="14" font-size="14">{escape(title)}</text>{"".join(boxes)}</svg>\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=3_000, help="requests of each kind")
    parser.add_argument("--out", type=Path, default=Path(), help="where the files go")
    options = parser.parse_args()
    app = subjects.ours_asgi(subjects.tiny_asgi)
    cookies = subjects.our_cookies(app, subjects.MANY)
    kinds = {
        "hit": in_process.asgi_timer(app, cookies[:1]),
        "miss": in_process.asgi_timer(app, cookies),
        "public": in_process.asgi_timer(app, [], "/public"),
        "redirect": in_process.asgi_timer(app, [], expected=302),
    }
    for kind, timer in kinds.items():
        timer(100)
        spent = below(sampled(timer, options.calls), "OIDCMiddleware.__call__")
        if not spent:
            raise SystemExit(f"{kind}: the middleware was never called")
        path = options.out / f"flame-{kind}.svg"
        path.write_text(svg(spent, f"{kind}: {sum(spent.values()) / options.calls / 1000:.1f} us a request while watched"))
        print(path)


if __name__ == "__main__":
    main()
