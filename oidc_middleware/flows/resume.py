"""From a cookie to the user behind it. Sessions in cookies need no I/O: that is the product's hot path."""

from __future__ import annotations

import logging

from oidc_middleware.errors import Unavailable
from oidc_middleware.flows.effects import Flow, Report
from oidc_middleware.flows.messages import Request
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.flows.site import Site
from oidc_middleware.identity import User
from oidc_middleware.sessions.session import Session
from oidc_middleware.sessions.session_cookie import SessionRead


def user_of(session: Session, rp: RelyingParty) -> User:
    """The user of *session*: made once, and kept with the session for as long as its cookie is cached."""
    user = session.memo
    if user is None:
        user = rp.user_type(session.issuer, session.subject, session.claims_json, session.scopes)
        session.note(memo=user)
    return user  # type: ignore[return-value]  # the memo is ours alone


def current_session(request: Request, rp: RelyingParty, site: Site) -> Flow[SessionRead]:
    """The session of *request*, wherever it lives, unless somebody ended it. Raises ``Unavailable`` when that cannot be known.

    Public paths of the application are for strangers, too: there, whoever cannot be known is one (catalogue F-ST-01).
    """
    try:
        return (yield from _known(request, rp, site))
    except Unavailable as error:
        if request.path.startswith(f"{rp.settings.prefix}/") or not rp.public.covers(request.path, request.target):
            raise
        yield Report("session.not_known", logging.WARNING, error.code, error.detail)
        return SessionRead(None, (), "away")


def _known(request: Request, rp: RelyingParty, site: Site) -> Flow[SessionRead]:
    if site.stored is not None:
        return (yield from site.stored.read(request))
    read = site.sessions.read(request.cookie, request.now)
    if read.session is None or rp.settings.revocation is None:
        return read
    ended = yield from rp.revocations.ask(read.session, request.now)
    return SessionRead(None, read.present, "ended") if ended else read
