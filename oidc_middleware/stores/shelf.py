"""A bounded dictionary whose entries expire, made so that no operation ever has to stop and clean up (catalogue F-PR-13).

``cachetools`` has one whose entries expire as well, but it throws out everything that is due at once, inside one call.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

#: What is kept: a tuple whose first item is its time of expiry.
Entry = TypeVar("Entry", bound=tuple[Any, ...])

#: Seconds of expiry times that are looked after together.
_SLOT: Final = 60
#: Entries thrown out by one call at most.
_SWEEP: Final = 16


class Shelf(Generic[Entry]):
    """At most *limit* entries, each with its time of expiry, in the order of their last use. Not safe for threads by itself, except that
    others may be moved to the end meanwhile.

    *dropped* is told what was thrown out because it expired or because there was no room.
    """

    def __init__(self, limit: int, dropped: Callable[[str, Entry], None] | None = None) -> None:
        self._limit = limit
        self._dropped = dropped
        #: What is kept, for whoever cannot afford a call or a lock: the one used last is at the end.
        self.entries: OrderedDict[str, Entry] = OrderedDict()
        self._slots: dict[int, set[str]] = {}
        self._order: list[int] = []
        #: Entries thrown out although they had not expired.
        self.evicted = 0

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def is_full(self) -> bool:
        """Whether the next new entry would throw one out."""
        return len(self.entries) >= self._limit

    def get(self, key: str, now: float) -> Entry | None:
        """What is kept under *key*, which is thereby the one used last."""
        entry = self.entries.get(key)
        if entry is None:
            return None
        if entry[0] <= now:
            self._drop(key)
            return None
        self.entries.move_to_end(key)
        return entry

    def look(self, key: str, now: float) -> Entry | None:
        """What is kept under *key*, which does not count as a use."""
        entry = self.entries.get(key)
        return entry if entry is not None and entry[0] > now else None

    def put(self, key: str, entry: Entry, now: float) -> None:
        """Set *key*. The entry that was idle the longest makes room for it."""
        self.sweep(now)
        if not self._leave(key) and self.is_full:
            self._evict()
        self.entries[key] = entry
        slot = int(entry[0] // _SLOT)
        if slot not in self._slots:
            self._slots[slot] = set()
            heapq.heappush(self._order, slot)
        self._slots[slot].add(key)

    def expiry(self, key: str) -> float:
        """When *key* expires; 0 if there is no such entry."""
        entry = self.entries.get(key)
        return entry[0] if entry else 0.0

    def pop(self, key: str, now: float) -> Entry | None:
        """Take *key* out; what was kept there, unless it had expired."""
        entry = self.get(key, now)
        self._leave(key)
        return entry

    def sweep(self, now: float) -> None:
        """Throw out a few of those that expired."""
        due = int(now // _SLOT)
        for _ in range(_SWEEP):
            if not self._order or self._order[0] >= due:
                return
            keys = self._slots[self._order[0]]
            if keys:
                self._drop(keys.pop())
            else:
                del self._slots[heapq.heappop(self._order)]

    def _drop(self, key: str) -> None:
        entry = self._leave(key)
        if entry and self._dropped:
            self._dropped(key, entry)

    def _leave(self, key: str) -> Entry | None:
        entry = self.entries.pop(key, None)
        if entry is not None:
            self._slots[int(entry[0] // _SLOT)].discard(key)
        return entry

    def _evict(self) -> None:
        """Throw out the entry that was idle the longest."""
        key, entry = self.entries.popitem(last=False)  # in one step: who only looks moves others meanwhile
        self._slots[int(entry[0] // _SLOT)].discard(key)
        self.evicted += 1
        if self._dropped:
            self._dropped(key, entry)
