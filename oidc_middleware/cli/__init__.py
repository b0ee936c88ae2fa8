"""The command ``oidc-middleware``: what operators do from a shell. Needs the extra ``cli``; everything else works without it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

#: What the commands need besides the package itself.
_EXTRA: Final = frozenset({"rich", "typer"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that *argv* (``sys.argv`` without its first) names. Returns the exit code, see ``docs/command-line.md``."""
    try:
        from oidc_middleware.cli.commands import run  # noqa: PLC0415  # an extra: its absence is told here, in a sentence
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        sys.stderr.write(f"oidc-middleware: {missing} is not installed. The command line is an extra: pip install 'oidc-middleware[cli]'\n")
        return 2
    return run(sys.argv[1:] if argv is None else argv)


__all__ = ["main"]
