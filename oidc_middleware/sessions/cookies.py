"""Cookies: our names, reading the raw ``Cookie`` header, writing ``Set-Cookie``.

We parse the header ourselves. Ready-made parsers strip characters that browsers keep in names, so ``\\xa0__Host-x`` would become ``__Host-x``
(catalogue CK-09, Appendix A 3); they decode quotes and octal escapes (CK-10), and keep either the first or the last of two twins (CK-08).
Here a name is exactly its bytes, a value is what stands between ``=`` and ``;``, and twins are all returned.
"""

from __future__ import annotations

import hashlib
import re
from binascii import b2a_base64
from typing import Final

_SPACE: Final = " \t"  # RFC 6265 5.2: WSP, and nothing else
_LABEL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME: Final = b"!#$%&'*+.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-"  # RFC 9110 5.6.2: token
_VALUE: Final = bytes({*range(0x21, 0x7F)} - {*b'",;\\'})  # RFC 6265 4.1.1: cookie-octet
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")  # RFC 4648 4 to 5
_SAME_SITE: Final = ("Lax", "None", "Strict")


def short_hash(text: str, length: int) -> str:
    """The first *length* characters of the base64url SHA-256 of *text*; lone surrogates are allowed, for hostile input is hashed as well."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return b2a_base64(digest, newline=False).translate(_URL_SAFE)[:length].decode("ascii")


def cookie_label(client_id: str, mount: str) -> str:
    """A label of its own for every application on a host: two of them never read or overwrite each other's cookies (catalogue CK-20)."""
    return "oidc_" + short_hash(f"{len(client_id)}:{client_id}{mount}", 8)


class CookieNames:
    """The names of our cookies. *label* as from :func:`cookie_label`.

    *secure*: the application is reached over https. Browsers then accept the names only from this very host, over https, for the whole path
    (``__Host-``, RFC 6265bis 4.1.3.2), so a sibling domain cannot plant a cookie (catalogue CK-08).
    """

    __slots__ = ("current", "ended_prefix", "login_prefix", "rounds", "secure", "session")

    def __init__(self, label: str, secure: bool) -> None:
        if not _LABEL.fullmatch(label):
            raise ValueError(f"not usable in a cookie name: {label!r}")
        stem = f"__Host-{label}" if secure else label
        self.secure: Final = secure
        self.session: Final = f"{stem}_s"
        self.login_prefix: Final = f"{stem}_l_"
        self.rounds: Final = f"{stem}_r"
        self.ended_prefix: Final = f"{stem}_e_"
        self.current: Final = f"{stem}_c"


def find(header: str, name: str) -> list[str]:
    """All values of the cookie *name* in a raw ``Cookie`` header. Several headers are joined by ``"; "`` before (catalogue CK-12).

    Searches instead of splitting: this runs on every request, and our cookie is often one among many. The usual header takes the short way.
    """
    needle = name + "="
    before, found, rest = header.partition(needle)
    if not found:
        return []
    if not before or before.endswith("; "):
        value, _, rest = rest.partition(";")
        if needle not in rest:
            return [value.strip(_SPACE)]
    return _find_all(header, needle)


def _find_all(header: str, needle: str) -> list[str]:
    values: list[str] = []
    start = header.find(needle)
    while start >= 0:
        if not _begins_pair(header, start):
            start = header.find(needle, start + 1)
            continue
        end = header.find(";", start)
        if end < 0:
            end = len(header)
        values.append(header[start + len(needle) : end].strip(_SPACE))
        start = header.find(needle, end)
    return values


def _begins_pair(header: str, start: int) -> bool:
    while start and header[start - 1] in _SPACE:
        start -= 1
    return not start or header[start - 1] == ";"


def find_prefix(header: str, prefix: str) -> dict[str, list[str]]:
    """All cookies whose name starts with *prefix*: name to values, in the order of the header. Linear in the header's length."""
    found: dict[str, list[str]] = {}
    if prefix not in header:
        return found
    for pair in header.split(";"):
        name, equals, value = pair.strip(_SPACE).partition("=")
        if equals and name.startswith(prefix):
            found.setdefault(name, []).append(value.strip(_SPACE))
    return found


def cost(name: str, value_length: int) -> int:
    """What a cookie takes of the ``Cookie`` header: name, ``=``, value and the separator."""
    return len(name) + value_length + 3


def set_cookie(name: str, value: str, *, max_age: int | None, secure: bool, same_site: str = "Lax") -> str:
    """A ``Set-Cookie`` value: ``HttpOnly``, ``Path=/``, no ``Domain`` (catalogue CK-13). *max_age* in seconds; ``None``: until the browser closes.

    Raises ``ValueError`` for what does not fit into a cookie; nothing is ever escaped.
    """
    # What is left of them without what may be there: a table lookup for each byte, where a pattern takes ten times as long.
    if not 0 < len(name) <= 256 or name.encode().translate(None, _NAME) or value.encode().translate(None, _VALUE):
        raise ValueError("not usable as a cookie")
    lifetime = "" if max_age is None else f"; Max-Age={max_age}"
    return f"{name}={value}{lifetime}{_attributes(secure, same_site)}"


def delete_cookie(name: str, *, secure: bool, same_site: str = "Lax") -> str:
    """The ``Set-Cookie`` value that removes a cookie: the same attributes, or the browser would keep it (catalogue CK-13)."""
    return set_cookie(name, "", max_age=0, secure=secure, same_site=same_site)


def _attributes(secure: bool, same_site: str) -> str:
    if same_site not in _SAME_SITE:
        raise ValueError(f"no such SameSite: {same_site!r}")
    if secure:
        return f"; Path=/; HttpOnly; Secure; SameSite={same_site}"
    # Browsers refuse SameSite=None without Secure. Only loopback development over http comes here; their default lets a fresh cookie through.
    return "; Path=/; HttpOnly" if same_site == "None" else f"; Path=/; HttpOnly; SameSite={same_site}"
