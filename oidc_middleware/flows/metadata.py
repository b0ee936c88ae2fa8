"""What we know of the provider: its metadata and its keys. Loaded when first needed, kept, refreshed, and served stale while it is away.

The application starts while the provider is down; nothing here runs before the first login.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from oidc_middleware.config import Settings
from oidc_middleware.errors import OIDCError, ProviderError, Unavailable
from oidc_middleware.flows.effects import Flow, Once, Report, current_time, fetch
from oidc_middleware.flows.patience import Patience, ask, is_silence
from oidc_middleware.flows.remembered import Memory, load_anew, remembered
from oidc_middleware.protocol.client_auth import Client, choose_auth_method
from oidc_middleware.protocol.id_token import ExpectedIDToken, IDToken, verify_id_token
from oidc_middleware.protocol.keys import KeySet, jwks_request, process_jwks
from oidc_middleware.protocol.metadata import ProviderMetadata, discovery_request, process_discovery

T = TypeVar("T")

#: An unknown key is worth one fetch a minute, whoever asks (ID-09, JW-07; mod_auth_openidc chose the same).
FORCED_SECONDS: Final = 60.0
_NO_KEYS: Final = KeySet(())
#: Either says that the key set may be out of date: providers that rotate under an unchanged ``kid`` show as a wrong signature.
_STALE_KEY_CODES: Final = frozenset({"id_token_key_unknown", "id_token_signature"})


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
    fresh = None if now is None else memory.metadata.usable(now, memory.metadata.fresh)
    if fresh is not None:
        return fresh

    def load() -> Flow[ProviderMetadata]:
        response = yield from fetch(replace(discovery_request(settings.issuer), seconds=seconds))
        memory.patience.heard()
        metadata = process_discovery(response, issuer=settings.issuer, allow_insecure_http=settings.insecure_allow_http)
        if "S256" not in metadata.code_challenge_methods:
            if settings.require_pkce:
                raise ProviderError("metadata_invalid", "require_pkce is set, but the provider does not advertise S256")
            if memory.metadata.value is None:  # once, not at every refresh; S256 is sent all the same (RFC 9700 2.1.1)
                yield Report("provider.pkce_not_advertised", logging.WARNING)
        return metadata

    if seconds is None:
        return (yield from remembered(memory.metadata, "metadata", load))
    now = yield from current_time()
    known = memory.metadata.usable(now, memory.metadata.stale)
    return known if known is not None else (yield from remembered(memory.metadata, "metadata in a hurry", load))


def sign_of_life(memory: ProviderMemory, settings: Settings, now: float) -> Flow[None]:
    """Look whether the provider answers at all, since the last call to it came to nothing: nobody is sent to one that is away (catalogue F-OP-02).

    Raises ``Unavailable`` when it does not. *now*: the time of the request. One asks for all, as for the metadata, and any answer will do: those
    whose documents are broken may work well (F-OP-03). For the same reason one is let through now and then although nobody answered.
    """

    def knock() -> Flow[bool]:
        try:
            yield from ask(memory.patience, discovery_request(settings.issuer))
        except OIDCError as error:
            if is_silence(error) or error.code == "provider_busy":  # it was not even asked, for it answers nobody
                raise
        return True

    try:
        yield from remembered(memory.patience.life, "sign of life", knock)
    except Unavailable:
        if not memory.patience.may_try(now):
            raise


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
    return (yield from remembered(memory.keys, "keys", lambda: _load_keys(metadata)))


def _load_keys(metadata: ProviderMetadata) -> Flow[KeySet]:
    response = yield from fetch(jwks_request(metadata))
    keys = process_jwks(response)
    if keys.skipped:
        yield Report("keys.skipped", detail="; ".join(keys.skipped)[:250])
    return keys


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
        return (yield from load_anew(memory.keys, lambda: _load_keys(metadata), now))
    finally:
        memory.forced_at = now  # at the end: whoever comes while the fetch is under way shares it instead of being refused
