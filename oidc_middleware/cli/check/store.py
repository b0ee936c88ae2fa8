"""The store, asked what the middleware will ask of it."""

from __future__ import annotations

import os
from pathlib import Path

from oidc_middleware.cli.check.faults import problem_of
from oidc_middleware.cli.check.findings import Report
from oidc_middleware.config import Settings
from oidc_middleware.errors import Unavailable
from oidc_middleware.stores import file_of, is_shared, open_sync


def check_store(settings: Settings, report: Report) -> None:
    """Open it, read, write, and look at what it says of itself. Nothing of anybody's is touched."""
    target = settings.store if settings.store is not None else settings.revocation
    if target is None or not is_shared(target):  # nothing to reach
        return
    about = "store" if settings.store is not None else "revocation"
    path = file_of(target)
    if path is not None and not Path(path).exists():
        _check_place(Path(path), about, report)  # and leave the file to the app, whose user it has to belong to
        return
    store = open_sync(target)
    try:
        found = store.check()
    except Unavailable as error:
        problem_of(report, about, error)
        return
    finally:
        store.close()
    for problem in found:
        report.problem(about, problem, "The app starts all the same; what depends on this fails, or is lost, when it is needed.")
    if not found:
        report.ok(about, "answers, and takes what is written")


def _check_place(path: Path, about: str, report: Report) -> None:
    folder = path.parent.resolve()
    if not folder.is_dir():
        report.problem(about, f"the folder {folder} does not exist", "Make it, writable for the user that the app runs as.")
    elif not os.access(folder, os.W_OK):
        report.problem(about, f"the folder {folder} is not writable here", "Make it writable for the user that the app runs as.")
    else:
        report.note(about, f"the file {path} does not exist yet; it is made at the first use", "Check again as the app's user, in its folder.")
