"""Readers of secrets: strong enough, not copied from a manual, and never part of a message."""

from __future__ import annotations

import base64
import re
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from oidc_middleware.config.values import from_json, text

#: As many bytes as the strength of AES-256 and HMAC-SHA256 asks for (catalogue CK-17).
MIN_KEY_BYTES: Final = 32
#: A ``client_secret`` of this many characters is long enough to derive keys from.
MIN_SECRET_CHARACTERS: Final = 32
_PLACEHOLDER_WORD: Final = re.compile(
    r"admin|changeit|changeme|clientsecret|default|dev|example|foobar|insecure|keyboardcat|mysecret|none|null|password|replaceme|secret|secretkey"
    r"|sesame|supersecret|test|todo|topsecret|xxx"
)
_PLACEHOLDER_START: Final = re.compile(
    r"<|\$\{|\{\{|your[-_ ]|my[-_ ]?secret|(?:change|replace)[-_ ]?(?:me|this|it|with)|(?:insert|enter|example)[-_ ]|placeholder|super[-_ ]?secret"
)


def client_secret(value: object) -> str:
    """The secret as the provider gave it, any characters (catalogue FD-04), but not empty and not a manual's example."""
    secret = text(value)
    if is_placeholder(secret):
        raise ValueError("is a placeholder, not a secret")
    return secret


def secret_keys(value: object) -> tuple[str, ...]:
    """One key or several; as text one key, or one on each line, or a JSON array. A string is one key, never a list of characters (CK-16)."""
    if isinstance(value, str):
        value = from_json(value) if value.lstrip().startswith("[") else value.strip().splitlines()
    if not isinstance(value, (list, tuple)):
        raise ValueError("must be a string or a list of strings")
    if not value:
        raise ValueError("is empty")
    return tuple(_key(item, f"key {position} " if len(value) > 1 else "") for position, item in enumerate(value, start=1))


def derived_key(secret: str) -> str:
    """A key for sealing made from the client secret (RFC 5869, SHA-256), the same in every worker (catalogue F-PR-04)."""
    derived = HKDF(SHA256(), 32, salt=None, info=b"oidc_middleware secret_key from client_secret").derive(secret.encode())
    return base64.urlsafe_b64encode(derived).decode()


def is_placeholder(secret: str) -> bool:
    """Whether *secret* looks like something out of a manual or a template (catalogue CF-01, CK-17)."""
    lowered = secret.lower()
    letters = re.sub(r"[^a-z]", "", lowered)
    return (
        _is_filler(lowered)
        or bool(_PLACEHOLDER_WORD.fullmatch(letters) and len(lowered) < len(letters) + 6)
        or bool(_PLACEHOLDER_START.match(lowered))
    )


def _is_filler(secret: str) -> bool:
    """``xxx``, ``***`` and their kin. As a key of full length it is somebody's fixed value for tests; how random a key is cannot be measured."""
    return not re.search(r"[^\W_]", secret) or set(secret.lower()) <= {"x", "-", "_", " ", "*", "."}


def _key(value: object, which: str) -> str:
    try:
        key = text(value)
    except ValueError as error:
        raise ValueError(f"{which}{error}") from None
    if is_placeholder(key) and not _is_filler(key):
        raise ValueError(f"{which}is a placeholder, not a secret")
    if len(key.encode()) < MIN_KEY_BYTES:
        raise ValueError(f"{which}is shorter than {MIN_KEY_BYTES} bytes; python -c 'import secrets; print(secrets.token_urlsafe(32))' makes one")
    return key
