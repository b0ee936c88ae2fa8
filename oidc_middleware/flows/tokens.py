"""``user.access_token()``: the kept token while it is good, a new one when it is due.

One refresh at a time, for a provider that rotates refresh tokens takes the second use of one for a theft (RFC 9700 4.14.2): single-flight within
the process, a lease in the store between processes. The lease has a time limit, since whoever holds it may die, and is longer than the call.
What the provider's answer brings is stored even if nobody waits for it any more. Only the provider's definite no ends the session.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from oidc_middleware.errors import LoginError, OIDCError, ProviderError, Unavailable
from oidc_middleware.flows.claims import expected_id_token
from oidc_middleware.flows.effects import Flow, Once, Random, Report, Shielded, Sleep, StoreAcquire, StoreRelease, current_time
from oidc_middleware.flows.metadata import client_of, provider_metadata, with_keys
from oidc_middleware.flows.patience import ask
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.flows.site import Site
from oidc_middleware.flows.stored import StoredSessions, user_index
from oidc_middleware.flows.stored_tokens import Held, StoredTokens, token_key
from oidc_middleware.identity import User
from oidc_middleware.protocol.claims import audiences
from oidc_middleware.protocol.id_token import IDToken
from oidc_middleware.protocol.keys import KeySet
from oidc_middleware.protocol.metadata import ProviderMetadata
from oidc_middleware.protocol.refresh import RefreshedTokens, process_refresh, refresh_request, verify_refreshed_id_token
from oidc_middleware.protocol.revocation import process_revocation, revocation_request
from oidc_middleware.protocol.tokens import TokenSet
from oidc_middleware.sessions.kept_tokens import MIN_INTERVAL, KeptTokens
from oidc_middleware.sessions.session import Session

#: Twice what a call may take: the one for the tokens, and one for keys that are not known yet.
LEASE_SECONDS: Final = 20.0
#: Who has to wait for another worker looks this often; for 12 s with a token that is still good, else until the lease of a dead one is over.
LOOK_SECONDS: Final = 0.2
LOOKS_WITH_TOKEN: Final = 60
LOOKS: Final = 110
#: Signing out waits no longer for the provider, whatever is asked of it (catalogue LO-12).
SIGN_OUT_SECONDS: Final = 2.0
#: The provider talks about somebody else: the session must not go on (catalogue RF-08).
_ANOTHER: Final = frozenset({"id_token_issuer", "id_token_subject"})


def first_tokens(tokens: TokenSet, session: Session, id_token: IDToken, nonce: str, received: float) -> KeptTokens:
    """What a login leaves to keep."""
    return KeptTokens(
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        received=received,
        expires=None if tokens.expires_in is None else received + tokens.expires_in,
        ends=session.expires,
        scopes=session.scopes,
        subject=session.subject,
        audience=tuple(sorted(audiences(id_token.claims["aud"]) or ())),
        nonce=nonce,
        auth_time=id_token.auth_time,
    )


def offer_access_token(user: User, session: Session, rp: RelyingParty, site: Site) -> None:
    """Let the application ask *user* for the access token of *session*. Nothing is asked of anybody before it does (catalogue RF-11)."""
    stored, drive = site.stored, rp.drive
    if stored is None or stored.tokens is None or session.record is None or drive is None:
        return
    keeper = TokenKeeper(session.record[0], rp, stored, stored.tokens)
    object.__setattr__(user, "_access_token", lambda: drive(keeper.access_token()))


class TokenKeeper:
    """The tokens of one session."""

    def __init__(self, session_key: str, rp: RelyingParty, sessions: StoredSessions, stored: StoredTokens) -> None:
        self._key = session_key
        self._rp = rp
        self._sessions = sessions
        self._stored = stored
        self._lease = "r" + token_key(session_key)

    def access_token(self) -> Flow[str]:
        """The access token. Raises ``LoginError("refresh_refused")`` or ``Unavailable``: see :meth:`oidc_middleware.identity.User.access_token`."""
        held = yield from self._held()
        now = yield from current_time()
        token = _at_hand(held.tokens, now)
        if token is not None:
            return token
        try:
            refreshed: str = yield Once(f"tokens {self._key}", self._refreshed)
            return refreshed
        except (ProviderError, Unavailable) as error:
            now = yield from current_time()
            if held.tokens.usable(now):
                return held.tokens.access_token  # it cannot be refreshed now, and need not be yet (catalogue RF-06)
            if isinstance(error, Unavailable):
                raise
            raise Unavailable("provider_unavailable", f"refresh: {error.code}: {error.detail}", retry_after=int(MIN_INTERVAL)) from error

    def _held(self) -> Flow[Held]:
        held = yield from self._stored.read(self._key)
        if held is None:
            # Ended meanwhile; or the session is from before tokens were kept: then a sign-in that nobody notices brings some.
            yield from self._sessions.forget(self._key)
            raise LoginError("refresh_refused", "there are no tokens of this session any more")
        return held

    def _refreshed(self) -> Flow[str]:
        """Refresh, or wait for the worker that does."""
        random: bytes = yield Random(16)
        owner = random.hex()
        for look in range(LOOKS):
            token: str | None = yield Shielded(lambda: self._with_lease(owner))
            if token is not None:
                return token
            yield Sleep(LOOK_SECONDS)
            held = yield from self._held()
            now = yield from current_time()
            done = _at_hand(held.tokens, now)
            if done is not None:
                return done
            if look >= LOOKS_WITH_TOKEN and held.tokens.usable(now):
                return held.tokens.access_token
        raise Unavailable("provider_timeout", "refresh: another worker has been at it for too long")

    def _with_lease(self, owner: str) -> Flow[str | None]:
        """The token, or ``None`` while somebody else has the lease. Nobody goes away with it: the others would wait for nothing."""
        try:
            mine: bool = yield StoreAcquire(self._lease, owner, LEASE_SECONDS)
            if not mine:
                return None
            token = yield from self._redeemed(owner)
        except OIDCError:
            yield from self._release(owner)
            raise
        yield from self._release(owner)
        return token

    def _release(self, owner: str) -> Flow[None]:
        try:
            yield StoreRelease(self._lease, owner)
        except Unavailable as error:  # it ends by itself
            yield Report("tokens.lease_not_released", code=error.code, detail=error.detail)

    def _redeemed(self, owner: str) -> Flow[str]:
        held = yield from self._held()  # once more: somebody may have been quicker
        now = yield from current_time()
        token = _at_hand(held.tokens, now)
        if token is not None:
            return token
        unwritten = self._stored.unwritten.pop(self._key, None)
        if unwritten is not None and unwritten.version == held.version:
            yield from self._kept(unwritten.tokens, held)
            return (yield from self._redeemed(owner))
        try:
            metadata = yield from provider_metadata(self._rp.provider, self._rp.settings)
            answer = yield from self._asked(held.tokens, metadata, owner)
        except LoginError as error:
            return (yield from self._refused(held, error))
        except (ProviderError, Unavailable) as error:
            yield from self._failed(held, held.tokens, error)
            raise
        now = yield from current_time()
        renewed = held.tokens.renewed(
            access_token=answer.access_token,
            expires_in=answer.expires_in,
            refresh_token=answer.refresh_token,
            scopes=None if answer.scope is None else tuple(answer.scope.split()),
            now=now,
        )
        try:
            yield from self._check_id_token(answer, held.tokens, metadata)
        except (ProviderError, Unavailable) as error:
            if error.code in _ANOTHER:
                raise (yield from self._ended(held.tokens, error)) from error
            # These tokens are not used, but the old refresh token is gone all the same.
            yield from self._failed(held, replace(held.tokens, refresh_token=renewed.refresh_token), error)
            raise
        return (yield from self._kept(renewed, held))

    def _asked(self, tokens: KeptTokens, metadata: ProviderMetadata, owner: str) -> Flow[RefreshedTokens]:
        client = client_of(self._rp.settings, metadata)
        request = refresh_request(tokens.refresh_token or "", token_endpoint=metadata.token_endpoint, client=client)
        try:
            response = yield from ask(self._rp.provider.patience, request)
        except Unavailable as error:
            if error.code != "provider_unreachable" or not error.sent:
                raise
            # The answer got lost. If the token was used up, there is nothing left to lose; some providers take it twice (catalogue RF-04).
            yield StoreAcquire(self._lease, owner, LEASE_SECONDS)
            response = yield from ask(self._rp.provider.patience, request)
        return process_refresh(response)

    def _check_id_token(self, answer: RefreshedTokens, tokens: KeptTokens, metadata: ProviderMetadata) -> Flow[None]:
        """OIDC Core 12.2: a new ID token is about the same person, for the same application."""
        if answer.id_token is None:
            return
        expected = expected_id_token(self._rp.settings, nonce=tokens.nonce, access_token=answer.access_token)

        def verify(keys: KeySet, now: float) -> IDToken:
            return verify_refreshed_id_token(
                answer.id_token,
                expected,
                key_set=keys,
                now=now,
                subject=tokens.subject,
                original_audience=tokens.audience,
                original_auth_time=tokens.auth_time,
            )

        yield from with_keys(verify, expected.algs, self._rp.provider, metadata)

    def _kept(self, renewed: KeptTokens, held: Held) -> Flow[str]:
        """Store what was received, and only then use it."""
        try:
            written = yield from self._written(renewed, held)
        except Unavailable:
            self._stored.remember(self._key, Held(renewed, held.version))
            raise
        if not written:
            current = yield from self._stored.read(self._key)
            if current is None:  # signed out meanwhile, which revoked the old token and not this one
                if renewed.refresh_token is not None:
                    now = yield from current_time()
                    yield from give_back(renewed.refresh_token, self._rp, now + SIGN_OUT_SECONDS)
                raise LoginError("refresh_refused", "the session ended while its tokens were refreshed")
            return current.tokens.access_token
        yield Report("tokens.refreshed", logging.DEBUG)
        if set(renewed.scopes) != set(held.tokens.scopes):
            try:
                yield from self._sessions.rescope(self._key, renewed.scopes, renewed.received)
            except Unavailable as error:  # the token is good all the same
                yield Report("session.not_rescoped", logging.WARNING, error.code, error.detail)
        return renewed.access_token

    def _written(self, tokens: KeptTokens, held: Held, attempts: int = 3) -> Flow[bool]:
        try:
            return (yield from self._stored.replace(self._key, tokens, held.version, tokens.received))
        except Unavailable:
            if attempts == 1:
                raise
        yield Sleep(LOOK_SECONDS)  # a store that is away for a moment is asked again: what was received exists nowhere else
        return (yield from self._written(tokens, held, attempts - 1))

    def _refused(self, held: Held, error: LoginError) -> Flow[str]:
        """``invalid_grant``. The last look: somebody else may have used this refresh token first (catalogue RF-04, RF-05)."""
        current = yield from self._stored.read(self._key)
        if current is not None and current.tokens.refresh_token != held.tokens.refresh_token:
            return current.tokens.access_token
        raise (yield from self._ended(held.tokens, error)) from error

    def _ended(self, tokens: KeptTokens, error: OIDCError) -> Flow[LoginError]:
        """The provider ended the session. Result: what to tell the application."""
        yield from self._sessions.forget(self._key)
        self._rp.sockets.wake(user_index(self._rp.settings.issuer, tokens.subject))
        yield Report("session.refused", logging.WARNING, error.code, error.detail)
        return LoginError("refresh_refused", f"{error.code}: {error.detail}")

    def _failed(self, held: Held, tokens: KeptTokens, error: OIDCError) -> Flow[None]:
        """Nobody tries again for a while, in whichever worker (catalogue RF-06)."""
        yield Report("tokens.not_refreshed", logging.WARNING, error.code, error.detail)
        now = yield from current_time()
        failed = replace(tokens, failed=now)
        try:
            yield from self._stored.replace(self._key, failed, held.version, now)
        except Unavailable as away:
            self._stored.remember(self._key, Held(failed, held.version))  # there may be a new refresh token in it
            yield Report("tokens.not_stored", logging.WARNING, away.code, away.detail)


def _at_hand(tokens: KeptTokens, now: float) -> str | None:
    """The token to give out without asking the provider, ``None`` when a refresh is due. Raises ``Unavailable`` when there is neither."""
    if tokens.fresh(now):
        return tokens.access_token
    if tokens.refresh_token is not None and not tokens.backing_off(now):
        return None
    if tokens.usable(now):
        return tokens.access_token
    if tokens.refresh_token is None:
        raise Unavailable("token_expired", "the provider gave no refresh token; it may want the scope offline_access")
    raise Unavailable("token_expired", "the last refresh failed a moment ago", retry_after=int(MIN_INTERVAL))


def refresh_token_of(session: Session, site: Site) -> Flow[str | None]:
    """The refresh token of *session*, to be given back when it ends. One that cannot be read keeps nobody signed in."""
    if site.stored is None or site.stored.tokens is None or session.record is None:
        return None
    try:
        held = yield from site.stored.tokens.read(session.record[0])
    except Unavailable as error:
        yield Report("tokens.not_revoked", logging.WARNING, error.code, error.detail)
        return None
    return None if held is None else held.tokens.refresh_token


def give_back(refresh_token: str, rp: RelyingParty, until: float) -> Flow[None]:
    """Revoke *refresh_token* where the provider can (RFC 7009), *until* then at most, in seconds since the epoch.

    A courtesy: whatever goes wrong is a line in the log (catalogue LO-12).
    """
    try:
        seconds = yield from _left(until)
        metadata = yield from provider_metadata(rp.provider, rp.settings, seconds=seconds)
        if metadata.revocation_endpoint is not None:
            request = revocation_request(metadata.revocation_endpoint, refresh_token, "refresh_token", client_of(rp.settings, metadata))
            seconds = yield from _left(until)
            response = yield from ask(rp.provider.patience, replace(request, seconds=seconds))
            process_revocation(response)
    except OIDCError as error:
        yield Report("tokens.not_revoked", logging.WARNING, error.code, error.detail)


def _left(until: float) -> Flow[float]:
    """Seconds until then, by a clock that may have been set meanwhile. Raises ``Unavailable`` when there are none."""
    now = yield from current_time()
    if now >= until:
        raise Unavailable("provider_timeout", "signing out has taken long enough", sent=False)
    return min(until - now, SIGN_OUT_SECONDS)
