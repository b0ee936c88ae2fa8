"""Signatures and headers: catalogue ID-01 to ID-14, JW-06."""

import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import OctKey

from oidc_middleware.errors import ConfigError, ProviderError
from oidc_middleware.protocol import jws
from oidc_middleware.protocol.base64url import encode
from oidc_middleware.protocol.jws import algorithm_problems, verify_jws
from oidc_middleware.protocol.keys import ALGORITHMS, KeySet
from tests.protocol.forge import (
    ABSENT,
    SECRET,
    assert_refused,
    changed,
    claims,
    ec,
    id_token,
    key_for,
    key_set,
    okp,
    public,
    rsa,
    signed,
    verify,
)  # fmt: skip

PAYLOAD = json.dumps(claims())
HEADER = {"alg": "RS256", "kid": "rsa-1"}


def unsigned(header: dict, payload: str = PAYLOAD, signature: str = "") -> str:
    return f"{encode(json.dumps(header).encode())}.{encode(payload.encode())}.{signature}"


@pytest.mark.parametrize("alg", [*ALGORITHMS, "HS256", "HS384", "HS512"])
def test_every_algorithm_verifies_when_it_is_configured_and_only_then(alg):
    secret = {"client_secret": SECRET} if alg.startswith("HS") else {}
    keys = key_set(key_for(alg), rsa(2))
    assert verify(id_token(alg), keys, algs=(alg,), **secret).subject == "248289761001"
    other = "ES384" if alg != "ES384" else "RS256"
    if not secret:
        assert_refused("id_token_algorithm", id_token(alg), keys, algs=(other,))
    else:
        assert_refused("id_token_algorithm", id_token(alg), keys, algs=("RS256",), **secret)
    forged = id_token(alg)[:-6] + "AAAAAA"
    assert_refused("id_token_signature", forged.replace(forged[-6:], "AAAAAA"), keys, algs=(alg,), **secret)


@pytest.mark.row("ID-01")
@pytest.mark.parametrize(
    "alg", ["none", "None", "nOnE", "NONE", "", ABSENT, None, 0, [], ["RS256"], {}, "rs256", "RS256 ", "RS1", "ES256K", "HS256", "dir"]
)
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_unsigned_tokens_and_odd_algorithms_are_refused(alg, signature):
    assert_refused("id_token_algorithm", unsigned(changed(HEADER, {"alg": alg}), signature=signature))


@pytest.mark.row("ID-01")
def test_an_empty_or_foreign_signature_is_refused():
    for signature in ("", encode(b"\0" * 256), encode(b"\xff" * 256), encode(b"x"), encode(b"x" * 2000)):
        assert_refused("id_token_signature", unsigned(HEADER, signature=signature))


@pytest.mark.row("ID-02", "ID-03")
def test_the_public_key_is_no_secret():
    key = rsa()
    native = key.public_key
    spellings = [
        native.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        native.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).strip(),
        native.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        native.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        json.dumps(public(key)).encode(),
        json.dumps(public(key), separators=(",", ":")).encode(),
        public(key)["n"].encode(),
    ]
    for spelling in spellings:
        secret = OctKey(spelling, spelling)
        token = signed(PAYLOAD, {"alg": "HS256", "kid": key.kid}, secret, "HS256")
        assert_refused("id_token_algorithm", token)
        # A token that says RS256 over a MAC with the public key is no better.
        assert_refused("id_token_signature", signed(PAYLOAD, HEADER, secret, "HS256"))
        # Nor does it pass where the client secret is the key.
        assert_refused("id_token_signature", token, algs=("HS256",), client_secret=SECRET)


@pytest.mark.row("ID-03")
def test_symmetric_and_asymmetric_algorithms_never_meet():
    assert_refused("id_token_algorithm", id_token("HS256"), client_secret=SECRET)  # right secret, but RS256 is what is expected
    assert_refused("id_token_algorithm", id_token("RS256"), algs=("HS256",), client_secret=SECRET)
    error = assert_refused("config_invalid", id_token("HS256"), algs=("RS256", "HS256"), client_secret=SECRET)
    assert isinstance(error, ConfigError)
    assert "id_token_algs" in error.problems[0]
    assert_refused("config_invalid", id_token("HS256"), algs=("HS256",))
    assert_refused("config_invalid", id_token("HS256"), algs=())


@pytest.mark.row("ID-03")
def test_a_short_secret_is_no_key():
    token = signed(PAYLOAD, {"alg": "HS256"}, OctKey(b"x" * 31, b"x" * 31), "HS256")
    assert_refused("id_token_algorithm", token, algs=("HS256",), client_secret="x" * 31)
    token = signed(PAYLOAD, {"alg": "HS256"}, OctKey(b"x" * 32, b"x" * 32), "HS256")
    assert verify(token, algs=("HS256",), client_secret="x" * 32)
    assert_refused("id_token_signature", token, algs=("HS256",), client_secret="y" * 32)


@pytest.mark.row("ID-01", "ID-03", "ID-04")
def test_algorithm_problems():
    assert algorithm_problems(("RS256", "ES256", "EdDSA"), has_secret=False) == []
    assert algorithm_problems(("HS256", "HS512"), has_secret=True) == []
    assert any("'none'" in problem for problem in algorithm_problems(("RS256", "none"), has_secret=True))
    assert any("empty" in problem for problem in algorithm_problems((), has_secret=True))
    assert any("mixes" in problem for problem in algorithm_problems(("RS256", "HS256"), has_secret=True))
    assert any("client secret" in problem for problem in algorithm_problems(("HS384",), has_secret=False))


@pytest.mark.row("ID-05")
@pytest.mark.parametrize(
    "entry",
    [public(rsa(), alg="RS384"), public(rsa(), alg="PS256"), public(ec(), kid="rsa-1"), {"kty": "oct", "k": encode(SECRET.encode()), "kid": "rsa-1"}],
)
def test_a_key_for_another_purpose_does_not_verify(entry):
    assert_refused("id_token_key_unknown", id_token(), key_set(entry, rsa(2)))
    assert verify(id_token(), key_set(entry, rsa(1)))


@pytest.mark.row("ID-05")
def test_a_key_for_encryption_does_not_verify():
    assert_refused("id_token_key_unknown", id_token(), key_set(public(rsa(), use="enc"), rsa(2)))


@pytest.mark.row("ID-06")
def test_no_kid_and_one_fitting_key_is_accepted():
    keys = key_set(public(rsa(), kid=ABSENT), public(ec(), kid=ABSENT), public(okp(), kid=ABSENT), public(rsa(2), use="enc"))
    assert verify(id_token(header={"kid": ABSENT}), keys)


@pytest.mark.row("ID-07")
def test_no_kid_and_several_keys_are_all_tried_up_to_a_bound(monkeypatch):
    keys = key_set(*(public(rsa(number), kid=ABSENT) for number in (2, 3, 1)))
    assert verify(id_token(header={"kid": ABSENT}), keys)
    tried = []
    original = jws._is_signed_by
    monkeypatch.setattr(jws, "_is_signed_by", lambda *arguments: tried.append(1) or original(*arguments))
    many = key_set(*(public(rsa(2), kid=f"k{number}") for number in range(20)))
    with pytest.raises(Exception, match="id_token_key_unknown"):
        verify(id_token(header={"kid": ABSENT}), many)
    assert len(tried) == 4


@pytest.mark.row("ID-07", "JW-06")
def test_no_kid_and_no_key_that_made_it_counts_as_unknown_key_so_that_a_rotation_is_noticed():
    token = id_token(header={"kid": ABSENT})
    assert_refused("id_token_key_unknown", token, key_set(public(rsa(2), kid=ABSENT)))
    assert verify(token, key_set(public(rsa(1), kid=ABSENT)))


@pytest.mark.row("ID-08")
@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_kid_used_twice_does_not_depend_on_the_order(order):
    keys = key_set(public(ec(), kid="same"), *(public(rsa(number), kid="same") for number in order))
    assert verify(id_token(header={"kid": "same"}), keys)
    assert_refused("id_token_signature", id_token(key=rsa(3), header={"kid": "same"}), keys)


@pytest.mark.row("ID-09", "JW-06")
def test_an_unknown_kid_is_told_apart_from_a_wrong_signature():
    assert_refused("id_token_key_unknown", id_token(key=rsa(2)), key_set(rsa(1)))
    assert_refused("id_token_signature", id_token(key=rsa(2), header={"kid": "rsa-1"}), key_set(rsa(1)))
    assert_refused("id_token_key_unknown", id_token(), key_set(public(rsa(), kid=ABSENT)))
    assert_refused("id_token_key_unknown", id_token(), KeySet(()))


@pytest.mark.row("ID-10")
@pytest.mark.parametrize("kid", [7, 1.5, None, True, [], ["rsa-1"], {}, {"$ne": ""}, "k" * 1025])
def test_a_kid_of_a_wrong_kind_is_refused(kid):
    assert_refused("id_token_header", id_token(header={"kid": kid}))


@pytest.mark.row("ID-10")
@pytest.mark.parametrize("kid", ["", "k" * 1024, "../../../../etc/passwd", "' OR 1=1 --", "rsa-1\x00", "RSA-1", "rsa-1\n", "http://169.254.169.254/"])
def test_a_hostile_kid_is_just_unknown(kid):
    error = assert_refused("id_token_key_unknown", id_token(header={"kid": kid}))
    assert "\n" not in error.detail
    assert "\x00" not in error.detail


@pytest.mark.row("ID-11")
def test_keys_and_addresses_in_the_header_are_ignored(monkeypatch):
    def no_network(*_args, **_kwargs):
        raise AssertionError("the verification opened a socket")

    monkeypatch.setattr("socket.socket", no_network)
    monkeypatch.setattr("socket.getaddrinfo", no_network)
    attacker = {"jku": "https://evil.example/jwks", "x5u": "https://evil.example/c", "jwk": public(rsa(2)), "x5c": ["AAAA"], "x5t": "AAAA"}
    assert_refused("id_token_key_unknown", id_token(key=rsa(2), header=attacker))
    assert_refused("id_token_signature", id_token(key=rsa(2), header=attacker | {"kid": "rsa-1"}))
    assert_refused("id_token_key_unknown", id_token(key=rsa(2), header=attacker | {"kid": ABSENT}))
    # A provider that sends them is served from its key set, whatever they look like.
    assert verify(id_token(header=attacker | {"x5c": 7, "jku": [], "unknown": {"a": 1}}))


@pytest.mark.row("ID-12")
@pytest.mark.parametrize("crit", [[], ["exp"], ["b64"], ["x"], ["alg"], "exp", None, 0, {}, [1]])
def test_crit_is_refused_in_every_form(crit):
    assert_refused("id_token_header", id_token(header={"crit": crit}))
    assert_refused("id_token_header", id_token(header={"crit": crit, "x": 1, "exp": 1}))


@pytest.mark.row("ID-13")
def test_unencoded_payloads_are_refused():
    for b64 in (False, True, 0, None):
        assert_refused("id_token_header", id_token(header={"b64": b64}))
    head = encode(json.dumps(HEADER | {"b64": False, "crit": ["b64"]}).encode())
    assert_refused("id_token_malformed", f"{head}.{PAYLOAD}.AAAA")  # dots and braces of the raw payload
    assert_refused("id_token_header", f"{head}.abc.AAAA")
    assert_refused("id_token_header", f"{head}..AAAA")


@pytest.mark.row("ID-14")
@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "JWE", "", "JWT ", None, 1, ["JWT"], {}])
def test_tokens_of_another_type_are_refused(typ):
    assert_refused("id_token_header", id_token(header={"typ": typ}))


@pytest.mark.row("ID-14")
@pytest.mark.parametrize("typ", [ABSENT, "JWT", "jwt", "Jwt"])
def test_absent_and_jwt_are_the_accepted_types(typ):
    assert verify(id_token(header={"typ": typ}))


@pytest.mark.row("ID-14")
def test_another_kind_of_token_names_its_own_types():
    token = id_token(header={"typ": "logout+jwt"})
    assert verify_jws(token, algs=("RS256",), key_set=key_set(rsa()), accepted_types=("JWT", "logout+jwt")).claims["aud"]
    assert_refused("id_token_header", token)


@pytest.mark.row("LT-04")
def test_a_caller_may_demand_a_type():
    keys = key_set(rsa())
    with pytest.raises(ProviderError) as caught:
        verify_jws(id_token(), algs=("RS256",), key_set=keys, allow_untyped=False)
    assert caught.value.code == "id_token_header"
    assert verify_jws(id_token(header={"typ": "JWT"}), algs=("RS256",), key_set=keys, allow_untyped=False).alg == "RS256"
