"""The provider's public keys: RFC 7517, judged key by key.

joserfc refuses a whole set for one bad key, imports symmetric and private keys from a public set, and takes RSA keys of 1024 bits (catalogue
Appendix A 10). So each key is reduced to its public members, judged here, and imported alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from oidc_middleware.errors import ProviderError
from oidc_middleware.protocol.base64url import decode
from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.protocol.metadata import ProviderMetadata
from oidc_middleware.protocol.responses import JSON_REQUEST_HEADERS, check_status, json_body
from oidc_middleware.protocol.text import shown

#: Key type and curve for each asymmetric algorithm we verify (RFC 7518 3.1, RFC 8037 3.1, RFC 9864). ``EdDSA`` is Ed25519 here.
ALGORITHMS: Final[dict[str, tuple[str, str | None]]] = {
    **{f"{family}{size}": ("RSA", None) for family in ("RS", "PS") for size in (256, 384, 512)},
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
_ED25519_NAMES: Final = frozenset({"EdDSA", "Ed25519"})

#: 512 kB and 100 keys: ten times what any provider publishes; 5,000 keys cost 0.5 s to import (catalogue JW-03).
MAX_JWKS_BYTES: Final = 512_000
MAX_KEYS: Final = 100
#: So many keys are tried for one token at most (catalogue ID-07, ID-08).
MAX_CANDIDATES: Final = 4
#: RFC 7518 3.3 asks for 2048 bits; above 16,384 OpenSSL refuses to work.
_RSA_BITS: Final = range(2048, 16_385)
# A large exponent makes a verification as slow as a signature; Go's crypto/rsa has the same bound.
_MAX_RSA_EXPONENT: Final = 2**31 - 1
_MAX_MEMBER_LENGTH: Final = 2800  # base64url of 16,384 bits has 2,731 characters
_MAX_KID_LENGTH: Final = 1024

_PUBLIC_MEMBERS: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_KEY_CLASSES: Final[dict[str, type[RSAKey | ECKey | OKPKey]]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_USABLE: Final = frozenset(ALGORITHMS.values())


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key that can verify signatures. ``kid`` and ``alg`` are as the provider published them, if it did."""

    kty: str
    crv: str | None
    kid: str | None
    alg: str | None
    key: RSAKey | ECKey | OKPKey | OctKey = field(repr=False)

    def fits(self, alg: str) -> bool:
        """Whether this key may verify a signature made with *alg* (RFC 8725 3.1, catalogue ID-05)."""
        if ALGORITHMS.get(alg) != (self.kty, self.crv):
            return False
        return self.alg in (None, alg) or {self.alg, alg} == _ED25519_NAMES


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one issuer, in the published order; ``skipped`` says why others were left out, without key material."""

    keys: tuple[VerificationKey, ...]
    skipped: tuple[str, ...] = ()

    def candidates(self, alg: str, kid: str | None) -> tuple[VerificationKey, ...]:
        """The keys to try for a signature, four at most: those with this *kid* when there is one, and fitting *alg* in any case."""
        fitting = [key for key in self.keys if key.fits(alg) and (kid is None or key.kid == kid)]
        return tuple(fitting[:MAX_CANDIDATES])


def jwks_request(metadata: ProviderMetadata) -> HttpRequest:
    """The request for the provider's key set (OIDC Discovery 3, ``jwks_uri``)."""
    return HttpRequest("jwks", "GET", metadata.jwks_uri, JSON_REQUEST_HEADERS, max_bytes=MAX_JWKS_BYTES)


def process_jwks(response: HttpResponse) -> KeySet:
    """Judge the answer to :func:`jwks_request`.

    A key that cannot be used is skipped, the others work (catalogue JW-01, JW-04). Raises ``ProviderError`` (``jwks_invalid`` also when no usable
    key is left, ``response_redirected``) or ``Unavailable``; the caller keeps the keys it has (catalogue JW-02).
    """
    check_status(response, "jwks")
    if len(response.body) > MAX_JWKS_BYTES:
        raise ProviderError("jwks_invalid", f"the key set has {len(response.body)} bytes")
    entries = json_body(response, "jwks_invalid", "jwks").get("keys")
    if not isinstance(entries, list):
        raise ProviderError("jwks_invalid", "the key set has no array of keys")
    keys: list[VerificationKey] = []
    skipped: list[str] = []
    for position, entry in enumerate(entries[:MAX_KEYS]):
        try:
            keys.append(_import(entry))
        except ValueError as error:
            skipped.append(f"key {position}: {error}")
    if len(entries) > MAX_KEYS:
        skipped.append(f"{len(entries) - MAX_KEYS} keys beyond the first {MAX_KEYS}")
    if not keys:
        raise ProviderError("jwks_invalid", f"the key set has no usable key: {'; '.join(skipped[:5]) or 'it is empty'}")
    return KeySet(tuple(keys), tuple(skipped))


def _import(entry: object) -> VerificationKey:
    """One key of a set. ``ValueError`` says why it cannot be used."""
    if not isinstance(entry, dict):
        raise ValueError("not an object")
    kty = entry.get("kty")
    if not isinstance(kty, str) or kty not in _PUBLIC_MEMBERS:
        raise ValueError(f"key type {shown(kty)}")
    if "d" in entry:
        raise ValueError("a private key")
    _check_purpose(entry)
    public = {name: _text(entry, name) for name in _PUBLIC_MEMBERS[kty]}
    crv = public.get("crv")
    if (kty, crv) not in _USABLE:
        raise ValueError(f"curve {shown(crv)}")
    if kty == "RSA":
        _check_rsa(public)
    try:
        key = _KEY_CLASSES[kty].import_key({"kty": kty, **public})
    except (JoseError, ValueError, KeyError, TypeError) as error:  # what joserfc and cryptography raise for bad numbers and points
        raise ValueError(f"not a valid {kty} key ({type(error).__name__})") from None
    return VerificationKey(kty, crv, _optional(entry, "kid"), _optional(entry, "alg"), key)


def _check_purpose(entry: dict[str, Any]) -> None:
    """RFC 7517 4.2, 4.3: not for encryption."""
    if entry.get("use", "sig") != "sig":
        raise ValueError("not for signatures (use)")
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("not for signatures (key_ops)")


def _check_rsa(public: dict[str, str]) -> None:
    modulus = int.from_bytes(decode(public["n"]))
    if modulus.bit_length() not in _RSA_BITS:
        raise ValueError(f"an RSA key of {modulus.bit_length()} bits")
    if modulus % 2 == 0:  # the product of two primes is odd; OpenSSL finds out at the first verification only
        raise ValueError("an RSA modulus that is even")
    if int.from_bytes(decode(public["e"])) > _MAX_RSA_EXPONENT:
        raise ValueError("an RSA exponent that is too large")


def _text(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_MEMBER_LENGTH:
        raise ValueError(f"member {name} is missing or not usable")
    return value


def _optional(entry: dict[str, Any], name: str) -> str | None:
    value = entry.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > _MAX_KID_LENGTH):
        raise ValueError(f"member {name} is not usable")
    return value
