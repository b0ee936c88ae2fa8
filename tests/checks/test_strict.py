"""The test setup itself: a skip is told, and under ``STRICT=1`` it is a failure; other Pythons are found."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.checks.tree import ROOT

SKIPPING = """
import pytest
from tests.needs import require, require_module

def test_program():
    require("no-such-program-anywhere")

def test_module():
    require_module("no_such_module_anywhere")

def test_machine():
    pytest.skip("this machine has no IPv6")

def test_here():
    assert require("no-such-program-anywhere", "sh").endswith("sh")
    assert require_module("json").loads("1") == 1
"""


def run_pytest(folder, strict):
    (folder / "conftest.py").write_text("from tests.conftest import *\n")
    (folder / "test_skipping.py").write_text(SKIPPING)
    (folder / "test_absent.py").write_text("import pytest\npytest.importorskip('no_such_module_anywhere')\n")
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "OIDC_TEST_NO_SKIP": strict}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-ra",
        "-p",
        "no:cacheprovider",
        "--continue-on-collection-errors",
        "--rootdir",
        str(folder),
        "-c",
        os.devnull,
        str(folder),
    ]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("strict", ["", "0"])
def test_a_missing_thing_is_told(tmp_path, strict):
    done = run_pytest(tmp_path, strict)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 4 skipped" in done.stdout
    assert "no-such-program-anywhere is not installed" in done.stdout


def test_a_missing_thing_is_a_failure_under_strict(tmp_path):
    done = run_pytest(tmp_path, "1")
    assert done.returncode != 0
    assert "1 skipped" in done.stdout.splitlines()[-1]
    assert "this machine has no IPv6" in done.stdout
    assert "STRICT=1: nothing may be skipped" in done.stdout


def test_this_python_is_found_and_can_be_left_out():
    script = str(ROOT / "tools" / "pythons.py")
    found = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout.splitlines()
    others = subprocess.run([sys.executable, script, "--except", sys.executable], capture_output=True, text=True, check=True).stdout.splitlines()
    assert set(others) < set(found) or found == others
    assert len(set(found)) == len(found)
