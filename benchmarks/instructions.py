"""Instructions per request, counted by valgrind: the same on a busy machine and on an idle one, so small changes show.

All subjects run in one process under callgrind, one after the other, each warmed before it counts. ``getppid()``, which nobody calls, is the mark
at which callgrind writes down what it counted since the mark before.

    python benchmarks/instructions.py                      what each subject costs, in thousands
"""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from figures import Figure

#: Requests of each subject that count, and as many before them to get warm.
CALLS: Final = 300
SUBJECTS: Final = ("bare", "hit", "stored", "miss", "public", "redirect", "session", "wsgi bare", "wsgi hit", "wsgi stored", "wsgi miss")


def _count_under_valgrind() -> None:
    """What runs under valgrind."""
    import in_process  # noqa: PLC0415  # the parent, which may be a test, needs none of it
    import subjects  # noqa: PLC0415  # likewise
    from starlette.middleware.sessions import SessionMiddleware  # noqa: PLC0415  # likewise

    ours, ours_wsgi = subjects.ours_asgi(subjects.tiny_asgi), subjects.ours_wsgi(subjects.tiny_wsgi)
    stored, stored_wsgi = subjects.ours_asgi(subjects.tiny_asgi, store="memory://"), subjects.ours_wsgi(subjects.tiny_wsgi, store="memory://")
    theirs = SessionMiddleware(subjects.tiny_asgi_session, secret_key=subjects.SECRET)
    many, many_wsgi = subjects.our_cookies(ours, 2 * CALLS), subjects.our_cookies(ours_wsgi, 2 * CALLS)
    timers = (
        in_process.asgi_timer(subjects.tiny_asgi, many[:1]),
        in_process.asgi_timer(ours, many[:1]),
        in_process.asgi_timer(stored, subjects.our_cookies(stored)),
        in_process.asgi_timer(ours, many[1:]),
        in_process.asgi_timer(ours, [], "/public"),
        in_process.asgi_timer(ours, [], expected=302),
        in_process.asgi_timer(theirs, [subjects.starlette_cookie()]),
        in_process.wsgi_timer(subjects.tiny_wsgi, many_wsgi[:1]),
        in_process.wsgi_timer(ours_wsgi, many_wsgi[:1]),
        in_process.wsgi_timer(stored_wsgi, subjects.our_cookies(stored_wsgi)),
        in_process.wsgi_timer(ours_wsgi, many_wsgi[1:]),
    )
    gc.collect()
    gc.disable()  # a collection costs as much as a thousand requests, and falls to one subject or another
    for timer in timers:
        timer(CALLS)
        os.getppid()
        timer(CALLS)
        os.getppid()


def count() -> dict[str, float]:
    """Thousands of instructions for a request of each subject. Raises ``RuntimeError`` with what valgrind said if it counted something else."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        # The environment is fixed, for its size moves the stack and its hash seed the dictionaries.
        environ = {"PATH": os.defpath, "PYTHONHASHSEED": "0", "PYTHONPATH": str(Path(__file__).parent.parent)}
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--dump-before=getppid", sys.executable, __file__, "--counted"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=900, check=False)
        dumps = [Path(f"{out}.{number}") for number in range(2, 2 * len(SUBJECTS) + 1, 2)]  # every second one is between marks of one subject
        if done.returncode or not all(dump.exists() for dump in dumps):
            raise RuntimeError(done.stderr)
        totals = [re.search(r"^(?:summary|totals): (\d+)", dump.read_text(), re.MULTILINE) for dump in dumps]
    return {subject: int(total[1]) / CALLS / 1000 for subject, total in zip(SUBJECTS, totals, strict=True) if total is not None}


def measure() -> list[Figure]:
    """What is added to the bare application, in thousands of instructions; nothing where valgrind is not installed."""
    if not shutil.which("valgrind"):
        print("\nInstructions are not counted: valgrind is not installed")
        return []
    cost = count()
    added = {subject: (cost[subject] - cost["wsgi bare" if "wsgi" in subject else "bare"],) for subject in cost}
    return [
        Figure("bare application, whole request", "k", (cost["bare"],)),
        Figure("+ oidc_middleware, cookie seen before", "k", added["hit"], at_most=20),
        Figure("+ oidc_middleware, session in memory", "k", added["stored"]),
        Figure("+ oidc_middleware, cookie new to the process", "k", added["miss"], at_most=55),
        Figure("+ oidc_middleware, public path, no session", "k", added["public"]),
        Figure("oidc_middleware, redirect to the provider", "k", (cost["redirect"],)),
        Figure("+ Starlette SessionMiddleware and a check", "k", added["session"]),
        Figure("WSGI: + oidc_middleware, cookie seen before", "k", added["wsgi hit"]),
        Figure("WSGI: + oidc_middleware, session in memory", "k", added["wsgi stored"]),
        Figure("WSGI: + oidc_middleware, cookie new to the process", "k", added["wsgi miss"]),
    ]


if __name__ == "__main__":
    if "--counted" in sys.argv:
        _count_under_valgrind()
    else:
        for line in measure():
            print(line.line())
