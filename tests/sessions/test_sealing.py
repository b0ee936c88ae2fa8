"""Seals: what opens was sealed by us, for this purpose and this application; anything else is one and the same refusal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oidc_middleware.errors import ConfigError
from oidc_middleware.sessions import sealing
from oidc_middleware.sessions.sealing import PURPOSES, BrokenSeal, Keyring, sealed_size

NONCE = b"0123456789ab"
OLD, NEW = "the old secret, thirty-two bytes long", "the new secret, thirty-two bytes long"
KEYRING = Keyring([OLD], "app")
SEALED = KEYRING.seal("session", b"what nobody may read", NONCE)
SIGNED = KEYRING.seal("login", b"what nobody may read", NONCE)
#: The same session as versions wrote it that signed sessions, too.
SEALED_1 = "MDEyMzQ1Njc4OWFinbnaFBSwhCowanR7x1n9weVi-0S_STYNkRofvbPQGWSDLfp3.-vpoi8g5vaft6_vABTHX-B-07XKM1FTeU4NOmlSSVY0"
BOTH_WAYS = pytest.mark.parametrize(("purpose", "sealed"), [("session", SEALED), ("session", SEALED_1), ("login", SIGNED)])
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def _signed(purpose, plaintext):
    """What versions made that signed everything."""
    from base64 import urlsafe_b64encode

    cipher, signer, _, bound = KEYRING._keys[purpose][0]
    return signer.sign(urlsafe_b64encode(NONCE + cipher.encrypt(NONCE, plaintext, bound)).rstrip(b"=")).decode()


def refused(text, keyring=KEYRING, purpose="session"):
    with pytest.raises(BrokenSeal) as caught:
        keyring.open(purpose, text)
    assert str(caught.value) == ""
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return True


@given(st.binary(max_size=5_000), st.binary(min_size=12, max_size=12), st.sampled_from(PURPOSES))
def test_what_was_sealed_opens_and_has_the_size_that_was_foretold(plaintext, entropy, purpose):
    text = KEYRING.seal(purpose, plaintext, entropy)
    assert KEYRING.open(purpose, text) == plaintext
    assert len(text) == sealed_size(purpose, len(plaintext))
    assert text.isascii()
    assert not set(text) & set(' ",;\\~')


@pytest.mark.row("CK-22")
@BOTH_WAYS
def test_the_contents_cannot_be_read(purpose, sealed):
    from base64 import urlsafe_b64decode

    body = urlsafe_b64decode(sealed.partition(".")[0].replace("+", "-").replace("/", "_") + "==")
    assert b"nobody" not in body
    assert "nobody" not in sealed
    assert KEYRING.open(purpose, sealed) == b"what nobody may read"


@pytest.mark.row("CK-01", "ST-05")
@BOTH_WAYS
def test_every_single_change_is_found(purpose, sealed):
    alphabet = "ABab01-_+/.=~! \n\x00é"
    for position in range(len(sealed)):
        assert refused(sealed[:position] + sealed[position + 1 :], purpose=purpose)
        for character in alphabet:
            if character != sealed[position]:
                assert refused(sealed[:position] + character + sealed[position + 1 :], purpose=purpose)
            assert refused(sealed[:position] + character + sealed[position:], purpose=purpose)
    assert KEYRING.open(purpose, sealed) == b"what nobody may read"


@pytest.mark.row("CK-01")
@BOTH_WAYS
def test_a_value_has_one_spelling(purpose, sealed):
    """No unused bits at the end, no padding, no other alphabet, nothing that a decoder passes over."""
    accepted = []
    for last in ALPHABET + "+/-_":
        try:
            KEYRING.open(purpose, sealed[:-1] + last)
            accepted.append(last)
        except BrokenSeal:
            continue
    assert accepted == [sealed[-1]]
    for more in ("=", "==", "===", "====", "A", "AA", "AAA", "AAAA", "\n", " ", "-", ".", "\x00", "é", "\ud800"):
        assert refused(sealed + more, purpose=purpose)
        assert refused(more + sealed, purpose=purpose)
    other = sealed.translate(str.maketrans("+/", "-_")) if "+" in sealed or "/" in sealed else sealed.translate(str.maketrans("-_", "+/"))
    assert other != sealed
    assert refused(other, purpose=purpose)


@pytest.mark.row("CK-01", "CK-19")
def test_the_signature_of_a_session_that_was_signed_cannot_be_left_out():
    """The encrypted part in the other spelling, with every length of base64: its key is another one."""
    for length in range(1, 7):
        body = _signed("session", b"x" * length).partition(".")[0].translate(str.maketrans("-_", "+/"))
        assert refused(body)
        assert refused(body + "=" * (-len(body) % 4))


@pytest.mark.row("DS-04")
@pytest.mark.parametrize("text", ["A" * 1_000_000, "A" * 1_000_001, "." * 1_000_000, "=" * 1_000_000, "A" * 999_956 + "." + "A" * 43])
def test_a_huge_text_is_one_refusal(text):
    assert refused(text)
    assert refused(text, purpose="login")


@given(st.one_of(st.text(), st.text(alphabet="AB.-_+/=\ud800"), st.binary().map(lambda raw: raw.decode("latin-1"))), st.sampled_from(PURPOSES))
def test_nothing_but_the_one_refusal_comes_out_of_garbage(text, purpose):
    assert refused(text, purpose=purpose)


@given(st.binary(max_size=200))
def test_nor_out_of_the_right_alphabet(raw):
    from base64 import b64encode

    assert refused(b64encode(raw).decode())
    assert refused(b64encode(raw + bytes(-len(raw) % 3)).decode())


@pytest.mark.row("CK-19", "ST-05")
def test_no_purpose_opens_what_was_sealed_for_another():
    for sealed_for in PURPOSES:
        text = KEYRING.seal(sealed_for, b"x", NONCE)
        for opened_as in PURPOSES:
            if opened_as == sealed_for:
                assert KEYRING.open(opened_as, text) == b"x"
            else:
                assert refused(text, purpose=opened_as)


@pytest.mark.row("CK-19", "CF-02")
def test_another_application_with_the_same_secret_opens_nothing():
    assert refused(SEALED, Keyring([OLD], "another app"))
    assert refused(SEALED, Keyring([OLD], ""))
    assert Keyring([OLD], "app").open("session", SEALED) == b"what nobody may read"


@pytest.mark.row("CK-19")
def test_the_parts_of_the_derivation_cannot_run_into_each_other():
    purposes = {KEYRING.seal(purpose, b"", NONCE) for purpose in PURPOSES}
    contexts = {Keyring([OLD], context).seal("session", b"", NONCE) for context in ("a", "ab", "a\x00b", "session", "")}
    assert len(purposes) == len(PURPOSES)
    assert len(contexts) == 5
    assert sealing._derive(b"x" * 32, "ab", "c").signer.secret_key != sealing._derive(b"x" * 32, "a", "bc").signer.secret_key
    keys = {sealing._expand(b"x" * 32, label, purpose, context, 32) for label, purpose, context in (
        (b"1", "ab", "c"), (b"1", "a", "bc"), (b"2", "ab", "c"), (b"1a", "b", "c"), (b"", "1ab", "c"))}  # fmt: skip
    assert len(keys) == 5


@pytest.mark.row("CK-16", "F-PR-03")
def test_the_first_secret_seals_and_all_of_them_open():
    rotated = Keyring([NEW, OLD], "app")
    for purpose, sealed in (("session", SEALED), ("session", SEALED_1), ("login", SIGNED)):
        assert rotated.open(purpose, sealed) == b"what nobody may read"
        fresh = rotated.seal(purpose, b"fresh", NONCE)
        assert Keyring([NEW], "app").open(purpose, fresh) == b"fresh"
        assert refused(fresh, KEYRING, purpose)
        assert refused(sealed, Keyring([NEW], "app"), purpose)


@pytest.mark.row("CK-16", "CK-17")
@pytest.mark.parametrize("secrets", [OLD, OLD.encode(), [], [""], ["short"], [OLD, "short"], ["x" * 31], [b"x" * 31]])
def test_unusable_secrets_are_refused_without_being_shown(secrets):
    with pytest.raises(ConfigError) as caught:
        Keyring(secrets, "app")
    assert "secret_key" in str(caught.value)
    for secret in [secrets] if isinstance(secrets, (str, bytes)) else [secret for secret in secrets if secret]:
        assert str(secret) not in str(caught.value) + repr(caught.value)


def test_text_and_bytes_are_the_same_secret():
    assert Keyring([OLD.encode()], "app").open("session", SEALED) == b"what nobody may read"
    assert Keyring(["ü" * 16], "app").seal("session", b"", NONCE)


@pytest.mark.row("CK-21")
def test_signatures_are_made_with_sha_256():
    import base64

    signature = SIGNED.rpartition(".")[2]
    assert len(base64.urlsafe_b64decode(signature + "=")) == 32
    assert KEYRING._keys["login"][0].signer.key_derivation == "none"


@pytest.mark.row("CK-21", "CK-22")
@pytest.mark.parametrize("length", range(8))
def test_the_libraries_themselves_open_what_was_sealed(length):
    """The short ways through them are the same algorithms: RFC 5869, RFC 2104 as itsdangerous does it, and AES-GCM."""
    import base64
    import hashlib

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    from itsdangerous import Signer

    def keys(label, purpose, length):
        parts = (label, purpose, b"app")
        info = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(OLD.encode())

    signed = keys(b"oidc_middleware 1", b"login", 64)
    body = Signer(signed[32:], key_derivation="none", digest_method=hashlib.sha256).unsign(KEYRING.seal("login", b"x" * length, NONCE))
    raw = base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4))
    assert (raw[:12], AESGCM(signed[:32]).decrypt(NONCE, raw[12:], b"login")) == (NONCE, b"x" * length)

    raw = base64.b64decode(KEYRING.seal("session", b"x" * length, NONCE), validate=True)
    padding = 3 - (length + 1) % 3
    opened = AESGCM(keys(b"oidc_middleware 2", b"session", 32)).decrypt(NONCE, raw[12:], b"session")
    assert (raw[:12], opened) == (NONCE, b"x" * length + bytes([padding]) * padding)


@pytest.mark.parametrize("length", [0, 11, 13, 32])
def test_a_nonce_has_twelve_bytes(length):
    with pytest.raises(ValueError, match="12 random bytes"):
        KEYRING.seal("session", b"", bytes(length))


@pytest.mark.parametrize("body", [b"", b"AAAA", b"=", b"A", b"A" * 40])
def test_a_right_signature_around_wrong_contents_is_refused_too(body):
    signer = KEYRING._keys["session"][0].signer
    assert refused((body + b"." + signer.get_signature(body)).decode())


@pytest.mark.row("LG-01")
def test_keys_are_not_printed():
    assert OLD not in repr(KEYRING) + str(KEYRING) + repr(KEYRING._keys)
