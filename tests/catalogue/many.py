"""Many sessions, for the tests of F-PR-13 and F-PR-14: ``make bench-scale`` (``SCALE=1``) makes as many as the catalogue says, other runs fewer."""

import os

from tests.stores.harness import NOW, new

LONG = os.environ.get("SCALE", "") not in ("", "0")
#: Few and many sessions, and logouts.
FEW, MANY = (1_000, 100_000) if LONG else (100, 3_000)
LOGOUTS = 10_000 if LONG else 1_200


def filled(store, number, *, ttl=600.0, start=0, now=NOW):
    for each in range(start, start + number):
        assert new(store, f"k{each}", b"sealed", ttl=ttl, indexes=(f"sid-{each}", f"sub-{each}"), now=now)
    return store


CALLS = {
    "get": lambda store, key: store.get(key, NOW),
    "still": lambda store, key: store.still(key, 1, NOW),
    "replace": lambda store, key: store.replace(key, b"two", 1, ttl=600, now=NOW),
    "delete": lambda store, key: store.delete(key, keep=60, now=NOW),
    "delete_index": lambda store, key: store.delete_index(f"sid-{key[1:]}", issued_until=NOW, keep=60, now=NOW),
    "holds": lambda store, key: store.holds(f"sid-{key[1:]}", NOW) or store.holds("sid-none", NOW),
    "create": lambda store, key: new(store, f"new-{key}", now=NOW),
}
