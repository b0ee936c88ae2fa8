"""Sealing: encrypted and authenticated, with keys derived once for each purpose.

Two ways, by purpose. What lives for minutes (a login, the loop guard, tokens in forms) is encrypted with AES-256-GCM, then signed by itsdangerous.
Sessions are read on every request that is new to a process, so they are sealed by AES-256-GCM alone: it authenticates by itself, at an eighth
of what the second layer takes. Encryption keeps tokens and personal data from whoever reads the value (catalogue CK-22); a value has exactly one
accepted spelling either way. Sessions sealed by versions that signed them as well are opened for ever.

Opening runs once for every session that a process has not seen, sealing for every redirect to the provider: ciphers and MACs get their keys at the
start, and what is called here for each value is C.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from itsdangerous import Signer
from itsdangerous.signer import SigningAlgorithm

from oidc_middleware.errors import ConfigError

#: What may be sealed. Each purpose has its own keys, so a value made for one never opens as another (catalogue CK-19, ST-05).
PURPOSES: Final = ("session", "login", "rounds", "csrf", "post-logout", "stored-session", "stored-tokens", "error")

#: Those of them that AES-GCM seals alone.
_UNSIGNED: Final = frozenset({"session", "stored-session", "stored-tokens"})

#: Length of the entropy :meth:`Keyring.seal` asks for: a 96-bit GCM nonce (NIST SP 800-38D 8.2.2). Random nonces are safe for 2^32 seals a key.
NONCE_BYTES: Final = 12

#: A shorter secret could be guessed offline from one cookie (catalogue CK-17); 32 bytes is what AES-256 and HMAC-SHA-256 take.
MIN_SECRET_BYTES: Final = 32

_TAG_BYTES: Final = 16
_URL_ALPHABET: Final = bytes.maketrans(b"+/", b"-_")  # RFC 4648 4 to 5
_STANDARD_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")  # RFC 4648 5 to 4
_SIGNATURE_LENGTH: Final = 44  # a dot, and base64url of 32 bytes without padding


class BrokenSeal(Exception):
    """The text was not sealed by us for this purpose. There is no telling why: whoever tampers learns nothing."""


class _HmacSha256(SigningAlgorithm):
    """RFC 2104, with the key worked in once: a copy of that state costs half of what a new HMAC does."""

    def __init__(self, key: bytes) -> None:
        self.keyed = HMAC(key, SHA256())

    def get_signature(self, key: bytes, value: bytes) -> bytes:  # noqa: ARG002  # Signer hands in the constructor's key
        mac = self.keyed.copy()
        mac.update(value)
        return mac.finalize()


class _Keys(NamedTuple):
    cipher: AESGCM
    signer: Signer
    mac: HMAC
    purpose: bytes


#: Decrypts a ciphertext under a nonce, for a purpose.
_Decrypt = Callable[[bytes, bytes, bytes], bytes]


def sealed_size(purpose: str, length: int) -> int:
    """How many characters :meth:`Keyring.seal` makes of *length* bytes for *purpose*."""
    if purpose in _UNSIGNED:
        return (NONCE_BYTES + length + _padding(length) + _TAG_BYTES) // 3 * 4
    return -(-(NONCE_BYTES + length + _TAG_BYTES) * 4 // 3) + _SIGNATURE_LENGTH


def _padding(length: int) -> int:
    """How many bytes follow *length* bytes, one to three, so that base64 has no unused bits, which could be anything, and no padding of its own."""
    return 3 - (length + NONCE_BYTES + _TAG_BYTES) % 3


class Keyring:
    """The keys of one protected application.

    *secrets*: the first one seals, all of them open (catalogue CK-16); each at least 32 bytes. *context* names the application (issuer, client
    and mount): two applications that share a secret do not accept each other's values (catalogue CK-19).

    Raises :class:`~oidc_middleware.errors.ConfigError` for secrets that cannot be used.
    """

    __slots__ = ("_ciphers", "_decrypts", "_keys")

    def __init__(self, secrets: Sequence[str | bytes], context: str) -> None:
        material = _checked(secrets)
        self._keys = {purpose: tuple(_derive(secret, purpose, context) for secret in material) for purpose in PURPOSES}
        self._ciphers = {
            purpose: [AESGCM(_expand(secret, b"oidc_middleware 2", purpose, context, 32)) for secret in material] for purpose in _UNSIGNED
        }
        #: What is bound, and what decrypts it; nothing for purposes that are signed.
        self._decrypts: dict[str, tuple[bytes, list[_Decrypt]]] = {
            purpose: (purpose.encode(), [cipher.decrypt for cipher in self._ciphers.get(purpose, ())]) for purpose in PURPOSES
        }

    def seal(self, purpose: str, plaintext: bytes, entropy: bytes) -> str:
        """Seal *plaintext* for *purpose*. *entropy*: 12 random bytes, never used for another value. The result is cookie-safe ASCII."""
        if len(entropy) != NONCE_BYTES:
            raise ValueError(f"a seal takes {NONCE_BYTES} random bytes")
        if purpose in _UNSIGNED:
            padding = _padding(len(plaintext))
            sealed = self._ciphers[purpose][0].encrypt(entropy, plaintext + bytes([padding]) * padding, purpose.encode())
            return b2a_base64(entropy + sealed, newline=False).decode("ascii")
        cipher, signer, _, bound = self._keys[purpose][0]
        body = b2a_base64(entropy + cipher.encrypt(entropy, plaintext, bound), newline=False).translate(_URL_ALPHABET).rstrip(b"=")
        return signer.sign(body).decode("ascii")

    def open(self, purpose: str, text: str | bytes) -> bytes:
        """What was sealed for *purpose*, from text or its bytes. Raises :class:`BrokenSeal`, and nothing else, whatever *text* is."""
        bound, decrypts = self._decrypts[purpose]
        if not decrypts:
            return self._unsigned(purpose, text)
        try:
            raw = a2b_base64(text)
        except ValueError:
            raw = b""
        # Decoding passes over what is not in the alphabet (and its strict mode, over padding that is not needed). Three bytes for every four
        # characters is what it makes of nothing but characters that count, so no other text gives the same bytes.
        if not raw or 4 * len(raw) != 3 * len(text):
            return self._unsigned(purpose, text)
        nonce, sealed = raw[:NONCE_BYTES], raw[NONCE_BYTES:]
        for decrypt in decrypts:
            try:
                padded = decrypt(nonce, sealed, bound)
            except (InvalidTag, ValueError):
                continue
            return padded[: -padded[-1]]
        raise BrokenSeal

    def _unsigned(self, purpose: str, text: str | bytes) -> bytes:
        """What is inside the signature of *text*."""
        try:
            signed = text.encode("ascii") if isinstance(text, str) else text
        except UnicodeEncodeError:
            raise BrokenSeal from None
        body, signature = signed[:-_SIGNATURE_LENGTH], signed[-_SIGNATURE_LENGTH:]
        for cipher, _, keyed, bound in self._keys[purpose]:
            mac = keyed.copy()
            mac.update(body)
            # Compared as text: decoding would accept several spellings of one signature (unused bits, characters outside the alphabet).
            if hmac.compare_digest(b"." + urlsafe_b64encode(mac.finalize()), signature + b"="):
                return _decrypted(cipher, body, bound)
        raise BrokenSeal


def _decrypted(cipher: AESGCM, body: bytes, bound: bytes) -> bytes:
    """*body* was signed by us; what cannot be decoded was not sealed by this class."""
    try:
        raw = a2b_base64(body.translate(_STANDARD_ALPHABET) + b"==")  # padding that is not needed is passed over
        return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        raise BrokenSeal from None


def _checked(secrets: Sequence[str | bytes]) -> list[bytes]:
    if isinstance(secrets, (str, bytes)):
        # Iterating it would make one-character keys of it (catalogue CK-16).
        raise ConfigError(["secret_key: a list of secrets is needed here, not a single one"])
    material = [secret.encode() if isinstance(secret, str) else bytes(secret) for secret in secrets]
    if not material:
        raise ConfigError(["secret_key: at least one secret is needed"])
    if any(len(secret) < MIN_SECRET_BYTES for secret in material):
        raise ConfigError([f"secret_key: every secret needs at least {MIN_SECRET_BYTES} bytes"])
    return material


def _expand(secret: bytes, label: bytes, purpose: str, context: str, length: int) -> bytes:
    """A key for one purpose (RFC 5869). Every part of ``info`` carries its length, so that no two sets of parts give the same bytes."""
    info = b"".join(len(part).to_bytes(4, "big") + part for part in (label, purpose.encode(), context.encode()))
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret)


def _derive(secret: bytes, purpose: str, context: str) -> _Keys:
    keys = _expand(secret, b"oidc_middleware 1", purpose, context, 64)
    # itsdangerous: SHA-1 and a key derivation for every call are the defaults (catalogue CK-21, Appendix A 1).
    algorithm = _HmacSha256(keys[32:])
    return _Keys(AESGCM(keys[:32]), Signer(keys[32:], key_derivation="none", algorithm=algorithm), algorithm.keyed, purpose.encode())
