"""Charts as SVG, drawn on the server.

A drawing has a view box of 100 by 100 and is stretched to the room it gets; strokes keep their width (``vector-effect``), and words stay HTML
beside the drawing, so a chart reads as well on a phone as on a wall.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from dashboard.figures import Chart


def sparkline(values: Sequence[float]) -> Markup:
    """A small line without axes."""
    low, high = min(values), max(values)
    points = _points(values, low, high + (high == low))
    return Markup('<svg class="spark" viewBox="0 -6 100 112" preserveAspectRatio="none" aria-hidden="true"><polyline points="{}"/></svg>').format(
        points
    )


def area(chart: Chart) -> Markup:
    """The line of these weeks over its area, the weeks before as a dashed line, a scale on the left and dates below."""
    top, step = _scale(max(*chart.values, *chart.before))
    ticks = [step * index for index in range(round(top / step) + 1)]
    now, before = _points(chart.values, 0, top), _points(chart.before, 0, top)
    grid = Markup("").join(Markup('<line x1="0" x2="100" y1="{0:.2f}" y2="{0:.2f}"/>').format(100 - 100 * tick / top) for tick in ticks)
    labels = Markup("").join(Markup('<span style="bottom:{:.2f}%">{:g}</span>').format(100 * tick / top, tick) for tick in ticks)
    quarters = [chart.dates[round(index * (len(chart.dates) - 1) / 4)] for index in range(5)]
    dates = Markup("").join(Markup("<span>{} {:%b}</span>").format(day.day, day) for day in quarters)
    summary = f"{chart.title}, {len(chart.values)} weeks: from {chart.values[0]:.0f} {chart.unit} to {chart.values[-1]:.0f} {chart.unit}"
    return Markup(
        '<div class="area" role="img" aria-label="{summary}"><div class="scale" aria-hidden="true">{labels}</div><div class="plot">'
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true"><g class="grid">{grid}</g>'
        '<polygon class="fill" points="0,100 {now} 100,100"/><polyline class="before" points="{before}"/><polyline class="now" points="{now}"/></svg>'
        '<i class="dot" style="bottom:{last:.2f}%"></i></div><div class="dates" aria-hidden="true">{dates}</div></div>'
    ).format(summary=summary, labels=labels, grid=grid, now=now, before=before, last=100 * chart.values[-1] / top, dates=dates)


def _points(values: Sequence[float], low: float, high: float) -> str:
    width = max(1, len(values) - 1)
    return " ".join(f"{100 * index / width:.2f},{100 - 100 * (value - low) / (high - low):.2f}" for index, value in enumerate(values))


def _scale(highest: float) -> tuple[float, float]:
    """The top of the axis and the distance of its lines: 1, 2, 2.5 or 5 times a power of ten, four or five lines in all."""
    power: float = 10 ** math.floor(math.log10(highest))
    step = next(size * power / 10 for size in (1, 2, 2.5, 5, 10, 20, 25) if size * power / 10 * 4.2 >= highest)
    return step * math.ceil(highest / step), step
