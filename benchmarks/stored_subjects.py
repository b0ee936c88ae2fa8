"""The application of :mod:`subjects` with its sessions in each of the places where they can be, for servers to import.

Each leaves the cookies of its signed-in browsers in ``BENCH_FOLDER``, since nobody else can make a session in another process's memory.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import subjects

#: Browsers in turn: those whose pages a busy worker serves at the moment. What is remembered for seconds is asked for each of them in each round.
BROWSERS: Final = 100

_FOLDER: Final = Path(os.environ["BENCH_FOLDER"])
_REDIS: Final = os.environ.get("BENCH_REDIS", "")

#: What ``store`` or ``revocation`` is in each case; ``{redis}`` ends with the database's number.
OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "cookie": {},
    "revocation_redis": {"revocation": "{redis}?prefix=revocation:"},
    "memory": {"store": "memory://"},
    "sqlite": {"store": "sqlite:///{folder}/{shell}.db"},
    "redis": {"store": "{redis}?prefix={shell}:"},
    "redis_local": {"store": "{redis}?prefix={shell}-local:&local_seconds=2"},
}


def _made(shell: str, case: str) -> Any:
    options = {
        name: value.format(redis=_REDIS, folder=_FOLDER, shell=shell) if isinstance(value, str) else value for name, value in OPTIONS[case].items()
    }
    app = subjects.ours_asgi(subjects.asgi_bare, **options) if shell == "asgi" else subjects.ours_wsgi(subjects.wsgi_bare, **options)
    done = _FOLDER / f"{shell}_{case}.txt"
    written = done.with_suffix(".part")
    written.write_text("\n".join(subjects.our_cookies(app, BROWSERS)))
    written.rename(done)
    return app


def __getattr__(name: str) -> Any:
    """``asgi_memory`` and so on: made when a server asks for it, and no other."""
    shell, _, case = name.partition("_")
    if shell not in {"asgi", "wsgi"} or case not in OPTIONS:
        raise AttributeError(name)
    app = globals()[name] = _made(shell, case)
    return app
