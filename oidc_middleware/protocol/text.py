"""Foreign text, made fit for a log line."""

from __future__ import annotations

import re
from typing import Final

#: As many characters of foreign text as a log line carries (catalogue F-OP-10).
MAX_SHOWN: Final = 200

_WORD: Final = "[A-Za-z0-9_.~+/=-]"
_UUID: Final = rf"[0-9a-fA-F]{{8}}(?:-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}(?!{_WORD})"
_CUT_WORD: Final = re.compile(rf"{_WORD}+\Z")
_SECRET_LIKE: Final = re.compile(rf"(?<!{_WORD})(?!{_UUID}){_WORD}{{20,}}")


def shown(value: object) -> str:
    """*value* escaped to printable ASCII, at most 200 characters. For the ``detail`` of an error."""
    if not isinstance(value, (str, int, float, type(None))):
        return f"<{type(value).__name__}>"
    text = ascii(value[: MAX_SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "~"


def masked(value: object, *, cut: bool = False) -> str:
    """As :func:`shown`, with every long token-like word masked.

    A provider that repeats a code, token or secret in its error text must not get it into our log (catalogue DI-15). The UUIDs of correlation
    ids, which operators need, are kept. *cut*: whether *value* is the beginning of something longer.
    """
    if not isinstance(value, str):
        return shown(value)
    text = value[: 4 * MAX_SHOWN]
    if cut or len(text) < len(value):  # the beginning of a secret looks shorter than the secret
        text = _CUT_WORD.sub("", text)
    return shown(_SECRET_LIKE.sub("[masked]", text))
