"""A clock that a test sets from outside."""

import os
import time
from pathlib import Path

from oidc_middleware.clock import SystemClock


class ShiftedClock(SystemClock):
    def now(self):
        file = os.environ.get("SHIFT_FILE")
        return time.time() + (float(Path(file).read_text()) if file else 0.0)
