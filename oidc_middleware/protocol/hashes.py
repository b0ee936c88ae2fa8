"""``at_hash`` and ``c_hash``: OIDC Core 3.1.3.6, 3.3.2.11."""

from __future__ import annotations

from typing import Final

from authlib.oidc.core.util import create_half_hash

# The helper knows EdDSA, and answers `None` or a guess for names it does not know; only these are asked for (CVE-2026-28498, catalogue ID-28).
_HELPER_NAMES: Final = {name: name for prefix in ("RS", "PS", "ES", "HS") for name in (f"{prefix}256", f"{prefix}384", f"{prefix}512")} | {
    "EdDSA": "EdDSA",
    "Ed25519": "EdDSA",  # RFC 9864 names the same algorithm, which hashes with SHA-512
}


def id_token_hash(value: str, alg: str = "RS256") -> str:
    """The left half of the hash of *value* (an access token or code), base64url, for an ID token signed with *alg*.

    Raises ``ValueError`` for an algorithm whose hash is not known, so a comparison fails closed.
    """
    if alg not in _HELPER_NAMES:
        raise ValueError("the hash of this algorithm is not known")
    half: bytes = create_half_hash(value, _HELPER_NAMES[alg])
    return half.decode("ascii")
