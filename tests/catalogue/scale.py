"""How much is much: the tests of scale run small in every check, and as large as the catalogue says in ``make soak``."""

import os

#: Set by ``make soak``.
SOAK = os.environ.get("SOAK", "") not in ("", "0")


def scaled(short, long):
    """*short*, or *long* in ``make soak``."""
    return long if SOAK else short
