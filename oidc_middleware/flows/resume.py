"""From a cookie to the user behind it. No I/O; the product's hot path."""

from __future__ import annotations

from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.identity import User
from oidc_middleware.sessions.session import Session


def user_of(session: Session, rp: RelyingParty) -> User:
    """The user of *session*: made once, and kept with the session for as long as its cookie is cached."""
    user = session.memo
    if user is None:
        user = rp.user_type(session.issuer, session.subject, session.claims_json, session.scopes)
        object.__setattr__(session, "memo", user)
    return user  # type: ignore[return-value]  # the memo is ours alone
