"""What a test needs besides Python: say it with these, so that a missing thing is told loudly, and is a failure under ``STRICT=1``.

Only what nobody can install, such as IPv6, may be missing then: a skip with a reason that begins with "this machine has no".
"""

from __future__ import annotations

import importlib
import shutil
from types import ModuleType

import pytest


def require(*programs: str) -> str:
    """The path of the first of *programs* that is installed; without any, the test is skipped, or fails under ``STRICT=1``."""
    for program in programs:
        path = shutil.which(program)
        if path:
            return path
    pytest.skip(f"{' or '.join(programs)} is not installed")


def require_module(name: str) -> ModuleType:
    """The Python module *name*; the same when it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"the Python module {error.name or name} is not installed")
