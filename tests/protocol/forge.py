"""A small forger: well-made tokens by joserfc, ill-made ones byte by byte."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from oidc_middleware.errors import ConfigError, OIDCError
from oidc_middleware.protocol.base64url import encode
from oidc_middleware.protocol.id_token import ExpectedIDToken, IDToken, verify_id_token
from oidc_middleware.protocol.keys import KeySet, process_jwks
from oidc_middleware.protocol.messages import HttpResponse

ISSUER = "https://login.example.com"
CLIENT_ID = "dash"
NONCE = "n-0S6_WzA2Mj-0123456789-abcdefghijklmnopqrs"
NOW = 1_800_000_000.0
SECRET = "a client secret of more than sixty-four characters, for HS512 as well: ok"

#: In the changes to a claims set or header: leave the member out.
ABSENT: Any = object()


@functools.cache
def _generated(kind: Any, argument: Any, kid: str) -> Any:
    return kind.generate_key(argument, {"kid": kid})


def rsa(number: int = 1) -> RSAKey:
    return _generated(RSAKey, 2048, f"rsa-{number}")


def ec(curve: str = "P-256") -> ECKey:
    return _generated(ECKey, curve, f"ec-{curve}")


def okp(curve: str = "Ed25519") -> OKPKey:
    return _generated(OKPKey, curve, f"okp-{curve}")


def key_for(alg: str) -> Any:
    """A private key for *alg*."""
    if alg in ("EdDSA", "Ed25519"):
        return okp()
    return {"ES256": ec(), "ES384": ec("P-384"), "ES512": ec("P-521")}.get(alg) or rsa()


def public(key: Any, **changes: Any) -> dict[str, Any]:
    """The public JWK of *key*, with members changed."""
    return changed(key.as_dict(private=False), changes)


def changed(members: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (members | changes).items() if value is not ABSENT}


def json_response(document: object, status: int = 200, **headers: str) -> HttpResponse:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return HttpResponse(status, {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}, body)


def key_set(*entries: Any) -> KeySet:
    """What :func:`process_jwks` makes of keys (private ones are published with their public half) and of raw entries."""
    documents = [public(entry) if isinstance(entry, (RSAKey, ECKey, OKPKey)) else entry for entry in entries]
    return process_jwks(json_response({"keys": documents}))


def claims(**changes: Any) -> dict[str, Any]:
    good = {"iss": ISSUER, "sub": "248289761001", "aud": CLIENT_ID, "exp": int(NOW) + 300, "iat": int(NOW), "nonce": NONCE}
    return changed(good, changes)


def signed(payload: bytes | str, header: dict[str, Any] | bytes, key: Any, alg: str) -> str:
    """A compact JWS of exactly these bytes, whose signature is right for *alg* and *key*."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = payload if isinstance(payload, bytes) else payload.encode("utf-8", "surrogatepass")
    signed_part = f"{encode(head)}.{encode(body)}"
    algorithm = JWSRegistry.algorithms["Ed25519" if alg == "EdDSA" else alg]
    return f"{signed_part}.{encode(algorithm.sign(signed_part.encode(), key))}"


def id_token(alg: str = "RS256", *, key: Any = None, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """An ID token with changed *claims*; ``header`` changes members of the header."""
    key = key or (OctKey.import_key(SECRET) if alg.startswith("HS") else key_for(alg))
    kid = {} if alg.startswith("HS") else {"kid": key.kid}
    return signed(json.dumps(claims(**changes)), changed({"alg": alg, **kid}, header or {}), key, alg)


def raw_id_token(payload: bytes | str, header: dict[str, Any] | bytes | None = None) -> str:
    """An RS256 ID token of exactly these payload bytes."""
    return signed(payload, header if header is not None else {"alg": "RS256", "kid": rsa().kid}, rsa(), "RS256")


def expected(**changes: Any) -> ExpectedIDToken:
    return ExpectedIDToken(**({"issuer": ISSUER, "client_id": CLIENT_ID, "nonce": NONCE} | changes))


def verify(token: object, keys: KeySet | None = None, /, *, now: float = NOW, **changes: Any) -> IDToken:
    return verify_id_token(token, expected(**changes), key_set=keys or key_set(rsa()), now=now)


def assert_refused(code: str, token: object, keys: KeySet | None = None, /, *, now: float = NOW, **changes: Any) -> OIDCError:
    """*token* is refused with *code* where a flawless one passes, and the error tells nobody the token or the nonce."""
    keys = keys or key_set(rsa())
    with pytest.raises(OIDCError) as caught:
        verify(token, keys, now=now, **changes)
    assert caught.value.code == code, caught.value.detail
    assert NONCE not in caught.value.detail
    assert str(caught.value) == code or isinstance(caught.value, ConfigError)
    if isinstance(token, str) and len(token) > 100:
        assert token not in caught.value.detail
        assert token[-40:] not in caught.value.detail
    assert len(caught.value.detail) < 1000
    assert verify(id_token(), key_set(rsa())).subject == "248289761001"
    return caught.value
