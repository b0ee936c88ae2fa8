"""The end-session endpoint (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from oidc_middleware.provider.decisions import hinted
from oidc_middleware.provider.memory import Session
from oidc_middleware.provider.options import Pending, State
from oidc_middleware.provider.parameters import Parsed, read_parameters
from oidc_middleware.provider.refusals import FatalRequest, RequestRefused
from oidc_middleware.provider.registry import Client
from oidc_middleware.provider.web import Browser, page, raw_parameters, redirect, refusal_page, waiting_page


async def logout(state: State, request: Request) -> Response:
    """GET and POST ``/logout``. Without an ID token of this very session a page asks first, else any site could sign people out (section 2)."""
    browser = Browser(state, request)
    try:
        info = _checked(state, read_parameters(await raw_parameters(request)))
    except RequestRefused as refusal:
        return refusal_page(refusal)
    session = browser.session
    if session is None or _is_about(info, session):
        return browser.remember(_signed_out(browser, info))
    client = state.clients.get(info["client_id"] or "")
    pending = Pending("logout", browser.name, info, session)
    return browser.remember(waiting_page(state, pending, "logout.html", client=client.label if client else "", user=session.user))


async def confirm_logout(state: State, request: Request) -> Response:
    """POST ``/logout/confirm``: the page's answer, from the browser it was shown to."""
    browser = Browser(state, request)
    try:
        form = read_parameters(await raw_parameters(request)).values
        pending = browser.pending("logout", form.get("ticket"))
    except RequestRefused as refusal:
        return refusal_page(refusal)
    if form.get("action") != "sign-out":
        return browser.answered(form, page("signed_out.html", user=browser.session.user if browser.session else None))
    return browser.answered(form, _signed_out(browser, pending.info))


def _checked(state: State, parsed: Parsed) -> dict[str, Any]:
    """The parameters, when they fit together (sections 2 and 3). A post-logout redirect URI counts only to the letter (catalogue RD-19)."""
    values, repeated = parsed
    if repeated:
        raise FatalRequest("invalid_request", "A parameter was sent more than once.")
    hint = hinted(state, values["id_token_hint"]) if "id_token_hint" in values else {}
    audience = hint.get("aud")
    client_id = values.get("client_id", audience)
    if hint and client_id != audience:
        raise FatalRequest("invalid_request", "The client_id is not the one that the id_token_hint was issued to.")
    client = state.clients.get(client_id or "")
    if client_id is not None and client is None:
        raise FatalRequest("invalid_client", "There is no client with this client_id.")
    uri = values.get("post_logout_redirect_uri")
    if uri is not None and not _may_return(client, uri):
        raise FatalRequest("invalid_request", "The post_logout_redirect_uri is not registered for this client, to the letter.")
    return {"client_id": client_id, "hint": hint, "post_logout_redirect_uri": uri, "state": values.get("state")}


def _may_return(client: Client | None, uri: str) -> bool:
    return client is not None and client.accepts_post_logout_redirect_uri(uri)


def _is_about(info: dict[str, Any], session: Session) -> bool:
    """The hint is an ID token of this very session, so the client may end it without asking."""
    hint = info["hint"]
    return bool(hint.get("sub") == session.user.sub and hint.get("sid") == session.sid)


def _signed_out(browser: Browser, info: dict[str, Any]) -> Response:
    browser.sign_out()
    uri = info["post_logout_redirect_uri"]
    if uri is None:
        return page("signed_out.html", user=None)
    return redirect(uri, {"state": info["state"]} if info["state"] is not None else None)
