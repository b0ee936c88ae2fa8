"""What the log says: one line per event, with stable names, no secrets, and no way to forge or flood it.

Logger ``oidc_middleware``. Each record carries the attributes ``event``, ``code`` and ``correlation_id`` for structured handlers.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import traceback
from contextvars import Context, copy_context
from typing import Any, Final, NamedTuple

logger: Final = logging.getLogger("oidc_middleware")

#: No field is longer than this (catalogue LG-02).
MAX_FIELD: Final = 256
#: Warnings and worse that are written each second; what is beyond is counted and told with the next line (catalogue LG-03).
MAX_LINES_PER_SECOND: Final = 20
#: Seconds that a request waits for its line to be written. A log that takes longer hangs, and no further request waits for it.
PATIENCE = 0.1
#: Lines kept for a log that hangs; what is beyond is counted, too (catalogue F-PR-16).
MAX_WAITING: Final = 1_000
#: What a provider that is away causes for every session there is: a line a minute for each reason says as much (catalogue F-OP-02).
A_MINUTE_APART: Final = frozenset({"provider.not_refreshed", "tokens.not_refreshed"})


def escaped(text: str) -> str:
    """*text* on one line: whatever is not printable ASCII is escaped, so that no input can forge a line or drive a terminal."""
    safe = text[: MAX_FIELD + 1].encode("unicode_escape", "backslashreplace").decode("ascii")
    return safe if len(safe) <= MAX_FIELD else safe[: MAX_FIELD - 1] + "~"


class AuditLog:
    """Writes events. One for each middleware; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._second = 0
        self._written = 0
        self._suppressed = 0
        self._repeated: dict[tuple[str, str], tuple[float, int]] = {}  # when last written, and how often not since; both of closed lists

    def write(self, now: float, event: str, level: int, code: str = "", detail: str = "", correlation_id: str = "") -> None:
        """One line. *now* is in seconds since the epoch."""
        if not logger.isEnabledFor(level):
            return
        repeated = self._due(event, code, now) if event in A_MINUTE_APART else 0
        if repeated is None:
            return
        suppressed = self._admit(int(now)) if level >= logging.WARNING else 0
        if suppressed is None:
            return
        suppressed += repeated
        fields = (("reason", code), ("cid", correlation_id), ("detail", escaped(detail)), ("suppressed", str(suppressed) if suppressed else ""))
        text = " ".join([event, *(f"{name}={value}" for name, value in fields if value)])
        _tell(level, text, {"event": event, "code": code, "correlation_id": correlation_id}, suppressed)

    def fault(self, now: float, error: Exception) -> None:
        """An exception nobody foresaw. Its text is left out: libraries put tokens into theirs (catalogue LG-01). Type and place find the fault."""
        suppressed = self._admit(int(now)) if logger.isEnabledFor(logging.ERROR) else None
        if suppressed is not None:
            place = "".join(traceback.format_tb(error.__traceback__))
            _tell(
                logging.ERROR, f"internal error: {type(error).__name__}{f' suppressed={suppressed}' if suppressed else ''}\n{place}", {}, suppressed
            )

    def _due(self, event: str, code: str, now: float) -> int | None:
        """How often it was left out in the last minute or longer; ``None`` when it is left out now, too."""
        with self._lock:
            written, left_out = self._repeated.get((event, code), (float("-inf"), 0))
            due = abs(now - written) >= 60
            self._repeated[event, code] = (now, 0) if due else (written, left_out + 1)
            return left_out if due else None

    def _admit(self, second: int) -> int | None:
        """How many lines were left out before this one; ``None`` when this one is left out, too."""
        with self._lock:
            if second != self._second:
                self._second, self._written = second, 0
            if self._written >= MAX_LINES_PER_SECOND:
                self._suppressed += 1
                return None
            self._written += 1
            suppressed, self._suppressed = self._suppressed + _writer().lost(), 0
            return suppressed


class _Line(NamedTuple):
    record: logging.LogRecord
    context: Context  # whose request it is, for handlers and filters that ask for it
    written: threading.Event
    suppressed: int  # how many others it tells of


class _Writer:
    """Hands lines to ``logging`` in a thread of its own: a handler that hangs or fails is no reason to keep a user waiting (catalogue F-PR-16).

    As long as the log takes its lines, each is written before its request goes on, as without the thread.
    """

    def __init__(self) -> None:
        self._lines: queue.Queue[_Line] = queue.Queue(MAX_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._hangs = False
        self._lost = 0

    def lost(self) -> int:
        """How many lines were lost since the last time this was asked."""
        with self._lock:
            lost, self._lost = self._lost, 0
        return lost

    def write(self, record: logging.LogRecord, suppressed: int) -> None:
        """Never raises, and takes :data:`PATIENCE` seconds at most."""
        line = _Line(record, copy_context(), threading.Event(), suppressed)
        if threading.current_thread() is self._start():  # a handler that uses us
            self._handle(line)
            return
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._lose(line)
            return
        if not self._hangs and not line.written.wait(PATIENCE):
            self._hangs = True

    def _start(self) -> threading.Thread:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="oidc_middleware log", daemon=True)
                self._thread.start()
            return self._thread

    def _run(self) -> None:
        while True:
            line = self._lines.get()
            line.context.run(self._handle, line)
            line.written.set()
            self._hangs = False

    def _handle(self, line: _Line) -> None:
        try:
            logger.handle(line.record)
        except Exception:  # noqa: BLE001  # a handler of the application's that fails: there is nobody to tell but the next line
            self._lose(line)

    def _lose(self, line: _Line) -> None:
        with self._lock:
            self._lost += 1 + line.suppressed


_writers: Final[dict[int, _Writer]] = {}


def _writer() -> _Writer:
    """This process's: a thread does not come along through a fork (catalogue F-PR-06)."""
    pid = os.getpid()
    return _writers[pid] if pid in _writers else _writers.setdefault(pid, _Writer())


def _tell(level: int, text: str, extra: dict[str, Any], suppressed: int) -> None:
    _writer().write(logger.makeRecord(logger.name, level, "", 0, "%s", (text,), None, "", extra), suppressed)
