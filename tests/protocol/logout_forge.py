"""Logout tokens, made like the ID tokens of ``forge``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc.jwk import OctKey

from oidc_middleware.errors import LoginError, OIDCError
from oidc_middleware.protocol.keys import KeySet
from oidc_middleware.protocol.logout_token import EVENT, ExpectedLogoutToken, LogoutToken, verify_logout_token
from tests.protocol.forge import ABSENT, CLIENT_ID, ISSUER, NOW, SECRET, changed, key_for, key_set, rsa, signed

TIME = int(NOW)
SUBJECT = "248289761001"


def logout_claims(**changes: Any) -> dict[str, Any]:
    good = {
        "iss": ISSUER, "sub": SUBJECT, "sid": "s-1", "aud": CLIENT_ID, "jti": "j-1", "iat": TIME, "exp": TIME + 120, "events": {EVENT: {}},
    }  # fmt: skip
    return changed(good, changes)


def logout_token(alg: str = "RS256", *, key: Any = None, typ: Any = "logout+jwt", header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A logout token with changed claims; ``header`` changes members of the header."""
    key = key or (OctKey.import_key(SECRET) if alg.startswith("HS") else key_for(alg))
    kid = {} if alg.startswith("HS") else {"kid": key.kid}
    return signed(json.dumps(logout_claims(**changes)), changed({"alg": alg, "typ": typ, **kid}, header or {}), key, alg)


def verify(token: object, keys: KeySet | None = None, /, *, now: float = NOW, **changes: Any) -> LogoutToken:
    expected = ExpectedLogoutToken(**({"issuer": ISSUER, "client_id": CLIENT_ID} | changes))
    return verify_logout_token(token, expected, key_set=keys or key_set(rsa()), now=now)


def assert_refused(
    token: object, keys: KeySet | None = None, /, *, code: str = "logout_token_invalid", now: float = NOW, **changes: Any
) -> OIDCError:
    """*token* is refused where a flawless one passes, and the error tells nobody the token."""
    with pytest.raises(OIDCError) as caught:
        verify(token, keys, now=now, **changes)
    error = caught.value
    assert error.code == code, error.detail
    assert isinstance(error, LoginError) == (error.status == 400)
    assert len(error.detail) < 1000
    assert error.detail.isprintable()
    if isinstance(token, str) and len(token) > 100:
        assert token[-40:] not in error.detail
        assert token[-40:] not in repr(error)
    assert verify(logout_token(), key_set(rsa())).subject == SUBJECT
    return error


__all__ = ["ABSENT", "EVENT", "SUBJECT", "TIME", "assert_refused", "logout_claims", "logout_token", "verify"]
