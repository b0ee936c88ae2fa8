"""The matrix of the security catalogue: up to date, and no row in scope left open."""

from __future__ import annotations

import ast

import pytest

from tests.checks.tree import ROOT
from tools import catalogue_matrix as matrix


@pytest.fixture(scope="module")
def rows():
    return matrix.read_rows()


@pytest.fixture(scope="module")
def tests():
    return matrix.covered(ROOT / "tests")


def test_every_row_in_scope_has_a_test_or_a_reason(rows, tests):
    assert matrix.problems(rows, tests) == []


def test_the_page_is_up_to_date(rows, tests):
    assert matrix.PAGE.read_text(encoding="utf-8") == matrix.page(rows, tests), "run make docs"


def test_the_rows_are_complete(rows):
    ids = [row.id for row in rows]
    assert len(set(ids)) == len(ids) == 366
    assert {row.section for row in rows} == set(matrix.SECTIONS)


SOURCE = """
import pytest
pytestmark = pytest.mark.row("AA-01")

@pytest.mark.row("AA-02", "AA-03")
@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.row("AA-04"))])
def test_a(x): ...

class TestB:
    @pytest.mark.row("AA-05")
    def test_b(self): ...
"""


def test_marks_are_found_wherever_they_stand(tmp_path):
    assert dict(matrix.marks(ast.parse(SOURCE))) == {"AA-01": "", "AA-02": "test_a", "AA-03": "test_a", "AA-04": "test_a", "AA-05": "TestB"}
    with pytest.raises(SystemExit, match="written out"):
        list(matrix.marks(ast.parse("import pytest\n@pytest.mark.row(*ROWS)\ndef test(): ...\n")))


def test_an_open_row_and_an_unknown_id_are_problems():
    rows = [matrix.Row("AA-01", "one", "now", ""), matrix.Row("AA-02", "two", "now", "cannot be"), matrix.Row("AA-03", "three", "later", "")]
    assert matrix.problems(rows, {"AA-01": ["t"]}) == []
    assert matrix.problems(rows, {"AA-09": ["t"]}) == [
        "AA-01 (one): no test carries it, and no reason is given",
        "AA-09: no such row, but t carries it",
    ]
