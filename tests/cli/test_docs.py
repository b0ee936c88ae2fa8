"""docs/command-line.md: its commands run, and what it shows of their answers is what they say."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from oidc_middleware.provider.__main__ import arguments
from tests.cli.conftest import SECRET

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines() if line.startswith("oidc-middleware")]


def test_all_commands_are_there():
    assert {shlex.split(command)[1] for command in COMMANDS} == {"check", "sign-out-everywhere", "secret", "provider"}


@pytest.fixture
def environ(provider, tmp_path):
    """The variables of the page, at a provider that is there."""
    names = re.findall(r"^export (OIDC_\w+)=", PAGE, re.MULTILINE)
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "sessions.db").touch()
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    script = bin_folder / "oidc-middleware"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m oidc_middleware "$@"\n')
    script.chmod(0o755)
    values = {
        "OIDC_ISSUER": provider.issuer,
        "OIDC_CLIENT_ID": provider.client_id,
        "OIDC_CLIENT_SECRET_FILE": str(tmp_path / "secret"),
        "OIDC_BASE_URL": "https://app.example.com",
        "OIDC_STORE": f"sqlite:///{tmp_path}/sessions.db",
    }
    assert set(values) == set(names)
    return {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", **values}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(command, environ, tmp_path):
    words = shlex.split(command)
    if words[1] == "provider":  # which would run for ever
        assert arguments().parse_args(words[2:]).port == 9400
        return
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert SECRET not in done.stdout
    match words[1]:
        case "secret":
            assert len((tmp_path / "secret_key").read_text()) == 44
        case "check" if "--json" in words:
            assert set(json.loads(done.stdout)) == {"result", "problems", "warnings", "register", "findings"}
        case "sign-out-everywhere" if "--json" in words:
            (shown,) = [text for language, text in BLOCKS if language == "json"]
            assert json.loads(done.stdout) == {**json.loads(shown), "issuer": environ["OIDC_ISSUER"], "sessions": 0}


def test_the_report_that_the_page_shows_is_what_check_writes(shell, provider, tmp_path):
    (tmp_path / "sessions.db").touch()
    provider.headers = {"Date": lambda: formatdate(time.time() + 96.5, usegmt=True)}
    provider.sid, provider.end_session_supported = "advertises back-channel logout", True
    provider.jwks_edit = lambda keys: {"keys": [key for key in keys["keys"] if key["kty"] == "RSA" and key.get("use") != "enc"]}
    shell.at(provider, store=f"sqlite:///{tmp_path}/sessions.db")
    assert shell("check") == 1
    written = shell.out.replace(provider.issuer, "https://login.example.com").replace("client app", "client dashboards")
    written = re.sub(r"clock is \d+ s", "clock is 95 s", written.replace("app.example.com", "dash.example.com"))
    (shown,) = [text for language, text in BLOCKS if language == "text"]
    assert re.sub(r"\d usable", "N usable", written) == re.sub(r"\d usable", "N usable", shown)
