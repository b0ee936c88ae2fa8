"""Sample figures: made up, but the same on every run, so that screenshots and checks can rely on them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

RANGES = (12, 26, 52)  # weeks
_LAST_WEEK = date(2025, 11, 17)


@dataclass(frozen=True)
class Tile:
    """One key figure. *better* tells whether the change is good news."""

    label: str
    value: str
    change: str
    better: bool
    trend: Sequence[float]


@dataclass(frozen=True)
class Chart:
    title: str
    note: str
    unit: str
    dates: Sequence[date]
    values: Sequence[float]
    before: Sequence[float]


@dataclass(frozen=True)
class Bar:
    label: str
    value: str
    share: float
    href: str = ""


@dataclass(frozen=True)
class Table:
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[int] = frozenset()
    states: dict[str, str] = field(default_factory=dict)  # cell text -> colour of its chip


@dataclass(frozen=True)
class Dashboard:
    name: str
    theme: str
    kind: str
    section: str  # what is selected: a region, a service, or "" for all
    scope: str  # the same, for people
    path: str
    sections: Sequence[tuple[str, str]]  # label, address
    weeks: int
    tiles: Sequence[Tile]
    chart: Chart
    bars_title: str
    bars: Sequence[Bar]
    table: Table


def weeks(text: str | None) -> int:
    """The range asked for in the address, or half a year."""
    return int(text) if text in {str(choice) for choice in RANGES} else 26


def _series(name: str, weeks: int, *, level: float, growth: float, noise: float) -> list[float]:
    """A growing, wavy, slightly noisy line; the latest weeks are the same whatever the range."""
    rng = random.Random(name)
    wobble = [rng.gauss(0, noise) for _ in range(2 * max(RANGES))][::-1]
    points = [level * (1 - growth * back / 52 + 0.07 * math.sin(back / 3.1) + wobble[back]) for back in range(weeks)]
    return points[::-1]


def _change(values: Sequence[float], before: Sequence[float]) -> float:
    return sum(values) / sum(before) - 1


def _percent(change: float) -> str:
    return f"{change:+.1%}".replace("-", "−")


def _chart(name: str, weeks: int, title: str, note: str, unit: str, *, level: float, growth: float = 0.35, noise: float = 0.03) -> Chart:
    both = _series(name, 2 * weeks, level=level, growth=growth, noise=noise)
    dates = [_LAST_WEEK - timedelta(weeks=back) for back in reversed(range(weeks))]
    return Chart(title, note, unit, dates, both[weeks:], both[:weeks])


def _tile(
    label: str, name: str, weeks: int, form: str, *, level: float, growth: float = 0.3, total: bool = False, less_is_better: bool = False
) -> Tile:
    both = _series(name + label, 2 * weeks, level=level, growth=growth, noise=0.03)
    values, before = both[weeks:], both[:weeks]
    shown = sum(values) if total else values[-1]
    change = _change(values, before)
    return Tile(label, form.format(shown), _percent(change), (change < 0) == less_is_better, values)


REGIONS = {"north": 1.0, "south": 0.72, "west": 0.55, "overseas": 0.38}
SERVICES = {"checkout": 1.0, "search": 1.6, "accounts": 0.5, "images": 2.2}


def sales(region: str = "", weeks: int = 26) -> Dashboard:
    """Sales of all regions, or of one. Raises ``KeyError`` for a region that does not exist."""
    size = REGIONS[region] if region else sum(REGIONS.values())
    total = sum(REGIONS.values())
    orders = [
        ("SO-4821", "Brightwater Foods", "North", "€18,240", "Shipped"),
        ("SO-4820", "Halden & Sons", "South", "€9,615", "Packed"),
        ("SO-4819", "Nordlys Energi", "North", "€42,900", "Shipped"),
        ("SO-4818", "Casa Bonita", "Overseas", "€3,480", "On hold"),
        ("SO-4817", "Vermeer Logistics", "West", "€12,075", "Shipped"),
        ("SO-4816", "Kestrel Labs", "South", "€27,300", "Packed"),
        ("SO-4815", "Ostrava Steel", "West", "€31,760", "Shipped"),
    ]
    return Dashboard(
        name="Sales",
        theme="sales",
        kind="Flask · WSGI · waitress",
        section=region,
        scope=region.capitalize() or "All regions",
        path=f"/regions/{region}" if region else "/",
        sections=[("All regions", "/"), *((name.capitalize(), f"/regions/{name}") for name in REGIONS)],
        weeks=weeks,
        tiles=[
            _tile("Revenue", region, weeks, "€{:,.1f}M", level=0.19 * size, total=True),
            _tile("Orders", region, weeks, "{:,.0f}", level=212 * size, total=True),
            _tile("Average order", region, weeks, "€{:,.0f}", level=896, growth=0.06),
            _tile("Returns", region, weeks, "{:.1f}%", level=2.4, growth=-0.2, less_is_better=True),
        ],
        chart=_chart(region, weeks, "Revenue by week", "thousand euros; dashed: the weeks before that", "k", level=190 * size),
        bars_title="Revenue by region",
        bars=[Bar(name.capitalize(), f"{share / total:.0%}", share / total, f"/regions/{name}") for name, share in REGIONS.items()],
        table=Table(
            "Latest orders",
            ("Order", "Customer", "Region", "Amount", "Status"),
            [row for row in orders if not region or row[2].lower() == region],
            frozenset({3}),
            {"Shipped": "good", "Packed": "calm", "On hold": "warn"},
        ),
    )


def operations(service: str = "", weeks: int = 26) -> Dashboard:
    """Operations of all services, or of one. Raises ``KeyError`` for a service that does not exist."""
    size = SERVICES[service] if service else sum(SERVICES.values())
    top = max(SERVICES.values())
    releases = [
        ("checkout 4.12.0", "checkout", "Mon 09:14", "3 m 41 s", "Live"),
        ("search 2.30.1", "search", "Mon 08:02", "5 m 10 s", "Live"),
        ("images 1.9.4", "images", "Sun 21:37", "2 m 55 s", "Reverted"),
        ("accounts 7.1.0", "accounts", "Fri 16:20", "4 m 02 s", "Live"),
        ("search 2.30.0", "search", "Fri 11:45", "5 m 33 s", "Replaced"),
        ("checkout 4.11.8", "checkout", "Thu 15:09", "3 m 38 s", "Replaced"),
    ]
    return Dashboard(
        name="Operations",
        theme="operations",
        kind="Starlette · ASGI · uvicorn",
        section=service,
        scope=service.capitalize() or "All services",
        path=f"/services/{service}" if service else "/",
        sections=[("All services", "/"), *((name.capitalize(), f"/services/{name}") for name in SERVICES)],
        weeks=weeks,
        tiles=[
            _tile("Requests", service, weeks, "{:,.1f}M", level=3.1 * size, total=True),
            _tile("Median response", service, weeks, "{:,.0f} ms", level=84, growth=-0.25, less_is_better=True),
            _tile("Errors", service, weeks, "{:.2f}%", level=0.21, growth=-0.4, less_is_better=True),
            _tile("Releases", service, weeks, "{:,.0f}", level=2.4 * size, growth=0.2, total=True),
        ],
        chart=_chart(service or "all", weeks, "Requests by week", "millions; dashed: the weeks before that", "M", level=3.1 * size),
        bars_title="Weekly requests by service",
        bars=[Bar(name.capitalize(), f"{3.1 * share:.1f}M", share / top, f"/services/{name}") for name, share in SERVICES.items()],
        table=Table(
            "Latest releases",
            ("Release", "Service", "When", "Took", "Status"),
            [row for row in releases if not service or row[1] == service],
            frozenset({3}),
            {"Live": "good", "Reverted": "warn", "Replaced": "calm"},
        ),
    )
