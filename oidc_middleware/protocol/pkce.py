"""Proof Key for Code Exchange: RFC 7636. Only S256 is ever sent (RFC 9700 2.1.1, catalogue PK-01, PK-02)."""

from __future__ import annotations

from typing import Final

from authlib.oauth2.rfc7636 import create_s256_code_challenge

CHALLENGE_METHOD: Final = "S256"
_UNRESERVED: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"  # RFC 3986 2.3


def code_challenge(verifier: str) -> str:
    """The S256 challenge (43 characters) of a code verifier. ``ValueError`` unless that has 43 to 128 unreserved characters (RFC 7636 4.1, 4.2)."""
    # A table of bytes, as every redirect makes a challenge and a regular expression takes fifty instructions a character.
    if not 43 <= len(verifier) <= 128 or verifier.encode("ascii", "replace").translate(None, _UNRESERVED):
        raise ValueError("a code verifier has 43 to 128 unreserved characters")
    return str(create_s256_code_challenge(verifier))
