"""What the log says: one line per event, with stable names, no secrets, and no way to forge or flood it.

Logger ``oidc_middleware``. Each record carries the attributes ``event``, ``code`` and ``correlation_id`` for structured handlers.
"""

from __future__ import annotations

import logging
import threading
import traceback
from typing import Final

logger: Final = logging.getLogger("oidc_middleware")

#: No field is longer than this (catalogue LG-02).
MAX_FIELD: Final = 256
#: Warnings and worse that are written each second; what is beyond is counted and told with the next line (catalogue LG-03).
MAX_LINES_PER_SECOND: Final = 20


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

    def write(self, now: float, event: str, level: int, code: str = "", detail: str = "", correlation_id: str = "") -> None:
        """One line. *now* is in seconds since the epoch."""
        if not logger.isEnabledFor(level):
            return
        suppressed = self._admit(int(now)) if level >= logging.WARNING else 0
        if suppressed is None:
            return
        fields = (("reason", code), ("cid", correlation_id), ("detail", escaped(detail)), ("suppressed", str(suppressed) if suppressed else ""))
        text = " ".join([event, *(f"{name}={value}" for name, value in fields if value)])
        logger.log(level, "%s", text, extra={"event": event, "code": code, "correlation_id": correlation_id})

    def fault(self, now: float, error: Exception) -> None:
        """An exception nobody foresaw. Its text is left out: libraries put tokens into theirs (catalogue LG-01). Type and place find the fault."""
        suppressed = self._admit(int(now))
        if suppressed is not None:
            place = "".join(traceback.format_tb(error.__traceback__))
            logger.error("internal error: %s%s\n%s", type(error).__name__, f" suppressed={suppressed}" if suppressed else "", place)

    def _admit(self, second: int) -> int | None:
        """How many lines were left out before this one; ``None`` when this one is left out, too."""
        with self._lock:
            if second != self._second:
                self._second, self._written = second, 0
            if self._written >= MAX_LINES_PER_SECOND:
                self._suppressed += 1
                return None
            self._written += 1
            suppressed, self._suppressed = self._suppressed, 0
            return suppressed
