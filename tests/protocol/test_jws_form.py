"""The form of a signed token, byte by byte: catalogue ID-22 to ID-27, ID-36."""

import json

import pytest

from oidc_middleware.protocol import jws
from oidc_middleware.protocol.base64url import decode, encode
from oidc_middleware.protocol.jws import MAX_HEADER_LENGTH, MAX_TOKEN_LENGTH, verify_jws
from tests.protocol.forge import (
    assert_refused,
    claims,
    id_token,
    key_set,
    raw_id_token,
    rsa,
    verify,
)  # fmt: skip

PAYLOAD = json.dumps(claims())
HEADER = {"alg": "RS256", "kid": "rsa-1"}


def unsigned(header: dict, payload: str = PAYLOAD, signature: str = "") -> str:
    return f"{encode(json.dumps(header).encode())}.{encode(payload.encode())}.{signature}"


@pytest.mark.row("ID-22")
@pytest.mark.parametrize(
    "payload",
    [PAYLOAD[:-1] + f', "{name}": {json.dumps(value)}}}' for name, value in claims().items()]
    + ['{"sub":"a",' + PAYLOAD[1:], PAYLOAD[:-1] + ', "su\\u0062": "x"}'],
)
def test_duplicate_claims_are_refused(payload):
    json.loads(payload)  # the standard library does not mind
    assert_refused("id_token_malformed", raw_id_token(payload))


@pytest.mark.row("ID-22")
def test_duplicate_header_members_are_refused():
    for header in (
        b'{"alg":"none","alg":"RS256","kid":"rsa-1"}',
        b'{"alg":"RS256","kid":"rsa-1","kid":"rsa-1"}',
        b'{"alg":"RS256","a\\u006cg":"RS256"}',
    ):
        assert_refused("id_token_malformed", raw_id_token(PAYLOAD, header))


@pytest.mark.row("ID-23")
@pytest.mark.parametrize(
    "payload",
    ["[]", "null", '"x"', "7", "", "{", PAYLOAD + "x", PAYLOAD + PAYLOAD, "\ufeff" + PAYLOAD, PAYLOAD.encode("utf-16"),
     PAYLOAD[:-1].encode() + b', "x": "\xff"}',
     PAYLOAD[:-1] + ', "x": NaN}', PAYLOAD[:-1] + ', "x": ' + "9" * 5000 + "}", PAYLOAD[:-1] + ', "x": ' + "[" * 5000 + "]" * 5000 + "}",
     PAYLOAD[:-1] + ', "x": "\\ud800"}', PAYLOAD[:-1] + ', "x": "\ud800"}', f"[{PAYLOAD}]"],
)  # fmt: skip
def test_payloads_that_are_no_strict_json_object_are_refused_though_signed(payload):
    assert_refused("id_token_malformed", raw_id_token(payload))
    assert verify(raw_id_token(PAYLOAD))


@pytest.mark.row("ID-23")
@pytest.mark.parametrize(
    "header", [b"[]", b"null", b"{", b"", b"\xff", b'\xef\xbb\xbf{"alg":"RS256"}', b'{"alg":"RS256"}x', b"[" * 5000, b'{"alg":NaN}']
)
def test_headers_that_are_no_strict_json_object_are_refused(header):
    assert_refused("id_token_malformed", raw_id_token(PAYLOAD, header))


@pytest.mark.row("ID-24")
def test_base64url_has_one_spelling():
    head, body, signature = id_token().split(".")
    assert len(decode(signature)) == 256
    last = signature[-1]
    other_spelling = (
        signature[:-1]
        + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(last) + 1
        ]
    )
    tokens = [
        f"{head}.{body}.{signature}==", f"{head}=.{body}.{signature}", f"{head}.{body}=.{signature}", f"{head}.{body}\n.{signature}",
        f"{head}.{body}.{signature}\n",
        f" {head}.{body}.{signature}", f"{head}.{body}.{signature} ", f"{head}.{body}.{other_spelling}", f"{head}.{body}.{signature}A",
        f"{head}.{body}.+/{signature[2:]}",
        f"{head}.{body}", f"{head}.{body}.", f"{head}.{body}.{signature}.", f"{head}.{body}.{signature}.{signature}", f".{body}.{signature}",
        f"{head}.{body}.{signature}é",
        ".".join(["a"] * 5), ".", "..", "....", "a", f"{head}..{signature}", f"{head}.{body}.{signature}\x00", f"{head}.{body}.\u212a{signature[1:]}",
    ]  # fmt: skip
    for token in tokens:
        code = "id_token_signature" if token in (f"{head}.{body}.", f"{head}..{signature}", f"{head}.{body}.{signature}A") else "id_token_malformed"
        assert_refused(code, token)
    assert verify(f"{head}.{body}.{signature}")


@pytest.mark.row("ID-25", "DS-04")
def test_huge_tokens_are_refused_before_anything_is_decoded(monkeypatch):
    at_the_limit = raw_id_token(PAYLOAD.ljust(97_000))
    assert len(at_the_limit) < MAX_TOKEN_LENGTH
    assert verify(at_the_limit)

    def no_decoding(_text):
        raise AssertionError("decoded")

    keys = key_set(rsa())
    monkeypatch.setattr(jws, "decode", no_decoding)
    for token in ("a" * (MAX_TOKEN_LENGTH + 1), "." * 10_000_000, "a." * 100_000, f"{'a' * (MAX_HEADER_LENGTH + 1)}.a.a", f"a.a.{'a' * 2732}"):
        with pytest.raises(Exception, match="id_token_malformed"):
            verify(token, keys)


@pytest.mark.row("ID-25")
def test_a_header_with_a_certificate_chain_is_accepted():
    token = id_token(header={"x5c": ["A" * 1900] * 3})
    assert len(token.split(".")[0]) > 7000
    assert verify(token)
    assert_refused("id_token_malformed", id_token(header={"x5c": ["A" * 1900] * 4}))


@pytest.mark.row("ID-26", "ID-27")
@pytest.mark.parametrize(
    "header",
    [{"alg": "RSA-OAEP", "enc": "A256GCM"}, {"alg": "dir", "enc": "A256GCM", "zip": "DEF"}, {"alg": "PBES2-HS256+A128KW", "p2c": 2**31,
     "enc": "A128GCM"},
     {"alg": "RSA1_5", "enc": "A128CBC-HS256"}],
)  # fmt: skip
def test_encrypted_tokens_are_refused(header):
    head = encode(json.dumps(header).encode())
    error = assert_refused("id_token_malformed", f"{head}.AAAA.AAAA.AAAA.AAAA")
    assert "encrypted" in error.detail
    assert_refused("id_token_algorithm", f"{head}.AAAA.AAAA")


@pytest.mark.row("ID-26")
def test_a_token_in_a_token_is_no_claims_set():
    assert_refused("id_token_malformed", raw_id_token(id_token(), HEADER | {"cty": "JWT"}))
    assert_refused("id_token_malformed", raw_id_token(unsigned({"alg": "none"})))


@pytest.mark.row("ID-36")
def test_the_json_serialization_is_refused():
    head, body, signature = id_token().split(".")
    assert_refused("id_token_malformed", json.dumps({"protected": head, "payload": body, "signature": signature}))
    assert_refused("id_token_missing", {"protected": head, "payload": body, "signature": signature})


def test_the_result_is_read_only_and_prints_no_claims():
    result = verify_jws(id_token(), algs=("RS256",), key_set=key_set(rsa()))
    assert result.payload == PAYLOAD.encode()
    assert result.alg == "RS256"
    assert result.header["kid"] == "rsa-1"
    assert "248289761001" not in repr(result)
    with pytest.raises(TypeError):
        result.claims["sub"] = "x"
    with pytest.raises(TypeError):
        result.header["alg"] = "none"
