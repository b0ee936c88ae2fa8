"""Sessions on the server: the cookie carries an unguessable id, the store the sealed session under a hash of it (architecture: store mode).

Whoever reads the store learns no id and no session; whoever writes it cannot make a session, for a sealed value names the key it belongs to.
A store that is away is ``Unavailable`` and nothing else: no cookie is cleared, and nobody gets in (catalogue F-ST-01).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from oidc_middleware.errors import LoginError, Unavailable
from oidc_middleware.flows.effects import Flow, Random, Report, Shielded, StoreCreate, StoreDelete, StoreGet, StoreReplace
from oidc_middleware.flows.stored_tokens import StoredTokens, token_key
from oidc_middleware.sessions.codec import UnknownFormat
from oidc_middleware.sessions.cookies import CookieNames, delete_cookie, find, find_prefix, set_cookie
from oidc_middleware.sessions.kept_tokens import KeptTokens
from oidc_middleware.sessions.packing import pack, unpack
from oidc_middleware.sessions.sealing import BrokenSeal, Keyring
from oidc_middleware.sessions.session import Lifetimes, Session, decode, encode
from oidc_middleware.sessions.session_cookie import SessionRead

if TYPE_CHECKING:
    from oidc_middleware.flows.messages import Request

#: 256 bits (catalogue CK-24): nobody guesses one, so the id needs no signature.
ID_BYTES: Final = 32
#: The id, and behind it the name of the memory that the session is in, where it is in one.
_ID: Final = re.compile(r"[A-Za-z0-9_-]{43}(?:\.(?P<memory>[0-9a-f]{12}))?")
_PURPOSE: Final = "stored-session"
#: Sessions of a generation that stay opened; two are kept.
_REMEMBERED: Final = 1_024
#: A session that is touched in that very moment is written a second time; more than that is no coincidence.
_ATTEMPTS: Final = 3


def store_key(session_id: str) -> str:
    """Where the session is kept: a hash, so that a copy of the store opens no session (catalogue CK-24)."""
    return "s:" + _digest(session_id.encode("ascii"))


def user_index(issuer: str, subject: str) -> str:
    """All sessions of a user: issuer and subject together (OIDC Core 5.7)."""
    return "u:" + _hash(issuer, subject)


def sid_indexes(issuer: str, sid: str, subject: str | None) -> tuple[str, ...]:
    """All sessions here that belong to one session at the provider; with the subject, only if it is theirs (Back-Channel Logout 2.6)."""
    plain = "i:" + _hash(issuer, sid)
    return (plain,) if subject is None else ("j:" + _hash(issuer, sid, subject), plain)


def indexes_of(session: Session) -> tuple[str, ...]:
    """Everything *session* can be ended by."""
    sid = () if session.sid is None else sid_indexes(session.issuer, session.sid, session.subject)
    return (user_index(session.issuer, session.subject), *sid)


def own_index(session: Session) -> str:
    """What only *session* is ended by, where it lives in a cookie and has no id: its time, and the ID token as long as it fits."""
    return "c:" + _hash(session.issuer, session.subject, repr(session.created), session.id_token or "")


def _hash(*texts: str) -> str:
    joined = "".join(f"{len(text)}:{text}" for text in texts)
    return _digest(joined.encode("utf-8", "surrogatepass"))


def _digest(data: bytes) -> str:
    """SHA-256 in 43 characters. Redis keeps small indexes in a compact form as long as no member has more than 64: a third of a session's size."""
    return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode("ascii")


class StoredSessions:
    """Reads, writes and ends the sessions of one site."""

    def __init__(
        self, names: CookieNames, keyring: Keyring, lifetimes: Lifetimes, *, keep_tokens: bool = False, memory: Callable[[], str] | None = None
    ) -> None:
        self._name = names.session
        self._secure = names.secure
        self._keyring = keyring
        self._lifetimes = lifetimes
        self._memory = memory
        #: What was opened, under its key; two generations, so that the busy ones stay. Threads share them without a lock: each step is whole.
        self._young: dict[str, tuple[bytes, Session]] = {}
        self._old: dict[str, tuple[bytes, Session]] = {}
        self.tokens = StoredTokens(keyring) if keep_tokens else None

    def read(self, request: Request) -> Flow[SessionRead]:
        """The session behind the cookie of *request*; its ``record`` names where it is kept."""
        present = tuple(name for name in find_prefix(request.cookie, self._name) if _is_ours(name, self._name))
        session_id, reason = self._id_in(request.cookie)
        if session_id is None:
            return SessionRead(None, present, reason)
        session, reason = yield from self.at(store_key(session_id), request.now)
        if reason == "gone" and self._is_elsewhere(session_id):
            reason = "elsewhere"
        return SessionRead(session, present, reason)

    def at(self, key: str, now: float) -> Flow[tuple[Session | None, str]]:
        """The session kept under *key*, if it counts now, and what became of it otherwise."""
        record: tuple[bytes, int] | None = yield StoreGet(key)
        if record is None:
            return None, "gone"
        data, version = record
        session = self._opened(key, data)
        if session is None:
            return None, "unknown_format"
        if not self._lifetimes.alive(session, now):
            return None, "expired"
        session.note(record=(key, version))
        return session, "ok"

    def write(self, session: Session, request: Request, now: float, tokens: KeptTokens | None = None) -> Flow[tuple[str, ...]]:
        """Keep a new session under a new id, and forget the one the browser had (catalogue SF-01). Result: the cookies to set.

        *tokens* are kept beside it, before it: a session that is there is complete. A browser that goes away stops none of it half-way
        (catalogue F-PR-08).

        Raises ``LoginError("signed_out_meanwhile")`` when the provider ended it before it began.
        """
        random: bytes = yield Random(ID_BYTES + 12)
        session_id = urlsafe_b64encode(random[:ID_BYTES]).rstrip(b"=").decode("ascii")
        session_id += f".{self._memory()}" if self._memory is not None else ""
        key = store_key(session_id)
        data = self._sealed(key, session, random[ID_BYTES:])
        create = StoreCreate(key, data, self._lifetimes.remaining(session, now), indexes_of(session), session.issued)
        yield Shielded(lambda: self._written(create, tokens, request, now))
        max_age = max(1, int(session.expires - now))
        surplus = self._surplus(request, {self._name})
        return (set_cookie(self._name, session_id, max_age=max_age, secure=self._secure), *surplus)

    def _written(self, create: StoreCreate, tokens: KeptTokens | None, request: Request, now: float) -> Flow[None]:
        try:
            if self.tokens is not None and tokens is not None:
                created: bool = yield from self.tokens.create(create.key, tokens, create.indexes, create.issued_at, now)
                if not created:
                    raise LoginError("signed_out_meanwhile")
            kept: bool = yield create
            if not kept:
                raise LoginError("signed_out_meanwhile")
            yield from self._replaced(request)
        except Unavailable:
            try:  # what was stored all the same is nobody's: its id is not given out
                yield from self.forget(create.key)
            except Unavailable as error:
                yield Report("session.left_over", logging.WARNING, error.code, error.detail)
            raise

    def _replaced(self, request: Request) -> Flow[None]:
        """Forget the session from before. Once more, if need be: the code is spent, and that session may be gone although nobody said so."""
        try:
            yield from self._delete(request)
        except Unavailable:
            yield from self._delete(request)

    def touch(self, session: Session, record: tuple[str, int], now: float) -> Flow[None]:
        """Write down that the session is in use. When somebody else just did, or ended it, theirs counts (catalogue SF-05).

        A store that takes no writes turns nobody away: the session was read, and is good until its idle limit (catalogue F-ST-07).
        """
        entropy: bytes = yield Random(12)
        key, version = record
        touched = self._lifetimes.touched(session, now)
        try:
            written: bool = yield StoreReplace(key, self._sealed(key, touched, entropy), version, self._lifetimes.remaining(touched, now))
        except Unavailable as error:
            yield Report("session.not_prolonged", logging.WARNING, error.code, error.detail)
            return
        if not written:
            yield Report("session.changed_meanwhile", logging.DEBUG)

    def rescope(self, key: str, scopes: tuple[str, ...], now: float) -> Flow[None]:
        """The provider changed what it grants. Whoever else writes at the same time writes first."""
        for _ in range(_ATTEMPTS):
            record: tuple[bytes, int] | None = yield StoreGet(key)
            session = None if record is None else self._opened(key, record[0])
            if record is None or session is None:
                return
            session = replace(session, scopes=scopes)
            entropy: bytes = yield Random(12)
            written: bool = yield StoreReplace(key, self._sealed(key, session, entropy), record[1], self._lifetimes.remaining(session, now))
            if written:
                return

    def forget(self, key: str) -> Flow[None]:
        """The session under *key* is over, and before it what was kept with it: whoever has to repeat this finds the session, and so the rest."""
        if self.tokens is not None:
            yield StoreDelete(token_key(key), self._lifetimes.session_lifetime)
        yield StoreDelete(key, self._lifetimes.session_lifetime)

    def end(self, request: Request) -> Flow[tuple[str, ...]]:
        """Forget the session for good. Result: the cookies to delete."""
        yield from self._delete(request)
        return self._surplus(request, set())

    def _delete(self, request: Request) -> Flow[None]:
        """Each that exists. What never was leaves no trace: a program that makes ids up would fill the store with them (catalogue DS-03)."""
        for session_id in find(request.cookie, self._name):
            key = store_key(session_id) if _ID.fullmatch(session_id) else None
            if key is not None and (yield StoreGet(key)) is not None:
                yield from self.forget(key)

    def _surplus(self, request: Request, kept: set[str]) -> tuple[str, ...]:
        present: Iterable[str] = find_prefix(request.cookie, self._name)
        return tuple(delete_cookie(name, secure=self._secure) for name in present if name not in kept and _is_ours(name, self._name))

    def _id_in(self, cookie_header: str) -> tuple[str | None, str]:
        values = find(cookie_header, self._name)
        if len(values) != 1:
            # Planted from a sibling domain, or from http: there is no telling which one is ours (catalogue CK-08).
            return None, "ambiguous" if values else "absent"
        return (values[0], "ok") if _ID.fullmatch(values[0]) else (None, "broken")

    def _is_elsewhere(self, session_id: str) -> bool:
        """Whether the session of this id was put into another process's memory (catalogue F-ST-15)."""
        match = _ID.fullmatch(session_id)
        return match is not None and match["memory"] is not None and (self._memory is None or match["memory"] != self._memory())

    def _sealed(self, key: str, session: Session, entropy: bytes) -> bytes:
        return pack(self._keyring.seal(_PURPOSE, key.encode("ascii") + b"\n" + encode(session), entropy))

    def _opened(self, key: str, data: bytes) -> Session | None:
        """The session in *data*, opened once for as long as it stays the same."""
        known = self._young.get(key) or self._old.get(key)
        session = known[1] if known is not None and known[0] == data else self._unsealed(key, data)
        if session is not None:
            if len(self._young) >= _REMEMBERED and key not in self._young:
                self._old, self._young = self._young, {}
            self._young[key] = (data, session)
        return session

    def _unsealed(self, key: str, data: bytes) -> Session | None:
        """The session, if it is one of ours and belongs under this key: a store that mixes up answers lets nobody be somebody else (F-ST-11)."""
        try:
            owner, _, encoded = self._keyring.open(_PURPOSE, unpack(data)).partition(b"\n")
            return decode(encoded) if hmac.compare_digest(owner, key.encode("ascii")) else None
        except (BrokenSeal, UnknownFormat):
            return None


def _is_ours(name: str, stem: str) -> bool:
    """The session cookie, or a part that a longer session in cookies left behind."""
    return name == stem or (name[len(stem)] == "." and name[len(stem) + 1 :].isdigit() and len(name) < len(stem) + 4)
