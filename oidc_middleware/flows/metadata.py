"""What we know of the provider: its metadata and its keys. Loaded when first needed, kept, refreshed, and served stale while it is away.

The application starts while the provider is down; nothing here runs before the first login.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeVar

from oidc_middleware.config import Settings
from oidc_middleware.errors import OIDCError, ProviderError, Unavailable
from oidc_middleware.flows.effects import Flow, Once, Report, current_time, fetch
from oidc_middleware.flows.patience import Patience
from oidc_middleware.protocol.client_auth import Client, choose_auth_method
from oidc_middleware.protocol.id_token import ExpectedIDToken, IDToken, verify_id_token
from oidc_middleware.protocol.keys import KeySet, jwks_request, process_jwks
from oidc_middleware.protocol.metadata import ProviderMetadata, discovery_request, process_discovery
from oidc_middleware.protocol.responses import DEFAULT_RETRY_AFTER

T = TypeVar("T")

#: Refresh after an hour, as most peers do within 10 minutes to 24 hours; serve stale for a day while the provider is away (F-OP-03).
FRESH_SECONDS: Final = 3600.0
STALE_SECONDS: Final = 86_400.0
#: A failure is remembered this long, so that a provider that is away costs each visitor nothing, yet is found back within 5 s (F-OP-01).
FAILURE_SECONDS: Final = 2.0
#: With a stale copy at hand there is no hurry.
STALE_FAILURE_SECONDS: Final = 30.0
#: While somebody asks anew, nobody waits who has a copy; longer than a call may take (F-OP-05).
ASKING_SECONDS: Final = 12.0
#: After a failure, who comes this soon after somebody began to ask anew waits for the answer: a crowd, when the provider is back (F-PR-19). Whoever
#: comes later hears of the last failure at once: a provider that hangs holds up a few, not everybody (F-OP-01).
JOIN_SECONDS: Final = 0.5
#: Threads that wait for a provider which was silent from the start. A server with twice as many has some left for signed-in users.
WAITING_THREADS: Final = 16
#: An unknown key is worth one fetch a minute, whoever asks (ID-09, JW-07; mod_auth_openidc chose the same).
FORCED_SECONDS: Final = 60.0
_NO_KEYS: Final = KeySet(())
#: Either says that the key set may be out of date: providers that rotate under an unchanged ``kid`` show as a wrong signature.
_STALE_KEY_CODES: Final = frozenset({"id_token_key_unknown", "id_token_signature"})


@dataclass(slots=True)
class Memory(Generic[T]):
    """One document of the provider. Threads share it without a lock: half of a change costs a needless call to the provider, and nothing else."""

    value: T | None = None
    fetched_at: float = 0.0
    failure: OIDCError | None = None
    failed_at: float = 0.0
    wait: float = 0.0
    asked_at: float = float("-inf")

    def usable(self, now: float, max_age: float) -> T | None:
        """The document, if it is younger than *max_age* seconds. A clock that went back makes it neither younger nor older."""
        return self.value if self.value is not None and abs(now - self.fetched_at) < max_age else None

    def remember(self, value: T, now: float) -> T:
        self.value, self.fetched_at, self.failure = value, now, None
        return value

    def remember_failure(self, error: OIDCError, now: float) -> None:
        wait = FAILURE_SECONDS if self.usable(now, STALE_SECONDS) is None else STALE_FAILURE_SECONDS
        if isinstance(error, Unavailable) and (error.code == "provider_throttled" or error.retry_after > DEFAULT_RETRY_AFTER):
            wait = max(wait, error.retry_after)  # the provider named it (catalogue F-OP-07, DI-08)
        self.failure, self.failed_at, self.wait = _bare(error), now, wait

    def recent_failure(self, now: float) -> OIDCError | None:
        """The failure, if it was a moment ago; a new exception for each caller. A clock that is set back does not prolong it (catalogue F-PR-10)."""
        failure = self.failure
        return _bare(failure) if failure is not None and abs(now - self.failed_at) < self.wait else None

    def last_failure(self) -> OIDCError | None:
        """What the last attempt failed with, if it failed."""
        return None if self.failure is None else _bare(self.failure)

    def asked_for(self, now: float) -> float:
        """Seconds for which somebody has been asking the provider for it; infinite when nobody is."""
        return abs(now - self.asked_at)


def _bare(error: OIDCError) -> OIDCError:
    """A copy without traceback. One exception raised again and again keeps the frames of every request it ended, cookies and all."""
    return copy.copy(error)


@dataclass(slots=True)
class ProviderMemory:
    """All we remember of one provider, for one middleware in one process."""

    issuer: str
    metadata: Memory[ProviderMetadata] = field(default_factory=Memory)
    keys: Memory[KeySet] = field(default_factory=Memory)
    patience: Patience = field(default_factory=Patience)
    forced_at: float = float("-inf")


def provider_metadata(
    memory: ProviderMemory, settings: Settings, now: float | None = None, *, seconds: float | None = None
) -> Flow[ProviderMetadata]:
    """The provider's metadata (OpenID Connect Discovery 4). Raises ``ProviderError`` or ``Unavailable`` when there is none to be had.

    *now*: the time of a request that has not waited for anything yet, so that it need not be asked again. *seconds*: who is in a hurry takes what is
    there, be it a little old, and else waits no longer than this.
    """
    fresh = None if now is None else memory.metadata.usable(now, FRESH_SECONDS)
    if fresh is not None:
        return fresh

    def load() -> Flow[ProviderMetadata]:
        response = yield from fetch(replace(discovery_request(settings.issuer), seconds=seconds))
        metadata = process_discovery(response, issuer=settings.issuer, allow_insecure_http=settings.insecure_allow_http)
        if "S256" not in metadata.code_challenge_methods:
            if settings.require_pkce:
                raise ProviderError("metadata_invalid", "require_pkce is set, but the provider does not advertise S256")
            if memory.metadata.value is None:  # once, not at every refresh; S256 is sent all the same (RFC 9700 2.1.1)
                yield Report("provider.pkce_not_advertised", logging.WARNING)
        return metadata

    if seconds is None:
        return (yield from _remembered(memory.metadata, "metadata", load))
    now = yield from current_time()
    known = memory.metadata.usable(now, STALE_SECONDS)
    return known if known is not None else (yield from _remembered(memory.metadata, "metadata in a hurry", load))


def all_to_finish(memory: ProviderMemory, settings: Settings) -> Flow[ProviderMetadata]:
    """The metadata, when all that a login needs from here on is there: keys too, and no endpoint that asked to be left alone.

    Asked before a code is sent: whatever is missing then costs nobody a login (catalogue F-OP-04, F-OP-07).
    """
    metadata = yield from provider_metadata(memory, settings)
    if not _need_no_keys(settings.id_token_algs):
        yield from provider_keys(memory, metadata)
    now = yield from current_time()
    memory.patience.check(finishing(settings), now)
    return metadata


def finishing(settings: Settings) -> tuple[str, ...]:
    """The endpoints that a login needs after its code came back."""
    return ("token",) if settings.userinfo == "never" else ("token", "userinfo")


def client_of(settings: Settings, metadata: ProviderMetadata) -> Client:
    """Who we are at the provider, and how we prove it."""
    method = choose_auth_method(settings.client_auth, settings.client_secret is not None, metadata)
    return Client(settings.client_id, settings.client_secret, method)


def provider_keys(memory: ProviderMemory, metadata: ProviderMetadata) -> Flow[KeySet]:
    """The provider's signing keys. Raises ``ProviderError`` or ``Unavailable`` when there are none to be had."""
    return (yield from _remembered(memory.keys, "keys", lambda: _load_keys(metadata)))


def _load_keys(metadata: ProviderMetadata) -> Flow[KeySet]:
    response = yield from fetch(jwks_request(metadata))
    keys = process_jwks(response)
    if keys.skipped:
        yield Report("keys.skipped", detail="; ".join(keys.skipped)[:250])
    return keys


def _remembered(memory: Memory[T], name: str, load: Callable[[], Flow[T]]) -> Flow[T]:
    now = yield from current_time()
    fresh = memory.usable(now, FRESH_SECONDS)
    if fresh is not None:
        return fresh
    stale = memory.usable(now, STALE_SECONDS)
    failure = memory.recent_failure(now)
    if failure is None and memory.asked_for(now) < ASKING_SECONDS:
        if stale is not None:
            return stale
        if memory.asked_for(now) >= JOIN_SECONDS:
            failure = memory.last_failure()
    if failure is None:
        try:
            loaded: T = yield Once(name, lambda: _load_unless_done(memory, load), WAITING_THREADS)
            return loaded
        except OIDCError as error:
            failure = error
            if stale is not None:  # nobody else is told of it
                level = logging.ERROR if isinstance(error, ProviderError) else logging.WARNING
                yield Report("provider.not_refreshed", level, error.code, f"{name} of before used on: {error.detail}")
    if stale is None:
        raise failure
    return stale


def _load_unless_done(memory: Memory[T], load: Callable[[], Flow[T]]) -> Flow[T]:
    """*load*, unless another thread did it between our look at *memory* and our turn."""
    now = yield from current_time()
    fresh, failure = memory.usable(now, FRESH_SECONDS), memory.recent_failure(now)
    if fresh is not None:
        return fresh
    if failure is not None:
        raise failure
    return (yield from _load(memory, load, now))


def _load(memory: Memory[T], load: Callable[[], Flow[T]], now: float) -> Flow[T]:
    memory.asked_at = now
    try:
        value = yield from load()
        now = yield from current_time()
        return memory.remember(value, now)
    except OIDCError as error:
        now = yield from current_time()
        memory.remember_failure(error, now)
        raise
    finally:  # a cancelled request as well: the next one asks
        memory.asked_at = float("-inf")


def verified_id_token(token: object, expected: ExpectedIDToken, memory: ProviderMemory, metadata: ProviderMetadata) -> Flow[tuple[IDToken, KeySet]]:
    """Verify *token*; when its key is unknown, look for new keys once (OIDC Core 10.1.1) and verify again."""

    def verify(keys: KeySet, now: float) -> IDToken:
        return verify_id_token(token, expected, key_set=keys, now=now)

    return (yield from with_keys(verify, expected.algs, memory, metadata))


def _need_no_keys(algs: Sequence[str]) -> bool:
    """The client secret is the key: the provider need not publish any."""
    return all(name.startswith("HS") for name in algs)


def with_keys(
    verify: Callable[[KeySet, float], T], algs: Sequence[str], memory: ProviderMemory, metadata: ProviderMetadata
) -> Flow[tuple[T, KeySet]]:
    """The result of *verify* with the provider's keys, which are looked for once more when the one needed is unknown."""
    if _need_no_keys(algs):
        now = yield from current_time()
        return verify(_NO_KEYS, now), _NO_KEYS
    keys = yield from provider_keys(memory, metadata)
    now = yield from current_time()
    try:
        return verify(keys, now), keys
    except ProviderError as error:
        if error.code not in _STALE_KEY_CODES:
            raise
        looked = abs(now - memory.forced_at) < FORCED_SECONDS
        failure = memory.keys.last_failure() if looked else memory.keys.recent_failure(now)
        if isinstance(failure, Unavailable):  # whether the provider has this key cannot be known now (catalogue F-OP-03)
            raise failure from error
        if looked:
            raise
    keys = yield Once("forced-keys", lambda: _forced_keys(memory, metadata, now))
    now = yield from current_time()
    return verify(keys, now), keys


def _forced_keys(memory: ProviderMemory, metadata: ProviderMetadata, now: float) -> Flow[KeySet]:
    if memory.keys.value is not None and abs(now - memory.forced_at) < FORCED_SECONDS:  # another thread was quicker
        return memory.keys.value
    try:
        return (yield from _load(memory.keys, lambda: _load_keys(metadata), now))
    finally:
        memory.forced_at = now  # at the end: whoever comes while the fetch is under way shares it instead of being refused
