"""What may be used only once in this process: the ``state`` of a completed login."""

from __future__ import annotations

import threading

from cachetools import TLRUCache


class UsedKeys:
    """A bounded set of keys, each with its own expiry. Safe to use from many threads.

    It sees one process only; across processes the sealed login cookie, deleted with the first use, and the provider's single-use code (RFC 6749
    4.1.2) stand behind it. When *capacity* is reached, the oldest keys go first: refusing new logins instead would let anyone lock everybody out.
    """

    def __init__(self, capacity: int = 100_000) -> None:
        self._now = 0.0
        self._lock = threading.Lock()
        self._keys: TLRUCache[str, float] = TLRUCache(maxsize=capacity, ttu=lambda _key, seconds, now: now + seconds, timer=lambda: self._now)

    def claim(self, key: str, seconds: float, now: float) -> bool:
        """``True`` for whoever asks first; ``False`` for everybody else until *seconds* have passed. *now* is in seconds since the epoch."""
        with self._lock:
            self._now = max(self._now, now)  # a clock that is set back does not shorten what was promised
            if key in self._keys:
                return False
            self._keys[key] = seconds
            return True

    def __len__(self) -> int:
        return len(self._keys)
