"""Where the peers are installed: each in an environment of its own, below ``benchmarks/.peers`` (Python) and ``benchmarks/peers/node`` (npm)."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
FOLDER: Final = HERE.parent / ".peers"
CONSTRAINTS: Final = ROOT / "constraints"
NODE: Final = HERE / "node"
MODULES: Final = Path("/usr/lib/apache2/modules")

#: What an environment is asked for. Its constraint files say the versions.
PYTHON: Final[dict[str, tuple[str, ...]]] = {
    "starlette": ("starlette", "authlib", "httpx", "itsdangerous", "uvicorn", "uvloop", "httptools"),
    "flask": ("flask", "authlib", "requests", "gunicorn"),
    "flask-oidc": ("flask-oidc", "requests", "gunicorn"),
    "flask-pyoidc": ("flask-pyoidc", "gunicorn"),
    # Ours as it is in this checkout, and every server that it is measured behind.
    "ours": ("uvicorn", "uvloop", "httptools", "granian", "hypercorn", "flask", "gunicorn"),
}
_BASE: Final = {"ours": ("pins.txt",)}
_MINUTES: Final = 10


class NotHere(RuntimeError):
    """Something cannot be measured here; the text says why, and what would help."""


def python(name: str) -> Path:
    """The interpreter of the environment *name*, made if need be. Raises :class:`NotHere`."""
    folder = FOLDER / name
    interpreter, stamp = folder / "bin" / "python", folder / "installed.txt"
    wanted = list(PYTHON[name])
    if name == "ours":
        wanted += tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    constraints = [CONSTRAINTS / file for file in (*_BASE.get(name, ()), f"peers/{name}.txt")]
    state = _digest(sys.version, *wanted, *(file.read_text(encoding="utf-8") for file in constraints))
    if stamp.is_file() and stamp.read_text() == state:
        return interpreter
    FOLDER.mkdir(exist_ok=True)
    pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "30"]
    _run([sys.executable, "-m", "venv", "--clear", str(folder)], f"the environment {name}")
    _run([*pip, *(part for file in constraints for part in ("-c", str(file))), *wanted], f"installing {', '.join(PYTHON[name])}")
    stamp.write_text(state)
    return interpreter


def node() -> str:
    """The program ``node``, once the packages of ``node/package-lock.json`` are there. Raises :class:`NotHere`."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if not program or not npm:
        raise NotHere("node and npm are not installed: apt-get install nodejs npm")
    lock, stamp = NODE / "package-lock.json", NODE / "node_modules" / "installed.txt"
    state = _digest(lock.read_text(encoding="utf-8"))
    if not (stamp.is_file() and stamp.read_text() == state):
        _run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], "npm ci", cwd=NODE)
        stamp.write_text(state)
    return program


def apache() -> str:
    """Debian's Apache with mod_auth_openidc. Raises :class:`NotHere`."""
    program = shutil.which("apache2") or shutil.which("apache2", path="/usr/sbin")
    if not program or not (MODULES / "mod_auth_openidc.so").is_file():
        raise NotHere("not installed: apt-get install apache2-bin libapache2-mod-auth-openidc")
    return program


def python_versions(name: str, packages: Sequence[str]) -> dict[str, str]:
    """The versions of *packages* in the environment *name*."""
    (folder,) = (FOLDER / name / "lib").glob("python*/site-packages")
    found = {(package.metadata["Name"] or "").lower(): package.version for package in metadata.distributions(path=[str(folder)])}
    return {package: found[package.lower()] for package in packages}


def node_versions(packages: Sequence[str]) -> dict[str, str]:
    """The versions of *packages* among npm's."""
    return {package: json.loads((NODE / "node_modules" / package / "package.json").read_text(encoding="utf-8"))["version"] for package in packages}


def apache_versions() -> dict[str, str]:
    """The versions of Debian's packages, as far as Debian's own revision."""
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", "apache2-bin", "libapache2-mod-auth-openidc"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return dict(line.split() for line in shown.stdout.splitlines())


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _run(command: Sequence[str], what: str, cwd: Path | None = None) -> None:
    """Raises :class:`NotHere` with the last thing that *command* said."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60 * _MINUTES, check=False)
    except subprocess.TimeoutExpired:
        raise NotHere(f"{what}: no answer within {_MINUTES} minutes") from None
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise NotHere(f"{what} failed: {lines[-1] if lines else f'exit code {done.returncode}'}")
