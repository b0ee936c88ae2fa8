"""What may stand in a committed file."""

from __future__ import annotations

import re

import pytest

from tests.checks.tree import ROOT, committed, name_of

_REGISTRIES = re.compile(r"\b(?:" + "|".join(["py" + "pi", "python" + "hosted", "npm" + "js", "deb" + r"\.debian"]) + r")\.(?:org|com)\b")
_MACHINE_PATHS = re.compile(r"(?<![\w./])/(?:work|farm|root|tmp)/[\w.]")
_LARGEST = 2_000_000


def _texts():
    for path in committed():
        if path.stat().st_size <= _LARGEST:
            try:
                yield path, path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


@pytest.mark.parametrize("forbidden", [_REGISTRIES, _MACHINE_PATHS], ids=["registry", "machine path"])
def test_no_file_names_a_registry_or_a_path_of_one_machine(forbidden):
    assert {name_of(path): found[0] for path, text in _texts() if (found := forbidden.search(text))} == {}


def test_those_patterns_find_what_they_are_for():
    assert _REGISTRIES.search("https://" + "py" + "pi.org/simple")
    assert _MACHINE_PATHS.search("open('" + "/tm" + "p/x')")
    assert not _MACHINE_PATHS.search("https://login.example.com" + "/wor" + "k/x")


@pytest.mark.parametrize("name", sorted(path.relative_to(ROOT / "constraints").as_posix() for path in (ROOT / "constraints").rglob("*.txt")))
def test_pins_are_names_and_versions_only(name):
    lines = [line for line in (ROOT / "constraints" / name).read_text().splitlines() if not line.startswith("#")]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)] == []


def test_the_lock_file_holds_no_address():
    locks = [path for path in committed() if path.name == "package-lock.json"]
    assert [name_of(path) for path in locks if '"resolved"' in path.read_text()] == []


def test_the_version_has_its_place_in_the_changelog():
    import oidc_middleware

    assert f"## {oidc_middleware.__version__}" in (ROOT / "CHANGELOG.md").read_text()
