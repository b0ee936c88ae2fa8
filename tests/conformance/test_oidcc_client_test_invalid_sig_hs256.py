"""oidcc-client-test-invalid-sig-hs256: a wrong MAC for a client registered for HS256; none at all is taken for RS256."""

import pytest
from joserfc.jwk import OctKey

from oidc_middleware.testing.keys import public_jwk, rsa_key
from tests.conformance.party import flip_signature

SECRET = "canary-client-secret-" + "0123456789abcdef" * 4  # the suite advises 64 characters or more


@pytest.mark.row("ID-03")
def test_registered_for_hs256(party):
    provider = party.restart(registration={"client_secret": SECRET}, id_token_algs=["HS256"])
    provider.id_token_alg, provider.id_token_key = "HS256", OctKey.import_key(SECRET)

    def bend(provider):
        provider.id_token_edit = flip_signature

    party.refuses(bend, code="id_token_signature")


@pytest.mark.row("ID-03")
def test_registered_for_rs256(party):
    def bend(provider):
        provider.id_token_alg, provider.id_token_key = "HS256", OctKey.import_key(provider.client_secret)

    party.refuses(bend, code="id_token_algorithm")


@pytest.mark.row("ID-02", "ID-03")
def test_the_public_key_is_no_secret(party):
    public = rsa_key(1)

    def bend(provider):
        provider.id_token_alg, provider.id_token_key = "HS256", public.as_pem(private=False)
        provider.id_token_header["kid"] = next(key["kid"] for key in provider.jwks()["keys"] if key.get("n") == public_jwk(public)["n"])

    party.refuses(bend, code="id_token_algorithm")
