"""The provider ends sessions: OpenID Connect Back-Channel Logout 1.0. The signature of the logout token is the only authority (LT-20).

A token is not remembered by its ``jti``: it ends what was issued until its own ``iat``, and that once more changes nothing (LT-08). For the same
reason a provider that was told of a fault may simply come again (LT-18).
"""

from __future__ import annotations

import json
import logging
from typing import Final

from oidc_middleware.config import Settings
from oidc_middleware.errors import ConfigError, LoginError, OIDCError, ProviderError, Unavailable
from oidc_middleware.flows.answers import empty, respond
from oidc_middleware.flows.effects import Flow, Random, ReadBody, Report, Shielded, StoreEnd, StoreHolds, current_time
from oidc_middleware.flows.messages import Request, Respond
from oidc_middleware.flows.metadata import provider_metadata, with_keys
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.flows.site import Site
from oidc_middleware.flows.stored import sid_indexes, user_index
from oidc_middleware.flows.stored_tokens import token_index
from oidc_middleware.protocol.keys import KeySet
from oidc_middleware.protocol.logout_token import (
    MAX_BODY_LENGTH,
    ExpectedLogoutToken,
    LogoutToken,
    parse_logout_request,
    verify_logout_token,
)

_NO_KEYS: Final = KeySet(())

#: Why nobody is told that a logout took place, although the sessions here ended.
SCATTERED: Final = "memory:// is for one process, and there are several: what ends in one goes on in the others. Use sqlite:/// or redis://"


def backchannel_logout_endpoint(request: Request, rp: RelyingParty, _site: Site) -> Flow[Respond]:
    """``POST backchannel-logout``: exactly 200, or exactly 400 (Back-Channel Logout 2.8), never cached."""
    if not rp.revocable:
        raise LoginError("not_found", "back-channel logout needs a store, or revocation in cookie mode")
    try:
        body: bytes = yield ReadBody(MAX_BODY_LENGTH)
        token = parse_logout_request(body, request.header("content-type"))
        logout = yield from _verified(token, rp)
        ended = yield from end_sessions(logout, rp)
        if rp.scattered:  # the provider has to know that sessions may go on (catalogue LT-17)
            raise Unavailable("store_unavailable", SCATTERED)
    except OIDCError as error:
        return (yield from _refused(error))
    yield Report("logout.backchannel", detail=f"{ended} sessions ended")
    return empty(200)


def _verified(token: str, rp: RelyingParty) -> Flow[LogoutToken]:
    expected = expected_logout_token(rp.settings)

    def verify(keys: KeySet, now: float) -> LogoutToken:
        return verify_logout_token(token, expected, key_set=keys, now=now)

    now = yield from current_time()
    try:
        return verify(_NO_KEYS, now)  # with HS256 and its kin the client secret is the key
    except ProviderError:
        pass  # nothing but its key is in question. Whatever else is wrong was refused just now, and costs the provider nothing (catalogue LT-02)
    try:
        metadata = yield from provider_metadata(rp.provider, rp.settings)
        logout, _ = yield from with_keys(verify, expected.algs, rp.provider, metadata)
    except ProviderError as error:
        raise LoginError("logout_token_invalid", f"{error.code}: {error.detail}") from None
    return logout


def expected_logout_token(settings: Settings) -> ExpectedLogoutToken:
    """What a logout token has to say to us; signed as ID tokens are."""
    return ExpectedLogoutToken(
        issuer=settings.issuer,
        client_id=settings.client_id,
        algs=settings.id_token_algs,
        leeway=settings.leeway,
        extra_audiences=settings.extra_audiences,
        allow_missing_exp=settings.allow_missing_exp,
        client_secret=settings.client_secret,
    )


def end_sessions(logout: LogoutToken, rp: RelyingParty) -> Flow[int]:
    """End the sessions that *logout* is about: that of its ``sid``, or all of its subject (Back-Channel Logout 2.7).

    Raises ``LoginError("logout_token_invalid")`` when the session of its ``sid`` is somebody else's (2.6; catalogue LT-12).
    """
    if logout.sid is not None:
        index, *whosever = sid_indexes(logout.issuer, logout.sid, logout.subject)
        ended = yield from end_index(index, logout.issued_at, rp)
        if not ended and whosever and rp.settings.store is not None:  # a list of ended sessions knows of none that lives
            yield from _refuse_mismatch(index, *whosever)
        return ended
    if logout.subject is not None:
        return (yield from end_index(user_index(logout.issuer, logout.subject), logout.issued_at, rp))
    raise LoginError("logout_token_invalid", "neither sid nor sub")  # cannot be: the token was verified


def _refuse_mismatch(theirs: str, whosever: str) -> Flow[None]:
    """Refuse a ``sid`` under which somebody else's session lives, and none of the ``sub`` that came with it.

    Looked at when nothing ended, and not before: the mark that was set by then stops the right session should it be written in this moment
    (catalogue LT-16), and is nothing to sessions that have another ``sub``. One that is newer than the token is no mismatch.
    """
    if (yield StoreHolds(whosever)) and not (yield StoreHolds(theirs)):
        raise LoginError("logout_token_invalid", "the session of this sid belongs to another sub")


def end_index(index: str, issued_until: float, rp: RelyingParty, *, keep: float | None = None) -> Flow[int]:
    """End what *index* finds, and let nothing begin that was issued before, for *keep* seconds (by default as long as a session may live).

    Whoever asked for it may go away: it is done to the end (catalogue F-PR-08).
    """
    seconds = rp.settings.session_lifetime + rp.settings.leeway if keep is None else keep
    rp.revocations.note(index, issued_until)
    ended: int = yield Shielded(lambda: _ended(index, issued_until, seconds, rp))
    return ended


def _ended(index: str, issued_until: float, keep: float, rp: RelyingParty) -> Flow[int]:
    ended: int = yield StoreEnd(index, issued_until, keep)
    if rp.settings.keep_tokens:
        yield StoreEnd(token_index(index), issued_until, keep)  # their own index: what is counted are sessions
    rp.sockets.wake(index)
    return ended


def sign_out_everywhere(subject: str, rp: RelyingParty) -> Flow[int]:
    """End all sessions of *subject* that exist now, at an operator's word."""
    if not rp.revocable:
        raise ConfigError(["revocation: signing a user out everywhere needs store, or revocation in cookie mode"])
    now = yield from current_time()
    ended = yield from end_index(user_index(rp.settings.issuer, subject), now, rp)
    yield Report("logout.everywhere", detail=f"{ended} sessions ended")
    if rp.scattered:
        raise ConfigError([f"store: {SCATTERED}"])
    return ended


def _refused(error: OIDCError) -> Flow[Respond]:
    """400 for whatever went wrong (Back-Channel Logout 2.8): the provider shall know that nothing may have ended."""
    random: bytes = yield Random(6)
    away = isinstance(error, Unavailable)
    yield Report("logout.backchannel_refused", logging.ERROR if away else logging.WARNING, error.code, error.detail, random.hex())
    body = json.dumps({"error": "invalid_request", "error_description": f"{error.code} {random.hex()}"}).encode()
    retry = (("Retry-After", str(error.retry_after)),) if isinstance(error, Unavailable) else ()
    return respond(400, headers=(("Content-Type", "application/json"), *retry), body=body)
