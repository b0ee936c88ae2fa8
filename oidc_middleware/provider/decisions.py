"""What an authorization request leaves open: must somebody sign in, agree, or be somebody else? (OpenID Connect Core 3.1.2.1, 3.1.2.3, 5.5.1)"""

from __future__ import annotations

from oidc_middleware.provider.authorization import RequestInfo
from oidc_middleware.provider.claims_request import asked_for, is_essential, wanted_values
from oidc_middleware.provider.memory import Grant, Session, new_handle
from oidc_middleware.provider.options import State
from oidc_middleware.provider.people import SampleUser
from oidc_middleware.provider.refusals import RequestRefused


def is_fresh(state: State, session: Session | None, info: RequestInfo) -> bool:
    """Somebody is signed in, recently enough for ``max_age``. A ``max_age`` of 0 is never fresh: it means ``prompt=login`` (Core 3.1.2.1)."""
    if session is None or session.ended:
        return False
    max_age = info["max_age"]
    return max_age is None or (max_age > 0 and state.clock.now() - session.auth_time <= max_age)


def must_sign_in(state: State, session: Session | None, info: RequestInfo) -> bool:
    """Whether the sign-in page has to be shown."""
    if session is None or not is_fresh(state, session, info) or info["prompt"] & {"login", "select_account"}:
        return True
    return not is_wanted(state, session.user, info)


def may_stay(state: State, session: Session | None, info: RequestInfo) -> bool:
    """Whether the page may offer to go on as who is signed in already (``select_account``), without a new authentication."""
    return "login" not in info["prompt"] and is_fresh(state, session, info) and session is not None and is_wanted(state, session.user, info)


def is_wanted(state: State, user: SampleUser, info: RequestInfo) -> bool:
    wanted = wanted_subject(state, info)
    return wanted is None or wanted == user.sub


def wanted_subject(state: State, info: RequestInfo) -> str | None:
    """Who has to be signed in, by ``id_token_hint`` or by a requested value of ``sub``; ``None`` when anybody will do.

    An expired hint is as good as a fresh one; one that this provider did not issue is refused. Judged once and kept in ``wanted_subject``: keys may
    have been rotated by the time a page is answered.
    """
    if "wanted_subject" in info:
        kept: str | None = info["wanted_subject"]
        return kept
    subjects = [value for member in ("id_token", "userinfo") for value in wanted_values(info["claims"], "sub", member)[:1]]
    if info["id_token_hint"] is not None:
        subjects.append(hinted(state, info["id_token_hint"])["sub"])
    if len(set(map(str, subjects))) > 1:
        raise RequestRefused("invalid_request", "The request asks for two different users.")
    return str(subjects[0]) if subjects else None


def hinted(state: State, hint: str) -> dict[str, str]:
    """The claims of an ``id_token_hint``. Raises :class:`RequestRefused` unless this provider signed it as an ID token."""
    claims = state.keys.verify(hint)
    if claims is None or claims.get("iss") != state.issuer or not isinstance(claims.get("sub"), str):
        raise RequestRefused("invalid_request", "The id_token_hint is no ID token of this provider.")
    return claims


def choose_acr(state: State, info: RequestInfo) -> str | None:
    """The authentication class to assert: the first wanted one that is supported, else the usual one.

    Raises :class:`RequestRefused` ``unmet_authentication_requirements`` when an essential request cannot be met (Core 5.5.1.1).
    """
    wanted = [*wanted_values(info["claims"], "acr"), *info["acr_values"]]
    essential = wanted_values(info["claims"], "acr") if is_essential(info["claims"], "acr") else []
    if essential and not set(map(str, essential)) & set(state.options.acr_values):
        raise RequestRefused("unmet_authentication_requirements", "The requested authentication context class cannot be met.")
    return next((value for value in [*wanted, *state.options.acr_values] if value in state.options.acr_values), None)


def lacks_consent(state: State, session: Session | None, info: RequestInfo) -> bool:
    """Whether the user still has to agree to what is asked for."""
    if not state.options.consent:
        return False
    return session is None or not requested_access(info) <= state.consents.get((session.user.sub, info["client_id"]), frozenset())


def record_consent(state: State, session: Session, info: RequestInfo) -> None:
    key = (session.user.sub, info["client_id"])
    state.consents[key] = state.consents.get(key, frozenset()) | requested_access(info)


def requested_access(info: RequestInfo) -> frozenset[str]:
    """Scopes, and claims by name, as ``claim:<name>``."""
    names = {name for member in ("userinfo", "id_token") for name in asked_for(info["claims"], member)}
    return frozenset(info["scopes"]) | {f"claim:{name}" for name in names}


def signed_in(state: State, user: SampleUser, before: Session | None) -> Session:
    """Who just signed in. The same person again stays in the same session (``sid``); anybody else ends it."""
    now = state.clock.now()
    if before is not None and before.user.sub == user.sub and not before.ended:
        before.user, before.auth_time = user, now
        return before
    if before is not None:
        before.ended = True
    return Session(user, now, sid=new_handle(state.clock))


def granted(state: State, session: Session, info: RequestInfo) -> Grant:
    """What the client gets. Raises :class:`RequestRefused` when somebody else than asked for signed in, or ``acr`` cannot be met."""
    if not is_wanted(state, session.user, info):
        raise RequestRefused("login_required", "The signed-in user is not the one that was asked for.")
    return Grant(
        client_id=info["client_id"],
        redirect_uri=info["redirect_uri"],
        scopes=tuple(info["scopes"]),
        session=session,
        auth_time=session.auth_time,
        info=info,
        acr=choose_acr(state, info),
    )
