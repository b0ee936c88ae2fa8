"""Signed tokens: JWS compact serialization (RFC 7515) under the rules of RFC 8725.

The order keeps every rule reachable and the cheap ones first: size, structure, header policy, key, signature, and only then the payload, as
strict JSON (catalogue 1.5). joserfc does the arithmetic of the signature and nothing else; what it would accept beyond that is judged here
(catalogue Appendix A 10).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from joserfc.jwk import OctKey
from joserfc.jws import JWSRegistry

from oidc_middleware.errors import ConfigError, ProviderError
from oidc_middleware.protocol.base64url import decode
from oidc_middleware.protocol.keys import ALGORITHMS, KeySet, VerificationKey
from oidc_middleware.protocol.strict_json import loads_object
from oidc_middleware.protocol.text import shown

#: 128 kB, as joserfc has it; a token of that size does not fit into any session either (catalogue ID-25).
MAX_TOKEN_LENGTH: Final = 131_072
#: joserfc's 512 bytes would refuse providers that send a certificate chain (``x5c``) in the header; 8 kB is what servers allow for a header line.
MAX_HEADER_LENGTH: Final = 8192
#: A signature of the largest RSA key we accept (16,384 bits).
MAX_SIGNATURE_LENGTH: Final = 2731
_MAX_KID_LENGTH: Final = 1024

#: Symmetric algorithms and the bytes their secret must have at least (RFC 7518 3.2, OIDC Core 16.19).
SYMMETRIC: Final[Mapping[str, int]] = MappingProxyType({"HS256": 32, "HS384": 48, "HS512": 64})


@dataclass(frozen=True, slots=True)
class VerifiedJWS:
    """A token whose signature was verified. ``claims`` is its payload, a read-only mapping; what the claims say is still to be judged."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any] = field(repr=False)
    payload: bytes = field(repr=False)

    @property
    def alg(self) -> str:
        """The algorithm of the signature."""
        return str(self.header["alg"])


def algorithm_problems(algs: Collection[str], *, has_secret: bool) -> list[str]:
    """What is wrong with *algs* as the accepted signature algorithms: one half sentence for each problem (catalogue ID-01, ID-03)."""
    problems = [f"{shown(alg)} is not supported" for alg in algs if alg not in ALGORITHMS and alg not in SYMMETRIC]
    symmetric = [alg for alg in algs if alg in SYMMETRIC]
    if not algs:
        problems.append("is empty")
    if symmetric and len(symmetric) != len(algs):
        problems.append("mixes algorithms that use the client secret (HS…) with algorithms that use the provider's keys")
    if symmetric and not has_secret:
        problems.append(f"{symmetric[0]} needs a client secret")
    return problems


def verify_jws(
    token: str,
    *,
    algs: Collection[str],
    key_set: KeySet,
    client_secret: str | None = None,
    accepted_types: Collection[str] = ("JWT",),
    allow_untyped: bool = True,
) -> VerifiedJWS:
    """Verify the signature of *token* and parse its claims.

    *algs* are the accepted algorithms, as configured and never as the token or the provider's metadata say (RFC 8725 3.1, catalogue ID-03, ID-04).
    *accepted_types* are the accepted values of ``typ`` in any case; an absent ``typ`` is accepted if *allow_untyped*. *client_secret* serves HS256,
    HS384 and HS512.

    Raises ``ProviderError``: ``id_token_malformed``, ``id_token_header``, ``id_token_algorithm``, ``id_token_signature``, or
    ``id_token_key_unknown``, after which the caller may fetch the keys anew, once (catalogue ID-09). ``ConfigError`` when *algs* cannot be used.
    """
    problems = algorithm_problems(algs, has_secret=bool(client_secret))
    if problems:
        raise ConfigError([f"id_token_algs: {problem}" for problem in problems])
    header, payload, signature = _parts(token)
    alg = _check_header(header, algs)
    _check_type(header, accepted_types, allow_untyped=allow_untyped)
    keys = _secret_key(alg, client_secret) if alg in SYMMETRIC else key_set.candidates(alg, header.get("kid"))
    if not keys:
        raise ProviderError("id_token_key_unknown", f"no {alg} key with kid {shown(header.get('kid'))} among {len(key_set.keys)} keys")
    signed = token.rpartition(".")[0].encode("ascii")
    if not any(_is_signed_by(key, alg, signed, signature) for key in keys):
        if "kid" not in header and alg not in SYMMETRIC:
            # Without a key id a rotated key shows itself only by this, so it counts as unknown: the key set may be old.
            raise ProviderError("id_token_key_unknown", f"the token has no kid, and none of {len(keys)} {alg} keys made its signature")
        raise ProviderError("id_token_signature", f"{alg}, kid {shown(header.get('kid'))}")
    try:
        claims = loads_object(payload)
    except ValueError as error:
        raise ProviderError("id_token_malformed", f"payload: {error}") from None
    return VerifiedJWS(MappingProxyType(header), MappingProxyType(claims), payload)


def _parts(token: str) -> tuple[dict[str, Any], bytes, bytes]:
    """Header, payload and signature of a compact JWS (RFC 7515 7.1), nothing of it trusted yet."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise ProviderError("id_token_malformed", f"the token has {len(token)} characters")
    segments = token.split(".")
    if len(segments) == 5:
        raise ProviderError("id_token_malformed", "the token is encrypted (five segments), which is not configured")
    if len(segments) != 3 or len(segments[0]) > MAX_HEADER_LENGTH or len(segments[2]) > MAX_SIGNATURE_LENGTH:
        lengths = ", ".join(str(len(segment)) for segment in segments[:6])
        raise ProviderError("id_token_malformed", f"{len(segments)} segments of {lengths} characters")
    try:
        header, payload, signature = (decode(segment) for segment in segments)
        return loads_object(header), payload, signature
    except ValueError as error:
        raise ProviderError("id_token_malformed", str(error)) from None


def _check_header(header: dict[str, Any], algs: Collection[str]) -> str:
    """The algorithm, once the header has passed. Keys and addresses in it (``jwk``, ``jku``, ``x5u``, ``x5c``) are never looked at (ID-11)."""
    alg = header.get("alg")
    if not isinstance(alg, str) or alg not in algs:
        raise ProviderError("id_token_algorithm", f"{shown(alg)}, accepted: {', '.join(algs)}")
    # No extension is understood, so none may be critical, and an empty list is malformed (RFC 7515 4.1.11; catalogue ID-12, ID-13).
    for name in ("crit", "b64"):
        if name in header:
            raise ProviderError("id_token_header", f"{name} is not accepted")
    kid = header.get("kid")
    if "kid" in header and (not isinstance(kid, str) or len(kid) > _MAX_KID_LENGTH):
        raise ProviderError("id_token_header", f"kid {shown(kid)}")  # RFC 8725 3.10, catalogue ID-10
    return alg


def _check_type(header: dict[str, Any], accepted_types: Collection[str], *, allow_untyped: bool) -> None:
    """RFC 8725 3.11: one kind of token is not taken for another (catalogue ID-14, LT-04)."""
    if "typ" not in header and allow_untyped:
        return
    typ = header.get("typ")
    if not isinstance(typ, str) or typ.lower() not in {accepted.lower() for accepted in accepted_types}:
        raise ProviderError("id_token_header", f"typ {shown(typ)}")


def _secret_key(alg: str, client_secret: str | None) -> tuple[VerificationKey, ...]:
    secret = (client_secret or "").encode("utf-8")
    if len(secret) < SYMMETRIC[alg]:
        raise ProviderError("id_token_algorithm", f"{alg} needs a client secret of {SYMMETRIC[alg]} bytes")
    return (VerificationKey("oct", None, None, alg, OctKey.import_key(secret)),)


def _is_signed_by(key: VerificationKey, alg: str, signed: bytes, signature: bytes) -> bool:
    # Keys for `EdDSA` are Ed25519 keys here; joserfc's own `EdDSA` takes Ed448 as well, and warns that RFC 9864 renamed it.
    algorithm = JWSRegistry.algorithms["Ed25519" if alg == "EdDSA" else alg]
    return algorithm.verify(signed, signature, key.key)
