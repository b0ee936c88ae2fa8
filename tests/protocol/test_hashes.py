"""PKCE and the hash claims: PK-01, PK-02, ID-28."""

import base64
import hashlib

import pytest

from oidc_middleware.protocol.base64url import decode, encode
from oidc_middleware.protocol.hashes import id_token_hash
from oidc_middleware.protocol.keys import ALGORITHMS
from oidc_middleware.protocol.pkce import code_challenge

CODE = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk"


@pytest.mark.row("ID-28", "ID-29")
def test_known_vectors():
    assert id_token_hash(CODE) == id_token_hash(CODE, "RS256") == "LDktKdoQak3Pk0cnXxCltA"  # OIDC Core A.4
    assert id_token_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y") == "77QmUPtjPfzWtF2AnpK9RQ"  # OIDC Core A.3


@pytest.mark.row("ID-28")
@pytest.mark.parametrize("alg", [*ALGORITHMS, "HS256", "HS384", "HS512"])
def test_the_hash_is_that_of_the_signature(alg):
    name = "sha512" if alg.startswith("Ed") else f"sha{alg[2:]}"
    digest = hashlib.new(name, CODE.encode()).digest()
    assert id_token_hash(CODE, alg) == base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


@pytest.mark.row("ID-28")
@pytest.mark.parametrize("alg", ["none", "", "ML-DSA-44", "xx256", "RS1", "ES256K", "RSA256", "rs256", "Ed448", "RS256 ", "HSnew", "RSmd5"])
def test_an_unknown_hash_fails_closed(alg):
    with pytest.raises(ValueError, match="not known"):
        id_token_hash(CODE, alg)


@pytest.mark.row("PK-01")
def test_the_challenge_is_rfc_7636_appendix_b():
    assert code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert len(code_challenge("~" * 128)) == 43


@pytest.mark.row("PK-01")
@pytest.mark.parametrize("verifier", ["", "a" * 42, "a" * 129, "a" * 42 + "é", "a" * 42 + " ", "a" * 43 + "\n", "a" * 42 + "/"])
def test_a_verifier_that_is_none_is_refused(verifier):
    with pytest.raises(ValueError, match="43"):
        code_challenge(verifier)


@pytest.mark.row("ID-24")
@pytest.mark.parametrize("text", ["A", "AB=", "AB==", "A B", "AB\n", "\nAB", "A+", "A/", "AB", "AAB", "A" * 5, "é", "ＡA"])
def test_base64url_is_canonical(text):
    with pytest.raises(ValueError):
        decode(text)


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"abc", bytes(range(256))])
def test_base64url_round_trip(data):
    assert decode(encode(data)) == data
