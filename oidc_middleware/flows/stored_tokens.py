"""Tokens on the server: a record of their own beside the session's, so that a session in use and a refresh never overwrite each other.

The record hangs on the session's id and on indexes of its own kind: whatever ends the session ends its tokens.
"""

from __future__ import annotations

import hmac
from typing import Final, NamedTuple

from oidc_middleware.errors import Unavailable
from oidc_middleware.flows.effects import Flow, Random, StoreCreate, StoreGet, StoreReplace
from oidc_middleware.sessions.codec import UnknownFormat
from oidc_middleware.sessions.kept_tokens import KeptTokens, decode, encode
from oidc_middleware.sessions.packing import pack, unpack
from oidc_middleware.sessions.sealing import BrokenSeal, Keyring

_PURPOSE: Final = "stored-tokens"
#: A store that is away while thousands of tokens are renewed is away for long; their users sign in again.
_MAX_UNWRITTEN: Final = 10_000


def token_key(session_key: str) -> str:
    """Where the tokens of the session under *session_key* are kept."""
    return "t:" + session_key.partition(":")[2]


def token_index(index: str) -> str:
    """What the tokens of the sessions under *index* are found by."""
    return "t" + index


class Held(NamedTuple):
    """Tokens as read, and the version that their replacement must name."""

    tokens: KeptTokens
    version: int


class StoredTokens:
    """Reads and writes the tokens of one site's sessions. Keys are those of the sessions."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        #: What was received while the store was away, by session: it exists nowhere else, and is written by the next who asks here.
        self.unwritten: dict[str, Held] = {}

    def remember(self, session_key: str, received: Held) -> None:
        """Keep *received* in this process, to take the place of its ``version`` once the store is back."""
        if len(self.unwritten) >= _MAX_UNWRITTEN:
            self.unwritten.clear()
        self.unwritten[session_key] = received

    def read(self, session_key: str) -> Flow[Held | None]:
        """The tokens, unless the session ended or none were kept.

        Raises ``Unavailable`` for those of a newer version: a worker of that version reads them, so nothing is over (catalogue F-PR-02).
        """
        record: tuple[bytes, int] | None = yield StoreGet(token_key(session_key))
        if record is None:
            return None
        tokens = self._opened(token_key(session_key), record[0])
        return None if tokens is None else Held(tokens, record[1])

    def create(self, session_key: str, tokens: KeptTokens, indexes: tuple[str, ...], issued: float, now: float) -> Flow[bool]:
        """Keep the first tokens of a session. ``False`` when its logout came first."""
        data = yield from self._sealed(session_key, tokens)
        created: bool = yield StoreCreate(token_key(session_key), data, _ttl(tokens, now), tuple(map(token_index, indexes)), issued)
        return created

    def replace(self, session_key: str, tokens: KeptTokens, version: int, now: float) -> Flow[bool]:
        """Write *tokens* in the place of *version*. ``False`` when somebody else did, or the session ended."""
        data = yield from self._sealed(session_key, tokens)
        replaced: bool = yield StoreReplace(token_key(session_key), data, version, _ttl(tokens, now))
        return replaced

    def _sealed(self, session_key: str, tokens: KeptTokens) -> Flow[bytes]:
        entropy: bytes = yield Random(12)
        return pack(self._keyring.seal(_PURPOSE, token_key(session_key).encode("ascii") + b"\n" + encode(tokens), entropy))

    def _opened(self, key: str, data: bytes) -> KeptTokens | None:
        """The tokens, if they are ours and belong under this key (F-ST-11)."""
        try:
            owner, _, encoded = self._keyring.open(_PURPOSE, unpack(data)).partition(b"\n")
            return decode(encoded) if hmac.compare_digest(owner, key.encode("ascii")) else None
        except BrokenSeal:
            return None
        except UnknownFormat:
            raise Unavailable("store_unavailable", "the tokens of this session were kept by another version of this package") from None


def _ttl(tokens: KeptTokens, now: float) -> float:
    return max(1.0, tokens.ends - now)
