"""Writes docs/catalogue.md: every row of the security catalogue, and the tests that carry its id.

    python tools/catalogue_matrix.py           writes the page
    python tools/catalogue_matrix.py --check   writes nothing; fails when the page is out of date, when a row in scope has neither test nor
                                               reason, or when a test names a row that does not exist

The rows are in tests/catalogue/rows.tsv: id, short name, ``now`` or ``later``, and a reason where no test is possible. A test carries ids as
``@pytest.mark.row("ID-12")``; they are read from the source, so nothing is run.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "tests" / "catalogue" / "rows.tsv"
PAGE = ROOT / "docs" / "catalogue.md"

SECTIONS = {
    "RD": "Return path and open redirect",
    "ST": "State, login CSRF",
    "PK": "PKCE",
    "NO": "Nonce",
    "CI": "Code injection and replay",
    "MX": "Mix-up",
    "ID": "ID token",
    "JW": "Keys",
    "DI": "Discovery and all calls to the provider",
    "UI": "UserInfo",
    "CK": "Cookies and sessions",
    "SF": "Fixation, tabs, concurrency",
    "HD": "Identity headers and proxy headers",
    "PA": "Path matching and public routes",
    "WS": "WebSockets",
    "LT": "Back-channel logout",
    "LO": "Logout started here and front-channel logout",
    "RF": "Refresh tokens",
    "CA": "Caching",
    "ER": "Error pages",
    "LG": "Logs",
    "TI": "Timing",
    "DS": "Denial of service",
    "SS": "Server-side request forgery",
    "SM": "Request smuggling",
    "AZ": "Authorization",
    "FD": "FAPI and client authentication",
    "CF": "Configuration",
    "AS": "ASGI and WSGI",
    "F-OP": "Faults of the provider",
    "F-ST": "Faults of the session store",
    "F-PR": "Faults of the process, clock and scale",
}

INTRODUCTION = """# What the package withstands

The attacks and faults that the package is tested against, row by row, with the tests that carry each row's id. A row without a test says why.
Made by `make docs` from the tests; do not edit.
"""


@dataclass(frozen=True)
class Row:
    """A row of the catalogue. ``scope`` is ``now`` or ``later``."""

    id: str
    name: str
    scope: str
    reason: str

    @property
    def section(self) -> str:
        """The part of the id before its number."""
        return self.id.rpartition("-")[0]


def read_rows(path: Path = ROWS) -> list[Row]:
    """The rows, in the order of the file."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        cells = line.split("\t")
        if not 3 <= len(cells) <= 4 or cells[2] not in {"now", "later"}:
            raise SystemExit(f"{path.name}:{number}: expected id, name, now or later, and perhaps a reason, separated by tabs")
        rows.append(Row(*cells, *[""] * (4 - len(cells))))
    return rows


def marks(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """``(row id, test)`` for every mark in a file; the test is ``""`` for a mark of the whole file."""

    def visit(node: ast.AST, owner: str) -> Iterator[tuple[str, str]]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not owner:
            owner = node.name
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("mark.row"):
            for argument in node.args:
                if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
                    raise SystemExit(f"line {node.lineno}: a row's id must be written out, so that it can be found")
                yield argument.value, owner
        for child in ast.iter_child_nodes(node):
            yield from visit(child, owner)

    return visit(tree, "")


def covered(folder: Path) -> Mapping[str, list[str]]:
    """For each row id the tests that carry it, as ``file::test``, sorted."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(folder.rglob("test_*.py")):
        if "node_modules" in path.parts:
            continue
        for row, test in marks(ast.parse(path.read_text(encoding="utf-8"))):
            name = path.relative_to(folder.parent).as_posix()
            found[row].add(f"{name}::{test}" if test else name)
    return {row: sorted(tests) for row, tests in found.items()}


def problems(rows: list[Row], tests: Mapping[str, list[str]]) -> list[str]:
    """Rows in scope that nothing covers, and ids that do not exist."""
    known = {row.id for row in rows}
    open_rows = [
        f"{row.id} ({row.name}): no test carries it, and no reason is given"
        for row in rows
        if row.scope == "now" and not (tests.get(row.id) or row.reason)
    ]
    unknown = [f"{row}: no such row, but {names[0]} carries it" for row, names in sorted(tests.items()) if row not in known]
    return open_rows + unknown


def page(rows: list[Row], tests: Mapping[str, list[str]]) -> str:
    """The text of docs/catalogue.md."""
    parts = [INTRODUCTION, _summary(rows, tests)]
    for section, title in SECTIONS.items():
        of_section = [row for row in rows if row.section == section]
        lines = [f"| {row.id} | {_cell(row.name)} | {_answer(row, tests.get(row.id, []))} |" for row in of_section]
        parts.append(
            "\n".join([f"## {section}: {title}\n", "| row | what is tried | tests, or why there is none |", "| --- | --- | --- |", *lines, ""])
        )
    return "\n".join(parts)


def _summary(rows: list[Row], tests: Mapping[str, list[str]]) -> str:
    with_test = sum(bool(tests.get(row.id)) for row in rows)
    with_reason = sum(bool(row.reason) and not tests.get(row.id) for row in rows)
    later = sum(row.scope == "later" and not tests.get(row.id) and not row.reason for row in rows)
    return f"{len(rows)} rows: {with_test} with tests, {with_reason} that do not apply, {later} for features that come later.\n"


def _answer(row: Row, tests: list[str]) -> str:
    by_file: dict[str, list[str]] = defaultdict(list)
    for test in tests:
        file, _, name = test.partition("::")
        by_file[file].append(name)
    shown = [
        f"[{file.removeprefix('tests/')}](../{file}){': ' if any(names) else ''}{', '.join(f'`{name}`' for name in names if name)}"
        for file, names in by_file.items()
    ]
    if row.reason:
        shown.append(_cell(row.reason))
    return "<br>".join(shown) or ("later" if row.scope == "later" else "open")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write docs/catalogue.md from the tests.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when something is missing or out of date")
    options = parser.parse_args(arguments)
    rows = read_rows()
    tests = covered(ROOT / "tests")
    wanted = page(rows, tests)
    wrong = problems(rows, tests)
    if not options.check:
        PAGE.write_text(wanted, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != wanted:
        wrong.append(f"{PAGE.relative_to(ROOT)} is out of date: run make docs")
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
