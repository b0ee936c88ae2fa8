"""Sending somebody to the provider (OIDC Core 3.1.2.1), or telling a program that it has to.

Each login is its own sealed cookie, so any number of tabs may sign in at once and none disturbs another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from oidc_middleware.errors import LoginError
from oidc_middleware.flows.answers import navigates, problem, redirect
from oidc_middleware.flows.effects import Flow, Random, ReadBody, Report
from oidc_middleware.flows.messages import Request, Respond
from oidc_middleware.flows.metadata import finishing, provider_metadata, sign_of_life
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.flows.site import Site
from oidc_middleware.protocol.authorization import authorization_request
from oidc_middleware.protocol.pkce import code_challenge
from oidc_middleware.sessions.pending import TOKEN_BYTES, new_pending_login

#: Logins in a minute that ended without a session that stuck, before we stop and explain (catalogue DS-07).
MAX_ROUNDS: Final = 3
#: What a link may ask of the provider: to sign in as somebody else. Everything else is the operator's to configure (ST-17, ST-18).
_PROMPTS_FROM_LINKS: Final = frozenset({"login", "select_account"})
#: Our forms have a few short fields.
MAX_FORM_BYTES: Final = 8_192
_SAFE_IN_PATH: Final = "/:@!$&'()*+,;=-._~"


def challenge(request: Request, rp: RelyingParty, site: Site, *, stale_cookies: Sequence[str] = ()) -> Flow[Respond]:
    """No session: a navigation is sent to the provider, everything else is told to sign in (401), without a cookie."""
    if not navigates(request):
        headers = (("WWW-Authenticate", f'OpenIDConnect realm="{site.origin}{site.mount}"'),)
        return _told_to_sign_in(site, headers=headers, set_cookies=stale_cookies)
    if site.rounds.count(request.cookie, request.now) >= MAX_ROUNDS:
        raise LoginError("login_loop", f"{MAX_ROUNDS} sign-ins within a minute, and the browser still sends no usable session cookie")
    return (yield from start_login(request, rp, site, return_to=site.return_path(own_path(request, site)), set_cookies=stale_cookies))


def login_endpoint(request: Request, rp: RelyingParty, site: Site) -> Flow[Respond]:
    """``GET login?return_to=/path``: start a login on purpose. It never looks at the loop guard: somebody clicked."""
    parameters = single_parameters(request.query)
    if not _may_start(request):
        return _told_to_sign_in(site)
    prompt = parameters.get("prompt", "")
    overrides = {"prompt": prompt} if prompt in _PROMPTS_FROM_LINKS else {}
    return_to = site.after_login(parameters.get("return_to"))
    return (yield from start_login(request, rp, site, return_to=return_to, overrides=overrides, set_cookies=(site.rounds.clear(),)))


def initiate_endpoint(request: Request, rp: RelyingParty, site: Site) -> Flow[Respond]:
    """Third-party initiated login (OIDC Core 4). The named issuer must be ours before anything else happens (catalogue SS-01)."""
    parameters = single_parameters(request.query) if request.method != "POST" else (yield from form_parameters(request))
    if not _may_start(request):
        return _told_to_sign_in(site)
    if parameters.get("iss") != rp.settings.issuer:
        raise LoginError("iss_mismatch", "third-party initiated login names an issuer that is not configured")
    target = parameters.get("target_link_uri", "").removeprefix(site.origin)
    hint = parameters.get("login_hint", "")
    overrides = {"login_hint": hint} if 0 < len(hint) <= 256 and hint.isprintable() else {}
    return (yield from start_login(request, rp, site, return_to=site.return_path(target), overrides=overrides))


def _may_start(request: Request) -> bool:
    """A person's browser goes there, by a link or by a form; no script, no image, no page fetched in advance (catalogue ST-16, ST-20)."""
    return navigates(request) or (request.method == "POST" and request.header("sec-fetch-mode") in ("navigate", ""))


def _told_to_sign_in(site: Site, *, headers: Sequence[tuple[str, str]] = (), set_cookies: Sequence[str] = ()) -> Respond:
    address = site.origin + site.url("login")
    return problem(401, code="login_required", title="You need to sign in.", headers=headers, set_cookies=set_cookies, login_url=address)


def start_login(
    request: Request, rp: RelyingParty, site: Site, *, return_to: str, overrides: Mapping[str, object] | None = None, set_cookies: Sequence[str] = ()
) -> Flow[Respond]:
    """A new pending login in its own cookie, and the redirect that carries its state, nonce and code challenge."""
    settings = rp.settings
    metadata = yield from provider_metadata(rp.provider, settings, request.now)
    rp.provider.patience.check(finishing(settings), request.now)  # nobody signs in there to be turned away here (catalogue F-OP-07)
    if rp.provider.patience.life.failure is not None:
        yield from sign_of_life(rp.provider, settings, request.now)
    extra = {**settings.authorize_params, **(overrides or {})}
    entropy: bytes = yield Random(12 + 3 * TOKEN_BYTES)
    pending = new_pending_login(
        entropy[12:],
        return_to=return_to,
        issuer=metadata.issuer,
        redirect_uri=site.redirect_uri,
        created=request.now,
        iss_required=metadata.iss_parameter_supported,
    )
    location = authorization_request(
        metadata.authorization_endpoint,
        client_id=settings.client_id,
        redirect_uri=pending.redirect_uri,
        scopes=settings.scopes,
        state=pending.state,
        nonce=pending.nonce,
        code_challenge=code_challenge(pending.code_verifier),
        response_mode=settings.response_mode,
        extra=extra,
    )
    cookies = site.logins.add(request.cookie, pending, entropy[:12], request.now)
    yield Report("login.started")
    return redirect(location, set_cookies=(*set_cookies, *cookies))


def own_path(request: Request, site: Site) -> str:
    """The path and query of *request* as the browser sees them, with the escapes it sent where the server passes them on."""
    path = request.path or "/"
    raw = request.target.partition("?")[0]
    raw = raw.removeprefix(request.mount) if request.mount else raw
    if not raw or ((raw != path or "%" in raw) and unquote_to_bytes(raw) != path.encode("utf-8", "surrogateescape")):
        raw = quote(path, safe=_SAFE_IN_PATH, errors="replace")
    return site.mount + raw + ("?" + request.query if request.query else "")


def single_parameters(query: str) -> dict[str, str]:
    """The query's parameters, without those that were given twice (catalogue RD-21)."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError:
        return {}
    names = [name for name, _ in pairs]
    return {name: value for name, value in pairs if names.count(name) == 1}


def form_parameters(request: Request) -> Flow[dict[str, str]]:
    """The fields of a small form, by the same rule; none when it is no form."""
    content_type = request.header("content-type").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        return {}
    body: bytes = yield ReadBody(MAX_FORM_BYTES)
    return single_parameters(body.decode("latin-1"))
