"""The provider's signing keys. They live in memory and are new in every process.

Key generation is the one place where randomness does not come from the clock: ``cryptography`` draws it itself and takes no source.
"""

from __future__ import annotations

import warnings
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, KeyParameters, KeySet, OKPKey, RSAKey

from oidc_middleware.provider.registry import SIGNING_ALGS

_Key = RSAKey | ECKey | OKPKey

#: Retired keys stay published this many rotations long, so that tokens signed just before one still verify.
KEPT_GENERATIONS: Final = 2


class SigningKeys:
    """One key for each of RS256 (2,048 bits), ES256 (P-256) and EdDSA (Ed25519), and the retired ones before them."""

    def __init__(self) -> None:
        self._generations: list[dict[str, _Key]] = []
        self.rotate()

    def rotate(self) -> None:
        """Sign with new keys from now on. The last few generations stay in the JWKS."""
        self._generations = [_generate(), *self._generations][: KEPT_GENERATIONS + 1]

    def forget_retired(self) -> None:
        """Publish the current keys only, as after a compromise: what older keys signed no longer verifies."""
        del self._generations[1:]

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JSON Web Key Set (RFC 7517 5), the current ones first."""
        return {"keys": [key.as_dict(private=False) for generation in self._generations for key in generation.values()]}

    def sign(self, claims: dict[str, Any], alg: str) -> str:
        """A compact JWS over *claims* with the current key for *alg*."""
        key = self._generations[0][alg]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # RFC 9864 renames EdDSA to Ed25519; clients know the old name
            return jwt.encode({"alg": alg, "kid": key.kid}, claims, key, algorithms=[alg])

    def verify(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that one of these keys signed, expired or not; ``None`` for everything else."""
        keys = KeySet([key for generation in self._generations for key in generation.values()])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SecurityWarning)
                claims = jwt.decode(token, keys, algorithms=list(SIGNING_ALGS)).claims
        except (JoseError, ValueError, TypeError):
            return None
        return dict(claims)


def _generate() -> dict[str, _Key]:
    def parameters(alg: str) -> KeyParameters:
        return {"use": "sig", "alg": alg}

    return {
        "RS256": RSAKey.generate_key(2048, parameters("RS256"), auto_kid=True),
        "ES256": ECKey.generate_key("P-256", parameters("ES256"), auto_kid=True),
        "EdDSA": OKPKey.generate_key("Ed25519", parameters("EdDSA"), auto_kid=True),
    }
