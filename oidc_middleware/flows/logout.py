"""Signing out: here first, then at the provider (OpenID Connect RP-Initiated Logout 1.0), and never because another site wants it."""

from __future__ import annotations

import logging
from typing import Final

from oidc_middleware.errors import LoginError, ProviderError, Unavailable
from oidc_middleware.flows.answers import login_url, navigates, page, problem, redirect, wants_page
from oidc_middleware.flows.backchannel import end_index
from oidc_middleware.flows.effects import Flow, Random, Report, Shielded, current_time
from oidc_middleware.flows.login import form_parameters, single_parameters
from oidc_middleware.flows.messages import Request, Respond
from oidc_middleware.flows.metadata import provider_metadata
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.flows.resume import current_session, user_of
from oidc_middleware.flows.site import Site
from oidc_middleware.flows.stored import own_index
from oidc_middleware.flows.tokens import SIGN_OUT_SECONDS, give_back, refresh_token_of
from oidc_middleware.pages import render_confirm_logout, render_signed_out
from oidc_middleware.policy.origin import proves_same_origin
from oidc_middleware.protocol.logout import end_session_request
from oidc_middleware.sessions.sealing import BrokenSeal
from oidc_middleware.sessions.session import Session
from oidc_middleware.sessions.session_cookie import SessionRead

_STATE_PURPOSE: Final = "post-logout"


def logout_endpoint(request: Request, rp: RelyingParty, site: Site) -> Flow[Respond]:
    """``POST logout``, or a ``GET`` that proves to come from here. Anything doubtful is asked again, and a foreign site gets nothing (LO-01)."""
    read = yield from _known_session(request, rp, site)
    same_origin = proves_same_origin(request.header("sec-fetch-site"), request.headers("origin"), site.origin)
    parameters = single_parameters(request.query)
    if request.method == "POST":
        if same_origin is False:
            raise LoginError("cross_site_request", "sign-out posted from another site")
        parameters |= yield from form_parameters(request)
        if same_origin is None and not _csrf_holds(parameters.get("csrf_token", ""), request, site, read.session):
            return (yield from _confirm(request, rp, site, read.session, parameters))
    elif same_origin is not True or not navigates(request):  # an image in a page of the app is same-origin as well, and nobody's wish
        return (yield from _confirm(request, rp, site, read.session, parameters))
    # Whoever closes the window at once wants it no less: it is done to the end (catalogue F-PR-08).
    answer: Respond = yield Shielded(lambda: _sign_out(request, rp, site, read.session, parameters.get("return_to")))
    return answer


def _known_session(request: Request, rp: RelyingParty, site: Site) -> Flow[SessionRead]:
    """The session to end. A list of ended sessions that is away keeps nobody from signing out."""
    if site.stored is not None:
        return (yield from current_session(request, rp, site))
    return site.sessions.read(request.cookie, request.now)


def _end_session(request: Request, rp: RelyingParty, site: Site, session: Session | None) -> Flow[tuple[str, ...]]:
    """Forget the session here. With a store that is away there is nothing to forget it in: the error says so, and the user tries again.

    A session in a cookie is named as ended in the browser, and goes on the list of ended ones, where there is one: then a copy of the cookie is over
    as well (catalogue CK-06). That holds for one that was idle for too long, too: another tab or an open socket may have kept it alive (SF-05).
    """
    if site.stored is not None:
        cookies = yield from site.stored.end(request)
    else:
        session = site.sessions.ending(request.cookie, request.now)
        cookies = site.sessions.end(request.cookie, request.now)
        if session is not None and rp.settings.revocation is not None:
            try:
                yield from end_index(own_index(session), session.issued, rp)
            except Unavailable as error:
                yield Report("logout.not_listed", logging.WARNING, code=error.code, detail=error.detail)
    if session is not None:
        rp.sockets.end(session)
    return cookies


def _binding(session: Session | None) -> str:
    return f"{session.issuer}\n{session.subject}\n{session.created}" if session is not None else ""


def _csrf_holds(token: str, request: Request, site: Site, session: Session | None) -> bool:
    return site.csrf.check(token, _binding(session), request.now)


def _confirm(request: Request, rp: RelyingParty, site: Site, session: Session | None, parameters: dict[str, str]) -> Flow[Respond]:
    if not wants_page(request):
        return problem(403, code="cross_site_request", title="Sign out with POST from this site.")
    entropy: bytes = yield Random(12)
    return_to = parameters.get("return_to")
    content = render_confirm_logout(
        title=rp.settings.title,
        action=site.url("logout"),
        csrf_token=site.csrf.make(_binding(session), request.now, entropy),
        return_to=site.return_path(return_to) if return_to else "",
        who=user_of(session, rp).display_name if session is not None else "",
        home_url=site.landing,
        form_origins=form_origins(),
    )
    return page(200, content)


def form_origins() -> tuple[str, ...]:
    """Where a form of ours may end. Browsers hold redirects against ``form-action`` too, and a provider may hand on to others."""
    return ("https:", "http:")


def _sign_out(request: Request, rp: RelyingParty, site: Site, session: Session | None, wish: str | None) -> Flow[Respond]:
    refresh_token = None if session is None else (yield from refresh_token_of(session, site))
    cookies = yield from _end_session(request, rp, site, session)
    cleared = (*cookies, site.rounds.clear())
    return_to = _wished(site, wish)
    if session is None:
        return redirect(return_to or site.url("signed-out"), status=303, set_cookies=cleared)
    yield Report("logout.local")
    now = yield from current_time()
    if refresh_token is not None:
        yield from give_back(refresh_token, rp, now + SIGN_OUT_SECONDS)
    location = yield from _provider_logout(rp, site, session, return_to)
    return redirect(location or return_to or site.url("signed-out"), status=303, set_cookies=cleared)


def _wished(site: Site, wish: str | None) -> str | None:
    """The wished return path; none where it is refused, for the landing page would sign in again by itself (catalogue LO-11)."""
    path = site.return_path(wish)
    return path if path == wish else None


def _provider_logout(rp: RelyingParty, site: Site, session: Session, return_to: str | None) -> Flow[str | None]:
    """Where to sign out at the provider, or ``None``: a provider that is away does not keep anybody from signing out here (LO-02)."""
    try:
        metadata = yield from provider_metadata(rp.provider, rp.settings, seconds=SIGN_OUT_SECONDS)
    except (ProviderError, Unavailable) as error:
        yield Report("logout.provider_unavailable", code=error.code, detail=error.detail)
        return None
    if metadata.end_session_endpoint is None:
        return None
    entropy: bytes = yield Random(12)
    return end_session_request(
        metadata.end_session_endpoint,
        client_id=rp.settings.client_id,
        post_logout_redirect_uri=site.signed_out_uri,
        id_token_hint=session.id_token,
        state=site.keyring.seal(_STATE_PURPOSE, (return_to or "").encode(), entropy),
    )


def signed_out_endpoint(request: Request, rp: RelyingParty, site: Site) -> Flow[Respond]:
    """The public page after sign-out, and the post-logout redirect URI. A wrong or missing state changes nothing (catalogue LO-04)."""
    state = single_parameters(request.query).get("state", "")
    try:
        return_to = site.keyring.open(_STATE_PURPOSE, state).decode("utf-8", "replace")
    except BrokenSeal:
        return_to = ""
    if return_to:
        return redirect(site.return_path(return_to), status=303)
    yield Report("logout.done")
    return page(200, render_signed_out(title=rp.settings.title, login_url=login_url(site)))
