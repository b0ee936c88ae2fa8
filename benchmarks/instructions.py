"""Instructions per request, counted by valgrind: the same on a busy machine and on an idle one, so small changes show.

Each subject runs twice, with few and with more requests; the difference is what the requests cost, without start-up and warming.

    python benchmarks/instructions.py SUBJECT CALLS        one run, under valgrind
"""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from figures import Figure

FEW: Final = 200
MORE: Final = 1_200


def _bare() -> Callable[[int], float]:
    import in_process  # noqa: PLC0415  # a run under valgrind loads what it needs, and the parent nothing
    import subjects  # noqa: PLC0415  # likewise

    return in_process.asgi_timer(subjects.tiny_asgi, [subjects.starlette_cookie()])


def _ours(cookies: int) -> Callable[[int], float]:
    import in_process  # noqa: PLC0415  # likewise
    import subjects  # noqa: PLC0415  # likewise

    app = subjects.ours_asgi(subjects.tiny_asgi)
    return in_process.asgi_timer(app, subjects.our_cookies(app, cookies))


def _session() -> Callable[[int], float]:
    import in_process  # noqa: PLC0415  # likewise
    import subjects  # noqa: PLC0415  # likewise
    from starlette.middleware.sessions import SessionMiddleware  # noqa: PLC0415  # likewise

    app = SessionMiddleware(subjects.tiny_asgi_session, secret_key=subjects.SECRET)
    return in_process.asgi_timer(app, [subjects.starlette_cookie()])


SUBJECTS: Final[dict[str, Callable[[], Callable[[int], float]]]] = {
    "bare": _bare,
    "hit": lambda: _ours(1),
    "miss": lambda: _ours(MORE),
    "session": _session,
}


def count(subject: str, calls: int) -> int:
    """Instructions of a whole run. The environment is fixed, for its size moves the stack and its hash seed the dictionaries."""
    environ = {"PATH": os.defpath, "PYTHONHASHSEED": "0", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, __file__, subject, str(calls)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=900, check=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None:
        raise RuntimeError(done.stderr)
    return int(found[1])


def measure() -> list[Figure]:
    """What is added to the bare application, in thousands of instructions; nothing where valgrind is not installed."""
    if not shutil.which("valgrind"):
        print("\nInstructions are not counted: valgrind is not installed")
        return []
    runs = [(subject, calls) for subject in SUBJECTS for calls in (FEW, MORE)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counted = dict(zip(runs, pool.map(lambda run: count(*run), runs), strict=True))
    cost = {subject: (counted[subject, MORE] - counted[subject, FEW]) / (MORE - FEW) / 1000 for subject in SUBJECTS}
    added = {subject: (cost[subject] - cost["bare"],) for subject in SUBJECTS}
    return [
        Figure("bare application, whole request", "k", (cost["bare"],)),
        Figure("+ oidc_middleware, cookie seen before", "k", added["hit"], at_most=20),
        Figure("+ oidc_middleware, cookie new to the process", "k", added["miss"], at_most=55),
        Figure("+ Starlette SessionMiddleware and a check", "k", added["session"]),
    ]


if __name__ == "__main__":
    gc.disable()  # a collection costs as much as a thousand requests, and falls into one run or the other
    SUBJECTS[sys.argv[1]]()(int(sys.argv[2]))
