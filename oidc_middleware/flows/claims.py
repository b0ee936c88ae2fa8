"""From verified tokens to a session: what to demand of the ID token, when to call UserInfo, what to keep."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from oidc_middleware.config import Settings
from oidc_middleware.errors import LoginError, ProviderError
from oidc_middleware.flows.effects import Flow, Random
from oidc_middleware.flows.messages import Request
from oidc_middleware.flows.patience import ask
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.flows.site import Site
from oidc_middleware.protocol.id_token import ExpectedIDToken, IDToken
from oidc_middleware.protocol.keys import KeySet
from oidc_middleware.protocol.messages import KeptConnection
from oidc_middleware.protocol.metadata import ProviderMetadata
from oidc_middleware.protocol.tokens import TokenSet
from oidc_middleware.protocol.userinfo import process_userinfo, userinfo_request
from oidc_middleware.sessions.kept_tokens import KeptTokens
from oidc_middleware.sessions.session import Session

#: What a scope promises (OIDC Core 5.4). One telling claim each: a provider that sends it in the ID token sends its kin as well.
#: ``groups`` is no standard scope, but what Keycloak, Authentik, Dex and others agree on.
_PROMISED: Final[Mapping[str, tuple[str, ...]]] = {
    "profile": ("name", "preferred_username", "given_name", "family_name", "nickname"),
    "email": ("email",),
    "address": ("address",),
    "phone": ("phone_number",),
    "groups": ("groups",),
}
#: Claims about the token, not about the user: checked, then of no use to anybody.
_PROTOCOL_CLAIMS: Final = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "exp", "iat", "nbf", "jti", "azp", "aud", "typ"})
#: An address, and the claim that says whether it is verified (OIDC Core 5.1).
_VERIFIED: Final = {"email": "email_verified", "phone_number": "phone_number_verified"}
#: Kept when not everything fits and ``session_claims`` says nothing: who somebody is and what rules ask about.
_ESSENTIAL_CLAIMS: Final = frozenset(
    {"iss", "sub", "sid", "name", "given_name", "family_name", "preferred_username", "email", "email_verified", "groups", "roles", "acr", "amr",
     "auth_time", "locale", "zoneinfo"}
)  # fmt: skip


def expected_id_token(settings: Settings, *, nonce: str, access_token: str | None) -> ExpectedIDToken:
    """What the ID token of this login has to say (OIDC Core 3.1.3.7)."""
    max_age = settings.authorize_params.get("max_age")
    acr_values = settings.authorize_params.get("acr_values") or ()
    return ExpectedIDToken(
        issuer=settings.issuer,
        client_id=settings.client_id,
        nonce=nonce,
        algs=settings.id_token_algs,
        leeway=settings.leeway,
        max_age=int(str(max_age)) if max_age is not None else None,
        acr_values=tuple(acr_values.split() if isinstance(acr_values, str) else acr_values),  # type: ignore[arg-type]  # validated option
        extra_audiences=settings.extra_audiences,
        client_secret=settings.client_secret,
        access_token=access_token,
    )


def userinfo_claims(
    id_token: IDToken,
    tokens: TokenSet,
    metadata: ProviderMetadata,
    expected: ExpectedIDToken,
    keys: KeySet,
    rp: RelyingParty,
    kept: KeptConnection | None = None,
) -> Flow[Mapping[str, Any]]:
    """The claims of UserInfo (OIDC Core 5.3), or none where it need not be asked. *kept*: where the token request may have left its connection."""
    endpoint = metadata.userinfo_endpoint
    if not _userinfo_due(id_token.claims, rp):
        return {}
    if endpoint is None:
        if rp.settings.userinfo == "always":
            raise ProviderError("userinfo_invalid", "userinfo is set to always, but the provider has no UserInfo endpoint")
        return {}
    response = yield from ask(rp.provider.patience, replace(userinfo_request(endpoint, tokens.access_token), kept=kept))
    return process_userinfo(response, subject=id_token.subject, expected=expected, key_set=keys)


def _userinfo_due(claims: Mapping[str, Any], rp: RelyingParty) -> bool:
    settings = rp.settings
    if settings.userinfo != "auto":
        return settings.userinfo == "always"
    promised = [_PROMISED[scope] for scope in settings.scopes if scope in _PROMISED]
    wanted = [*promised, *((name,) for name in _asked_by_name(settings)), *((name,) for name in rp.allow.claims)]
    return any(not any(name in claims for name in names) for names in wanted)


def _asked_by_name(settings: Settings) -> Iterable[str]:
    """Claims that the ``claims`` parameter asks of UserInfo (OIDC Core 5.5), and those the session is configured to keep."""
    requested = settings.authorize_params.get("claims")
    document = json.loads(requested) if isinstance(requested, str) else requested
    userinfo = document.get("userinfo") if isinstance(document, Mapping) else None
    yield from userinfo if isinstance(userinfo, Mapping) else ()
    yield from settings.session_claims or ()


def _merged(signed: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Both, the ID token's claims first. That an address is verified is said of the address beside it, never of another document's (ID-34)."""
    merged = {**more, **signed}
    for address, proof in _VERIFIED.items():
        first, second = (signed, more) if address in signed else (more, signed)
        if proof in first:
            merged[proof] = first[proof]
        elif proof in second and second.get(address) != first.get(address):
            del merged[proof]
    return merged


def new_session(id_token: IDToken, more: Mapping[str, Any], tokens: TokenSet, settings: Settings, now: float) -> Session:
    """A new session at every login. Where both name a claim, the signed one of the ID token counts (catalogue UI-05)."""
    claims = {name: value for name, value in _merged(id_token.claims, more).items() if name not in _PROTOCOL_CLAIMS}
    issued_at = id_token.claims["iat"]
    return Session(
        issuer=id_token.issuer,
        subject=id_token.subject,
        claims_json=_json(claims),
        created=now,
        seen=now,
        expires=now + settings.session_lifetime,
        sid=id_token.sid,
        scopes=tuple(tokens.scope.split()) if tokens.scope else settings.scopes,
        id_token=id_token.raw,
        auth_time=id_token.auth_time,
        issued_at=float(issued_at),
    )


def keep_session(
    session: Session, request: Request, rp: RelyingParty, site: Site, now: float, tokens: KeptTokens | None = None
) -> Flow[tuple[str, ...]]:
    """Keep a new session where sessions live, and end the one that the browser had: an answer for that one may be late (catalogue SF-03, SF-05).

    Result: the cookies to set. Raises ``LoginError``: too large, or ended before it began.
    """
    if site.stored is not None:
        return (yield from site.stored.write(_configured(session, rp), request, now, tokens))
    entropy: bytes = yield Random(12)
    cookies = session_cookies(session, rp, site, now, entropy, site.sessions.read(request.cookie, now).present)
    return (*cookies, *site.sessions.replaced(request.cookie, cookies, now))


def _configured(session: Session, rp: RelyingParty) -> Session:
    """*session* with the claims that it is configured to keep; all, unless configured."""
    if rp.settings.session_claims is None:
        return session
    claims = _only(json.loads(session.claims_json), {*rp.settings.session_claims, "iss", "sub", *rp.allow.claims})
    return replace(session, claims_json=_json(claims))


def session_cookies(session: Session, rp: RelyingParty, site: Site, now: float, entropy: bytes, present: Sequence[str]) -> tuple[str, ...]:
    """The session's cookies, with as much as fits: first the ID token (a hint for sign-out) goes, then what nobody asked for."""
    session = _configured(session, rp)
    smaller = [session, replace(session, id_token=None)]
    if rp.settings.session_claims is None:
        essential = _only(json.loads(session.claims_json), {*_ESSENTIAL_CLAIMS, *rp.allow.claims})
        smaller.append(replace(session, id_token=None, claims_json=_json(essential)))
    for candidate in smaller[:-1]:
        try:
            return site.sessions.write(candidate, now, entropy, present)
        except LoginError:  # too large: the next one is smaller, and the last one's error is the user's
            continue
    return site.sessions.write(smaller[-1], now, entropy, present)


def _only(claims: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    wanted = frozenset(names) | {"_claim_names"}  # says that a claim is incomplete: a rule must go on knowing that (catalogue AZ-01)
    return {name: value for name, value in claims.items() if name in wanted}


def _json(claims: Mapping[str, Any]) -> str:
    return json.dumps(claims, separators=(",", ":"), ensure_ascii=False)
