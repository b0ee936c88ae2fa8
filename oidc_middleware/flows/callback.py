"""The way back from the provider, in the order that matters: everything local first, then one call for the tokens, then every check on them.

No session exists before the last check has passed, and a session that existed before lives on until then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from oidc_middleware.errors import LoginError, OIDCError, Unavailable
from oidc_middleware.flows.answers import redirect
from oidc_middleware.flows.claims import expected_id_token, keep_session, new_session, userinfo_claims
from oidc_middleware.flows.effects import Claim, Connected, Flow, Random, ReadBody, Report, current_time
from oidc_middleware.flows.error_page import refuse_callback
from oidc_middleware.flows.messages import Request, Respond
from oidc_middleware.flows.metadata import all_to_finish, client_of, verified_id_token
from oidc_middleware.flows.patience import ask
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.flows.resume import current_session
from oidc_middleware.flows.site import Site
from oidc_middleware.flows.tokens import first_tokens
from oidc_middleware.protocol.authorization import CallbackParameters, ValidatedCallback, parse_callback, validate_callback
from oidc_middleware.protocol.id_token import IDToken
from oidc_middleware.protocol.messages import KeptConnection
from oidc_middleware.protocol.metadata import ProviderMetadata
from oidc_middleware.protocol.tokens import TokenSet, code_request, process_tokens
from oidc_middleware.sessions.cookies import short_hash
from oidc_middleware.sessions.pending import OWN_BUDGET, PendingLogin

#: An authorization response is a few hundred bytes; 64 kB is what mod_auth_openidc and Starlette's own limits settle near (ST-13).
MAX_FORM_BYTES: Final = 65_536
#: Whoever comes back with one of these did nothing wrong: a reload, the Back button, a second tab.
_REPLAYS: Final = frozenset({"no_transaction", "transaction_used"})


def callback_endpoint(request: Request, rp: RelyingParty, site: Site) -> Flow[Respond]:
    """The redirect URI. Whatever goes wrong leaves an existing session alone."""
    return_to: str | None = None
    cleared: tuple[str, ...] = ()
    try:
        raw = yield from _response_parameters(request, rp)
        parameters = parse_callback(raw)
        if parameters.state is None:
            raise LoginError("state_missing")
        return_to = site.logins.peek_return_to(request.cookie, parameters.state)
        pending = site.logins.take(request.cookie, parameters.state, request.now)
        try:
            answer = yield from _finish(parameters, pending, request, rp, site)
        except _NothingSent as outcome:  # the same answer may come again (catalogue F-OP-07, F-OP-10)
            raise outcome.error from outcome
        except OIDCError:
            cleared = (site.logins.clear(pending.state),)  # the code may be burnt
            raise
        return answer
    except OIDCError as error:
        safe = site.after_login(return_to) if return_to else None
        try:
            replayed = error.code in _REPLAYS and (yield from _still_signed_in(request, rp, site))
        except Unavailable as away:  # nobody can say whether there is a session: that is another answer, and deletes nothing
            return (yield from refuse_callback(away, request, rp, site, return_to=safe))
        if replayed:
            yield Report("login.replayed", code=error.code)
            return redirect(safe or site.landing, status=303)
        return (yield from refuse_callback(error, request, rp, site, return_to=safe, set_cookies=cleared))


def _still_signed_in(request: Request, rp: RelyingParty, site: Site) -> Flow[bool]:
    read = yield from current_session(request, rp, site)
    return read.session is not None


def _response_parameters(request: Request, rp: RelyingParty) -> Flow[str]:
    """The authorization response, from where the response mode puts it and from nowhere else (ST-12)."""
    if rp.settings.response_mode != "form_post":
        if request.method != "GET":
            raise LoginError("method_not_allowed", f"{request.method[:20]!r} on a callback that takes GET")
        return request.query
    if request.method != "POST":
        raise LoginError("method_not_allowed", f"{request.method[:20]!r} on a callback that takes POST (response_mode form_post)")
    content_type = request.header("content-type").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise LoginError("body_unsupported", f"content type {content_type[:100]!r}")
    body: bytes = yield ReadBody(MAX_FORM_BYTES)
    return body.decode("latin-1")


def _finish(parameters: CallbackParameters, pending: PendingLogin, request: Request, rp: RelyingParty, site: Site) -> Flow[Respond]:
    callback = validate_callback(parameters, state=pending.state, issuer=pending.issuer, iss_required=pending.iss_required)
    if pending.issuer != rp.settings.issuer:
        raise LoginError("iss_mismatch", "this login was started for another issuer")
    metadata = yield from _unspent(pending, rp)
    redeemed: _Redeemed = yield Connected(lambda kept: _redeemed(callback, pending, metadata, rp, kept))
    tokens, received, id_token, more = redeemed
    now = yield from current_time()
    session = new_session(id_token, more, tokens, rp.settings, now)
    kept = first_tokens(tokens, session, id_token, pending.nonce, received) if rp.settings.keep_tokens else None
    cookies = yield from keep_session(session, request, rp, site, now, kept)
    entropy: bytes = yield Random(12)
    rounds = site.rounds.add(request.cookie, now, entropy)
    room = OWN_BUDGET - site.sessions.cost_of_ended(request.cookie) - sum(len(cookie.partition(";")[0]) + 2 for cookie in (*cookies, rounds))
    trimmed = site.logins.trim(request.cookie, pending.state, now, room)
    yield Report("login.ok")
    return redirect(site.after_login(pending.return_to), status=303, set_cookies=(*cookies, site.logins.clear(pending.state), rounds, *trimmed))


def _unspent(pending: PendingLogin, rp: RelyingParty) -> Flow[ProviderMetadata]:
    """All that can fail before the code is sent, and costs nothing then. At the end the state is used up."""
    try:
        metadata = yield from all_to_finish(rp.provider, rp.settings)
        unused: bool = yield Claim("l:" + short_hash(pending.state, 43), rp.settings.login_timeout + rp.settings.leeway)
    except OIDCError as error:
        raise _NothingSent(error) from error
    if not unused:
        raise LoginError("transaction_used")
    return metadata


#: The tokens, when they came, what the ID token says, and what UserInfo adds.
_Redeemed = tuple[TokenSet, float, IDToken, Mapping[str, Any]]


def _redeemed(
    callback: ValidatedCallback, pending: PendingLogin, metadata: ProviderMetadata, rp: RelyingParty, kept: KeptConnection
) -> Flow[_Redeemed]:
    """All that is asked of the provider with the code of this login, over one connection where both endpoints are behind it."""
    shared = kept if rp.settings.userinfo != "never" and _beside(metadata.token_endpoint, metadata.userinfo_endpoint) else None
    tokens = yield from _exchange(callback, pending, metadata, rp, shared)
    received = yield from current_time()
    expected = expected_id_token(rp.settings, nonce=pending.nonce, access_token=tokens.access_token)
    id_token, keys = yield from verified_id_token(tokens.id_token, expected, rp.provider, metadata)
    more = yield from userinfo_claims(id_token, tokens, metadata, expected, keys, rp, shared)
    return tokens, received, id_token, more


def _beside(endpoint: str, other: str | None) -> bool:
    """Whether both have the same scheme, host and port, spelled the same."""
    return other is not None and endpoint.split("/", 3)[:3] == other.split("/", 3)[:3]


class _NothingSent(Exception):
    """The login goes on living: *error* came before anything was sent for it."""

    def __init__(self, error: OIDCError) -> None:
        super().__init__(error.code)
        self.error = error


def _exchange(
    callback: ValidatedCallback, pending: PendingLogin, metadata: ProviderMetadata, rp: RelyingParty, kept: KeptConnection | None
) -> Flow[TokenSet]:
    """Redeem the code: the first byte that leaves the machine for this login, and it leaves once (OIDC Core 3.1.3.1, catalogue DI-09)."""
    client = client_of(rp.settings, metadata)
    request = code_request(
        callback, token_endpoint=metadata.token_endpoint, client=client, redirect_uri=pending.redirect_uri, code_verifier=pending.code_verifier
    )
    try:
        response = yield from ask(rp.provider.patience, replace(request, kept=kept))
    except Unavailable as error:
        if error.sent:
            raise Unavailable("login_interrupted", f"{error.code}: {error.detail}", retry_after=error.retry_after) from error
        # The code never left, but this login is claimed; a new one is a click away.
        raise Unavailable(error.code, error.detail, retry_after=error.retry_after) from error
    return process_tokens(response)
