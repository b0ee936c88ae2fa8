"""docs/errors.md has a row for every code, and says what the program says; every code is raised somewhere and reached by a test."""

from __future__ import annotations

import re

from oidc_middleware.errors import CODES
from tests.checks.tree import PACKAGE, ROOT, python_files

ROW = re.compile(r"\| `(\w+)` \| (\d{3}) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|")


def rows():
    return ROW.findall((ROOT / "docs" / "errors.md").read_text(encoding="utf-8"))


def test_every_code_has_one_row():
    assert sorted(code for code, *_ in rows()) == sorted(CODES)


def test_the_rows_say_what_the_user_sees():
    assert {code: (int(status), seen) for code, status, _, seen, _ in rows()} == CODES


def test_every_row_says_what_happened_and_what_to_do():
    assert [code for code, _, happened, _, to_do in rows() if len(happened) < 20 or not to_do.endswith((".", "?"))] == []


def _named_in(files):
    return {word for path in files for word in re.findall(r"\w+", path.read_text(encoding="utf-8")) if word in CODES}


def test_every_code_is_in_use():
    used = _named_in(path for path in python_files("oidc_middleware") if path != PACKAGE / "errors.py")
    assert set(CODES) - used - {"config_invalid"} == set()  # ConfigError names its code itself


def test_a_test_reaches_every_code():
    others = [path for path in python_files("tests") if not path.is_relative_to(ROOT / "tests" / "checks")]
    assert set(CODES) - _named_in(others) - {"config_invalid"} == set()  # tests/config reaches ConfigError by its class
