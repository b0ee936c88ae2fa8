"""A child of run.py ends when run.py does, however that ended."""

from __future__ import annotations

import os
import signal
import sys
import threading


def end_with_parent() -> None:
    """Watch standard input, a pipe whose other end only the parent holds; when it closes, end this process as a signal would."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
