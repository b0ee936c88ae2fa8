"""The keys of a scripted provider: the key set that the conformance suite's provider shows by default, odd ones included.

Two RSA, two P-256, one secp256k1 and one Ed25519 signing key with ``kid`` and ``use`` but without ``alg``, then an RSA-OAEP and an ECDH-ES key for
encryption. A relying party must not choke on the unusual ones and must leave the encryption keys alone.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import itertools
import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

Key: TypeAlias = RSAKey | ECKey | OKPKey | OctKey

#: (key type, JWS algorithm) of the signing keys, in the order in which the suite publishes them.
_SIGNING: Final = (("RSA", "RS256"), ("RSA", "RS256"), ("P-256", "ES256"), ("P-256", "ES256"), ("secp256k1", "ES256K"), ("Ed25519", "EdDSA"))

_generation = itertools.count(1)


@functools.cache
def rsa_key(index: int, bits: int = 2048) -> RSAKey:  # noqa: ARG001  # the index tells the cached keys apart
    """The *index*-th RSA key of this process: making one is slow, so that all providers share them."""
    return RSAKey.generate_key(bits)


def make_key(kind: str, index: int = 0) -> Key:
    """A key of *kind* (``RSA`` or the name of a curve). RSA keys are shared by index, the others are new each time."""
    if kind == "RSA":
        return rsa_key(index)
    if kind == "Ed25519":
        return OKPKey.generate_key("Ed25519")
    return ECKey.generate_key(kind)


def public_jwk(key: Key, **members: str | None) -> dict[str, Any]:
    """The public half of *key* as a JWK with *members* set; ``None`` leaves a member out."""
    jwk = {**key.as_dict(private=False), **members}
    return {name: value for name, value in jwk.items() if value is not None}


def b64url(data: bytes) -> str:
    """base64url without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign_compact(header: Mapping[str, Any], payload: bytes, key: Key | bytes | None, alg: str) -> str:
    """A compact JWS over exactly *header* and *payload*, however wrong they are. ``alg="none"`` leaves the signature empty.

    *key* as bytes makes an HMAC-SHA-256 with just these bytes, a public key in PEM if need be: libraries rightly refuse that.
    """
    head = b64url(json.dumps(header, separators=(",", ":")).encode())
    signing_input = f"{head}.{b64url(payload)}"
    if alg == "none" or key is None:
        return f"{signing_input}."
    if isinstance(key, bytes):
        return f"{signing_input}.{b64url(hmac.digest(key, signing_input.encode(), 'sha256'))}"
    signature = JWSRegistry.algorithms[alg].sign(signing_input.encode(), key)
    return f"{signing_input}.{b64url(signature)}"


def half_hash(value: str) -> str:
    """``at_hash`` and ``c_hash`` for an ID token signed with a SHA-256 algorithm (OIDC Core 3.1.3.6)."""
    return b64url(hashlib.sha256(value.encode("ascii")).digest()[:16])


class ProviderKeys:
    """One generation of a provider's keys. ``per_kind`` > 0 asks for that many signing keys of each kind instead of the default mixture."""

    def __init__(self, *, first_rsa: int = 0, per_kind: int = 0) -> None:
        kinds: tuple[tuple[str, str], ...] = _SIGNING
        if per_kind:
            kinds = tuple(kind for kind in dict.fromkeys(_SIGNING) for _ in range(per_kind))
        generation, rsa = next(_generation), itertools.count(first_rsa)
        self.signing: list[tuple[str, str, Key]] = []
        for number, (kind, alg) in enumerate(kinds):
            key = make_key(kind, next(rsa) if kind == "RSA" else 0)
            self.signing.append((f"{kind}-{generation}-{number}", alg, key))
        self.rsa_used = next(rsa)
        self._encryption = (("RSA-OAEP", f"enc-rsa-{generation}", rsa_key(-1)), ("ECDH-ES", f"enc-ec-{generation}", make_key("P-256")))

    def signer(self, alg: str) -> tuple[str | None, Key | None]:
        """``(kid, private key)`` of the last key for *alg*: the last, so that a relying party which takes the first one is found out."""
        family = {"PS256": "RS256", "RS384": "RS256", "RS512": "RS256", "Ed25519": "EdDSA"}.get(alg, alg)
        found = [(kid, key) for kid, key_alg, key in self.signing if key_alg == family]
        return found[-1] if found else (None, None)

    def document(self, *, with_kid: bool = True) -> dict[str, Any]:
        """The JWK Set as published: public halves only."""
        keys = [public_jwk(key, use="sig", kid=kid if with_kid else None) for kid, _, key in self.signing]
        keys += [public_jwk(key, use="enc", alg=alg, kid=kid) for alg, kid, key in self._encryption]
        return {"keys": keys}
