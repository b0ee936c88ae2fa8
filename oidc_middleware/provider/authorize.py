"""The authorization endpoint and the two pages behind it: sign in, and agree (OpenID Connect Core 3.1.2)."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from oidc_middleware.errors import ConfigError
from oidc_middleware.protocol.strict_json import loads_object
from oidc_middleware.provider import decisions
from oidc_middleware.provider.authorization import RequestInfo, validate_authorization_request
from oidc_middleware.provider.memory import Session
from oidc_middleware.provider.options import SCOPES, Pending, State
from oidc_middleware.provider.parameters import read_parameters
from oidc_middleware.provider.people import SampleUser
from oidc_middleware.provider.refusals import Destination, RequestRefused
from oidc_middleware.provider.tokens import issue_code
from oidc_middleware.provider.web import Browser, answer, answer_refusal, raw_parameters, redirect, waiting_page

_PKCE_REQUIRED = {"public": None, "always": True, "never": False}
_PLAIN_QUERY = re.compile(r"[A-Za-z0-9\-._~%+*&=]{1,8000}")  # 8 kB: what servers commonly take in a request line
_LONGEST_CLAIMS = 16_384


async def authorize(state: State, request: Request) -> Response:
    """GET and POST ``/authorize``. Every refusal comes before any page; pages only ask what the request leaves open."""
    browser = Browser(state, request)
    try:
        raw = await raw_parameters(request)
        if _came_without_cookies(request, browser, raw):
            return redirect(f"{state.url('/authorize')}?{raw}")
        _, info = validate_authorization_request(
            raw,
            state.clients,
            require_pkce=_PKCE_REQUIRED[state.options.require_pkce],
            supported_scopes=SCOPES,
            silent_login=lambda info: decisions.is_fresh(state, browser.session, info),
            silent_consent=lambda info: not decisions.lacks_consent(state, browser.session, info),
            user_match=lambda info: _can_be_met(state, browser.session, info),
        )
        info["wanted_subject"] = decisions.wanted_subject(state, info)
    except RequestRefused as refusal:
        return answer_refusal(state, refusal)
    if decisions.must_sign_in(state, browser.session, info):
        return browser.remember(_sign_in_page(state, browser, info))
    return browser.remember(_go_on(state, browser, info, ask="consent" in info["prompt"]))


def _came_without_cookies(request: Request, browser: Browser, raw: str) -> bool:
    """A form posted from another site carries no ``SameSite=Lax`` cookie: come again by GET, which does."""
    cross_site = request.headers.get("sec-fetch-site") == "cross-site"
    fits = _PLAIN_QUERY.fullmatch(raw) is not None  # what a form encodes; a line break would end the Location header (catalogue RD-15)
    return request.method == "POST" and cross_site and browser.session is None and fits


def _can_be_met(state: State, session: Session | None, info: RequestInfo) -> bool:
    """Refuse now what no page could satisfy; somebody else may still sign in, unless no page may be shown (``prompt=none``)."""
    decisions.choose_acr(state, info)
    decisions.wanted_subject(state, info)
    return "none" not in info["prompt"] or (session is not None and decisions.is_wanted(state, session.user, info))


def _go_on(state: State, browser: Browser, info: RequestInfo, *, ask: bool = False) -> Response:
    """Somebody is signed in: on to consent where it is needed, else back to the client with a code."""
    session = browser.session
    if session is None:
        return answer(state, _destination(info), {"error": "login_required"})
    if ask or decisions.lacks_consent(state, session, info):
        return _consent_page(state, browser, info, session)
    try:
        grant = decisions.granted(state, session, info)
    except RequestRefused as refusal:
        return answer(state, _destination(info), {"error": refusal.error, "error_description": refusal.description})
    return answer(state, _destination(info), {"code": issue_code(state, grant)})


# -- sign in ----------------------------------------------------------------------------------------------------------------------------


async def sign_in(state: State, request: Request) -> Response:
    """POST ``/sign-in``: the page's answer. It counts only from the browser that the page was shown to (login CSRF)."""
    browser = Browser(state, request)
    try:
        form = read_parameters(await raw_parameters(request)).values
        pending = browser.pending("sign-in", form.get("ticket"))
    except RequestRefused as refusal:
        return answer_refusal(state, refusal)
    info, action = pending.info, form.get("action")
    if action == "cancel":
        return browser.answered(form, answer(state, _destination(info), _DENIED))
    if action == "stay" and decisions.may_stay(state, browser.session, info):
        return browser.answered(form, _go_on(state, browser, info, ask="consent" in info["prompt"]))
    try:
        user = _chosen(state, form)
    except ConfigError as error:
        return browser.remember(_sign_in_page(state, browser, info, ticket=form["ticket"], form=form, problem=error.problems[0]))
    browser.sign_in(decisions.signed_in(state, user, browser.session))
    return browser.answered(form, _go_on(state, browser, info, ask="consent" in info["prompt"]))


_DENIED = {"error": "access_denied", "error_description": "The user cancelled the sign-in."}


def _chosen(state: State, form: dict[str, str]) -> SampleUser:
    """A sample user, or one made of the form's claims. Raises :class:`ConfigError` with a sentence for the page."""
    if form.get("action") != "free":
        user = state.users.get(form.get("user", ""))
        if user is None:
            raise ConfigError(["Choose one of the people below."])
        return user
    if not state.options.free_claims:
        raise ConfigError(["Typing in claims is switched off."])
    text = form.get("claims", "").strip() or "{}"
    if len(text) > _LONGEST_CLAIMS:
        raise ConfigError(["The claims are too long."])
    try:
        claims = loads_object(text)
    except ValueError:
        raise ConfigError(['The claims must be one JSON object, such as {"name": "Ada"}.']) from None
    return SampleUser(form.get("sub", ""), claims=claims)


def _sign_in_page(
    state: State, browser: Browser, info: RequestInfo, *, ticket: str = "", form: dict[str, str] | None = None, problem: str = ""
) -> Response:
    """The people to choose from; the hinted one comes first. A page with a *problem* keeps what was typed."""
    hint = info["login_hint"] or ""
    suggested = {sub for sub, user in state.users.items() if sub == decisions.wanted_subject(state, info) or (hint and user.answers_to(hint))}
    form = form or {}
    return waiting_page(
        state,
        Pending("sign-in", browser.name, info, first_visit=browser.is_new),
        "sign_in.html",
        ticket=ticket,
        status=400 if problem else 200,
        client=state.clients[info["client_id"]].label,
        users=sorted(state.users.values(), key=lambda user: user.sub not in suggested),
        suggested=suggested,
        current=browser.session.user if browser.session and decisions.may_stay(state, browser.session, info) else None,
        free=state.options.free_claims,
        sub=form.get("sub", "" if suggested else hint),
        claims=form.get("claims", ""),
        problem=problem.removeprefix("users: "),
        display=info["display"] or "page",
    )


# -- consent ----------------------------------------------------------------------------------------------------------------------------


async def consent(state: State, request: Request) -> Response:
    """POST ``/consent``: the page's answer, from the same browser and while the same person is signed in."""
    browser = Browser(state, request)
    try:
        form = read_parameters(await raw_parameters(request)).values
        pending = browser.pending("consent", form.get("ticket"))
    except RequestRefused as refusal:
        return answer_refusal(state, refusal)
    session = browser.session
    if form.get("action") != "allow" or session is None or session is not pending.session:
        return browser.answered(form, answer(state, _destination(pending.info), _REFUSED))
    decisions.record_consent(state, session, pending.info)
    return browser.answered(form, _go_on(state, browser, pending.info))


_REFUSED = {"error": "access_denied", "error_description": "The user did not agree."}


def _consent_page(state: State, browser: Browser, info: RequestInfo, session: Session) -> Response:
    names = sorted(item.removeprefix("claim:") for item in decisions.requested_access(info) if item.startswith("claim:"))
    return waiting_page(
        state,
        Pending("consent", browser.name, info, session),
        "consent.html",
        client=state.clients[info["client_id"]].label,
        user=session.user,
        scopes=[scope for scope in info["scopes"] if scope != "openid"],
        names=names,
        display=info["display"] or "page",
    )


def _destination(info: RequestInfo) -> Destination:
    return Destination(info["redirect_uri"], info["state"], info["response_mode"])
