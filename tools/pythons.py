"""Prints the Python interpreters found on this machine that the package supports, one for each minor version, oldest first.

    python tools/pythons.py [--except /path/to/python]

Looked for: ``python3.N`` on PATH and the versions that pyenv holds. An interpreter that does not start, such as an idle pyenv shim, or that
cannot make virtual environments, does not count.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

OLDEST = (3, 11)
NEWEST = (3, 20)
_ASK = "import sys, venv, ensurepip; print(sys.implementation.name, *sys.version_info[:3], sys.executable)"


def candidates() -> Iterator[Path]:
    """Paths that may be interpreters."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    for minor in range(OLDEST[1], NEWEST[1] + 1):
        yield from (folder / f"python3.{minor}" for folder in folders)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob("versions/*/bin/python"))


def version_of(python: Path) -> tuple[tuple[int, int, int], str] | None:
    """Version and real path of *python*; ``None`` when it does not count."""
    if not os.access(python, os.X_OK):
        return None
    try:
        done = subprocess.run([str(python), "-c", _ASK], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return None
    words = done.stdout.split(maxsplit=4)
    if done.returncode != 0 or len(words) != 5 or words[0] != "cpython":
        return None
    return (int(words[1]), int(words[2]), int(words[3])), words[4].strip()


def found() -> dict[tuple[int, int], str]:
    """The newest patch of each supported minor version."""
    best: dict[tuple[int, int], tuple[tuple[int, int, int], str]] = {}
    for candidate in candidates():
        known = version_of(candidate)
        if known and known[0] >= (*OLDEST, 0) and known > best.get(known[0][:2], ((0, 0, 0), "")):
            best[known[0][:2]] = known
    return {minor: path for minor, (_, path) in sorted(best.items())}


def main(arguments: list[str]) -> int:
    """The command line."""
    pythons = found()
    if arguments[:1] == ["--except"]:
        known = version_of(Path(arguments[1]))
        pythons.pop(known[0][:2] if known else (0, 0), None)
    print("\n".join(pythons.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
