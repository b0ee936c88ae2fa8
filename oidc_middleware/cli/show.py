"""A report for people: one line for what is well, two where there is something to do. Colours only where a terminal shows them."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.text import Text

from oidc_middleware.cli.check import Report

_STYLES: Final = {"ok": "green", "note": "cyan", "warning": "yellow", "problem": "bold red"}
_LEVEL_WIDTH: Final = 8
_ABOUT_WIDTH: Final = 15


def print_report(report: Report) -> None:
    """Write *report* to standard output. Lines are not broken, so that they can be searched."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    margin = " " * (_LEVEL_WIDTH + 1 + _ABOUT_WIDTH + 1)
    for finding in report.findings:
        line = Text(f"{finding.level:{_LEVEL_WIDTH}} ", _STYLES[finding.level])
        line.append(f"{finding.about:{_ABOUT_WIDTH}} {finding.text}", "default")
        console.print(line)
        if finding.advice:
            console.print(Text(margin + finding.advice, "dim" if finding.level == "note" else "default"))
    if report.register:
        console.print("\nTo be registered at the provider:")
        for name, address in report.register.items():
            console.print(f"  {name}: {address}")
    console.print(Text(f"\n{_count(report.problems, 'problem')}, {_count(report.warnings, 'warning')}.", "bold"))


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
