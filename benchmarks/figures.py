"""Figures of several rounds: smallest, median, largest, and a target to hold against the median."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Figure:
    """One line of the report. *at_most* or *at_least*: the target for the median, from docs/performance.md."""

    name: str
    unit: str
    values: tuple[float, ...]
    at_most: float | None = None
    at_least: float | None = None

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def reached(self) -> bool | None:
        if self.at_most is not None:
            return self.median <= self.at_most
        return self.median >= self.at_least if self.at_least is not None else None

    def line(self) -> str:
        digits = 3 if self.unit == "ratio" else 1
        spread = "".join(f"{value:>10.{digits}f}" for value in (min(self.values), self.median, max(self.values)))
        target = ""
        if self.reached is not None:
            wanted = f"<= {self.at_most:g}" if self.at_most is not None else f">= {self.at_least:g}"
            target = f"   {wanted:<8} {'reached' if self.reached else 'MISSED'}"
        return f"  {self.name:<52}{self.unit:>6}{spread}{target}"


@dataclass
class Report:
    """All figures, in sections."""

    sections: list[tuple[str, list[Figure]]] = field(default_factory=list)

    def section(self, title: str, figures: Sequence[Figure]) -> None:
        """Add and print a section."""
        self.sections.append((title, list(figures)))
        print(f"\n{title}\n{'':>60}{'min':>10}{'median':>10}{'max':>10}   target")
        for figure in figures:
            print(figure.line(), flush=True)

    @property
    def missed(self) -> list[str]:
        return [figure.name for _, figures in self.sections for figure in figures if figure.reached is False]

    def as_json(self) -> dict[str, object]:
        """Everything, for programs."""
        return {
            title: [
                {"name": figure.name, "unit": figure.unit, "median": figure.median, "values": figure.values, "reached": figure.reached}
                for figure in figures
            ]
            for title, figures in self.sections
        }
