"""Key sets: catalogue 1.6 (JW), ID-05 to ID-09."""

import json

import pytest
from joserfc.jwk import OctKey

from oidc_middleware.errors import OIDCError, Unavailable
from oidc_middleware.protocol.base64url import encode
from oidc_middleware.protocol.keys import MAX_CANDIDATES, MAX_JWKS_BYTES, MAX_KEYS, jwks_request, process_jwks
from oidc_middleware.protocol.messages import HttpResponse
from oidc_middleware.protocol.metadata import ProviderMetadata
from tests.protocol.forge import ABSENT, ec, json_response, key_set, okp, public, rsa


def number(value: int) -> str:
    return encode(value.to_bytes((value.bit_length() + 7) // 8))


def test_the_request_is_bounded():
    request = jwks_request(ProviderMetadata("i", "a", "t", "https://op.example/jwks"))
    assert (request.purpose, request.method, request.url, request.max_bytes) == ("jwks", "GET", "https://op.example/jwks", 512_000)
    assert request.headers["accept-encoding"] == "identity"


def test_keys_of_all_kinds_are_imported_in_order():
    keys = key_set(rsa(), ec(), ec("P-384"), ec("P-521"), okp())
    assert [(key.kty, key.crv, key.kid) for key in keys.keys] == [
        ("RSA", None, "rsa-1"), ("EC", "P-256", "ec-P-256"), ("EC", "P-384", "ec-P-384"), ("EC", "P-521", "ec-P-521"), ("OKP", "Ed25519",
        "okp-Ed25519"),
    ]  # fmt: skip
    assert keys.skipped == ()


BAD_ENTRIES = {
    "null": None,
    "text": "key",
    "number": 7,
    "list": [],
    "kty missing": public(rsa(), kty=ABSENT),
    "kty of a wrong type": public(rsa(), kty=["RSA"]),
    "kty post-quantum": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
    "RSA without n": public(rsa(), n=ABSENT),
    "RSA without e": public(rsa(), e=ABSENT),
    "n is a number": public(rsa(), n=12345),
    "n is empty": public(rsa(), n=""),
    "n is no base64url": public(rsa(), n="+/=="),
    "n is even": public(rsa(), n=number(1 << 2047)),
    "e is no base64url": public(rsa(), e="AQAB="),
    "e is 1": public(rsa(), e=number(1)),
    "e is even": public(rsa(), e=number(65536)),
    "e is huge": public(rsa(), e=number(2**2040 + 1)),
    "n is huge": public(rsa(), n=number(2**20000 + 1)),
    "n has 20,000 bits": public(rsa(), n=number(2**16400 + 1)),
    "RSA of 1024 bits": public(rsa(), n=number(2**1023 + 2**600 + 1)),
    "RSA of 2047 bits": public(rsa(), n=number(2**2046 + 2**600 + 1)),
    "EC unknown curve": public(ec(), crv="P-999"),
    "EC curve of a wrong type": public(ec(), crv=256),
    "EC secp256k1": public(ec("secp256k1")),
    "EC point off the curve": public(ec(), y=public(ec())["x"]),
    "EC without y": public(ec(), y=ABSENT),
    "EC coordinates of another curve": public(ec("P-384"), crv="P-256"),
    "OKP X25519": public(okp("X25519")),
    "OKP Ed448": public(okp("Ed448")),
    "OKP of a wrong length": public(okp(), x="AAAA"),
    "oct": OctKey.generate_key(256).as_dict(private=True),
    "oct without k": {"kty": "oct", "kid": "rsa-1"},
    "private RSA": rsa().as_dict(private=True),
    "private EC": ec().as_dict(private=True),
    "private OKP": okp().as_dict(private=True),
    "use enc": public(rsa(), use="enc"),
    "use null": public(rsa(), use=None),
    "use list": public(rsa(), use=["sig"]),
    "key_ops enc": public(rsa(), key_ops=["encrypt"]),
    "key_ops empty": public(rsa(), key_ops=[]),
    "key_ops text": public(rsa(), key_ops="verify"),
    "kid number": public(rsa(), kid=7),
    "kid list": public(rsa(), kid=["rsa-1"]),
    "kid 1 MB": public(rsa(), kid="k" * 2000),
    "alg number": public(rsa(), alg=256),
}


@pytest.mark.row("JW-01", "JW-04", "ID-05")
@pytest.mark.parametrize("entry", BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_a_bad_key_is_skipped_and_the_good_ones_work(entry):
    keys = key_set(entry, rsa(2))
    assert [key.kid for key in keys.keys] == ["rsa-2"]
    assert len(keys.skipped) == 1
    assert keys.skipped[0].startswith("key 0: ")
    material = [value for value in entry.values() if isinstance(value, str) and len(value) > 30] if isinstance(entry, dict) else []
    assert not any(value in keys.skipped[0] for value in material)
    assert keys.candidates("RS256", "rsa-2")
    assert not keys.candidates("RS256", "rsa-1")


def test_useful_extras_do_not_hurt():
    entry = public(rsa(), use="sig", key_ops=["verify"], alg="RS256", x5c=[1, {}], x5t=7, foo={"d": "private?"})
    assert key_set(entry).candidates("RS256", "rsa-1")
    assert key_set(public(rsa(), kid=None, alg=None)).keys[0].kid is None


@pytest.mark.row("JW-02", "DI-04")
@pytest.mark.parametrize(
    "response",
    [
        json_response({"keys": []}),
        json_response({}),
        json_response([]),
        json_response({"keys": {}}),
        json_response({"keys": None}),
        json_response({"keys": "x"}),
        json_response(b"<html></html>", content_type="text/html"),
        json_response({"keys": [public(rsa())]}, content_type="text/html"),
        json_response({"keys": [public(rsa())]}, status=204),
        json_response({"keys": [public(rsa())]}, status=304),
        json_response({"keys": [public(rsa())]}, status=404),
        json_response({"keys": [None, {"kty": "oct", "k": "AAAA"}]}),
        json_response(json.dumps({"keys": [public(rsa())]})[:-3].encode()),
        HttpResponse(200),
    ],
)
def test_no_usable_answer_is_an_error_so_that_the_caller_keeps_its_keys(response):
    with pytest.raises(OIDCError) as caught:
        process_jwks(response)
    assert caught.value.code == "jwks_invalid"
    assert process_jwks(json_response({"keys": [public(rsa())]}, content_type="application/jwk-set+json")).keys


@pytest.mark.row("JW-05", "DI-03", "F-OP-03")
def test_redirects_and_outages():
    for status, code in ((302, "response_redirected"), (500, "provider_unavailable"), (429, "provider_throttled")):
        with pytest.raises(OIDCError) as caught:
            process_jwks(json_response({"keys": [public(rsa())]}, status=status))
        assert caught.value.code == code
        assert isinstance(caught.value, Unavailable) == (status != 302)


@pytest.mark.row("JW-03")
def test_the_number_of_keys_is_capped():
    keys = key_set(*(public(ec(), kid=f"k{number}") for number in range(MAX_KEYS + 50)))
    assert len(keys.keys) == MAX_KEYS
    assert keys.skipped == (f"50 keys beyond the first {MAX_KEYS}",)
    assert keys.candidates("ES256", "k99")
    assert not keys.candidates("ES256", "k100")


@pytest.mark.row("JW-03")
def test_the_size_of_the_set_is_capped_before_it_is_parsed():
    padded = json.dumps({"keys": [public(rsa())]}).encode()
    assert process_jwks(json_response(padded.ljust(MAX_JWKS_BYTES))).keys
    with pytest.raises(OIDCError) as caught:
        process_jwks(json_response(padded.ljust(MAX_JWKS_BYTES + 1)))
    assert caught.value.code == "jwks_invalid"


@pytest.mark.row("ID-05")
@pytest.mark.parametrize(
    ("entry", "fits", "does_not_fit"),
    [
        (public(rsa()), ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], ["ES256", "EdDSA", "HS256", "none", "RS1", ""]),
        (public(rsa(), alg="RS256"), ["RS256"], ["RS384", "PS256"]),
        (public(rsa(), alg="RSA-OAEP"), [], ["RS256"]),
        (public(ec()), ["ES256"], ["ES384", "ES512", "RS256", "ES256K"]),
        (public(ec("P-384")), ["ES384"], ["ES256"]),
        (public(ec("P-521")), ["ES512"], ["ES256"]),
        (public(okp()), ["EdDSA", "Ed25519"], ["ES256", "Ed448"]),
        (public(okp(), alg="EdDSA"), ["EdDSA", "Ed25519"], []),
        (public(okp(), alg="Ed25519"), ["EdDSA", "Ed25519"], []),
        (public(okp(), alg="ES256"), [], ["EdDSA", "ES256"]),
    ],
)
def test_a_key_fits_its_own_algorithms_only(entry, fits, does_not_fit):
    keys = key_set(entry)
    assert all(keys.candidates(alg, entry["kid"]) for alg in fits)
    assert not any(keys.candidates(alg, entry["kid"]) or keys.candidates(alg, None) for alg in does_not_fit)


@pytest.mark.row("ID-06", "ID-07", "ID-08", "ID-09")
def test_candidates_by_kid():
    same = [public(rsa(number), kid="same") for number in (1, 2, 3, 4, 5, 6)]
    keys = key_set(public(ec(), kid="same"), *same, public(rsa(7), kid=ABSENT), public(rsa(), use="enc", kid="same"))
    assert len(keys.candidates("RS256", "same")) == MAX_CANDIDATES == 4
    assert [key.kty for key in keys.candidates("ES256", "same")] == ["EC"]
    assert len(keys.candidates("RS256", None)) == MAX_CANDIDATES
    assert keys.candidates("RS256", "other") == ()
    assert keys.candidates("RS256", "") == ()


def test_no_key_material_in_the_printed_form():
    text = repr(key_set(rsa(), ec()))
    assert public(rsa())["n"] not in text
    assert public(ec())["x"] not in text
