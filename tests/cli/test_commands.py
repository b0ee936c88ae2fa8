"""The command itself: what it is called, what it says without its extra, and the small commands."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.loopback import free_port
from oidc_middleware import ConfigError, __version__, cli
from oidc_middleware.config import load_settings
from tests.interop.programs import Program

ROOT = Path(__file__).parents[2]


def run(*command):
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_the_script_and_the_module_are_the_same():
    (name, target), *others = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"].items()
    assert (name, others) == ("oidc-middleware", [])
    module, _, function = target.partition(":")
    assert getattr(import_module(module), function) is cli.main
    done = run("-m", "oidc_middleware", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"oidc-middleware {__version__}\n", "")


@pytest.mark.parametrize("absent", ["typer", "rich"])
def test_without_the_extra_it_says_what_to_install(absent):
    code = f"import sys; sys.modules[{absent!r}] = None; from oidc_middleware.cli import main; sys.exit(main(['secret']))"
    done = run("-c", code)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"oidc-middleware: {absent} is not installed. The command line is an extra: pip install 'oidc-middleware[cli]'\n"


def test_a_package_of_ours_that_is_missing_is_a_fault_and_no_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "oidc_middleware.cli.commands", None)
    with pytest.raises(ModuleNotFoundError, match=r"oidc_middleware\.cli\.commands"):
        cli.main(["secret"])


def test_secrets_are_usable_and_never_the_same(shell):
    made = set()
    for _ in range(5):
        assert shell("secret") == 0
        made.add(shell.out)
        assert shell.err == ""
        key = shell.out.removesuffix("\n")
        assert len(key) == 43
        assert load_settings({"issuer": "https://op.example", "client_id": "app", "secret_key": key}, {}).secret_keys == (key,)
    assert len(made) == 5


@pytest.mark.parametrize("arguments", [["no-such-command"], ["secret", "--no-such-option"], ["sign-out-everywhere"], ["check", "extra"]])
def test_wrong_usage(shell, arguments):
    assert shell(*arguments) == 2
    assert shell.out == ""
    assert "Usage: oidc-middleware" in shell.err


@pytest.mark.parametrize("arguments", [["--help"], ["check", "--help"], ["sign-out-everywhere", "--help"], ["secret", "--help"]])
def test_help(shell, arguments):
    assert shell(*arguments) == 0
    assert shell.out.startswith("Usage: oidc-middleware")


def test_a_fault_of_ours_shows_its_place_and_no_text(shell, monkeypatch):
    from oidc_middleware.cli import commands

    def broken(**_):
        raise LookupError(*shell.secrets)

    monkeypatch.setattr(commands, "check_everything", broken)
    assert shell("check") == 70
    assert "internal error: LookupError" in shell.err
    assert "in check" in shell.err


def test_the_provider(shell):
    assert shell("provider", "--help") == 0
    assert shell.out.startswith("usage: oidc-middleware provider")
    assert shell("provider", "--host", "0.0.0.0") == 2
    assert "loopback" in shell.err
    port = free_port()
    with Program([sys.executable, "-m", "oidc_middleware", "provider", "--port", str(port), "--client-id", "dash"]) as program:
        program.wait_for(f"http://127.0.0.1:{port}/.well-known/openid-configuration")
        assert f"OIDC_ISSUER=http://127.0.0.1:{port}" in program.log
        assert "OIDC_CLIENT_ID=dash" in program.log


def test_settings_are_read_when_a_command_runs(shell):
    shell.settings(issuer="not a url")
    with pytest.raises(ConfigError):
        load_settings({})
    assert shell("secret") == 0, "which needs none"
