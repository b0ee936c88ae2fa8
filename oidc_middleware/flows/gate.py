"""Which request leads where. Start reading here.

    1. our own endpoints      /oidc/login, /oidc/callback, ...   never reach the application
    2. a live session         the application answers, if the rules let this user in
    3. a public path          the application answers, without a user
    4. nobody                 a navigation goes to the provider, everything else gets 401

The order matters. Our endpoints come first, or a public pattern could hide them. The session comes before the public paths, so that a public page
knows who is there. Public comes last of the ways in, and what is neither is refused: a new path is protected until somebody says otherwise.

A request that needs no I/O gets its decision at once; whatever needs the network or a body gets a flow, for the driver to run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from oidc_middleware.errors import LoginError, OIDCError, Unavailable
from oidc_middleware.flows.answers import empty, login_url, page, problem, refuse, wants_page
from oidc_middleware.flows.backchannel import backchannel_logout_endpoint
from oidc_middleware.flows.callback import callback_endpoint
from oidc_middleware.flows.effects import Flow, Random, Report, StoreGet
from oidc_middleware.flows.error_page import error_endpoint, refuse_callback
from oidc_middleware.flows.front_end import session_endpoint, session_script_endpoint, signed_in_endpoint
from oidc_middleware.flows.frontchannel import frontchannel_logout_endpoint
from oidc_middleware.flows.login import challenge, initiate_endpoint, login_endpoint, own_path
from oidc_middleware.flows.logout import form_origins, logout_endpoint, signed_out_endpoint
from oidc_middleware.flows.messages import NEVER, Decision, PassThrough, Request, Respond
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.flows.resume import current_session, user_of
from oidc_middleware.flows.site import Site
from oidc_middleware.flows.sockets import Watch
from oidc_middleware.flows.tokens import offer_access_token
from oidc_middleware.identity import User
from oidc_middleware.pages import render_denied
from oidc_middleware.policy.allow import Denial
from oidc_middleware.policy.origin import websocket_origin_allowed
from oidc_middleware.sessions.session import Session
from oidc_middleware.sessions.session_cookie import SessionRead

Endpoint = Callable[[Request, RelyingParty, Site], Flow[Respond]]

#: What a session cookie can be that is worth a line in the log, and how loud: somebody altered it, somebody sent two, its time is up.
_NOTEWORTHY: Final = {"broken": logging.WARNING, "ambiguous": logging.WARNING, "unknown_format": logging.WARNING, "early": logging.WARNING,
                      "expired": logging.INFO, "gone": logging.INFO, "ended": logging.INFO}  # fmt: skip

#: What becomes of a session in memory (catalogue F-ST-15): without a word about it, people would sign in again and again, and nobody know why.
ELSEWHERE: Final = (
    "this session is in the memory of another worker, or of this one before it was started anew: memory:// is for one process. "
    "Use sqlite:///, redis://, or sessions in the cookie"
)


def gate(request: Request, rp: RelyingParty) -> Decision | Flow[Decision]:
    """What becomes of *request*."""
    try:
        site = rp.sites.fixed or rp.sites.of(request)
    except LoginError as error:
        if _own_endpoint(request, rp) is None and rp.public.covers(request.path, request.target):
            return PassThrough(rp.anonymous, private=False)
        return refuse(error, request, None, title=rp.settings.title)
    if site.mount and not request.mount:
        request = _mounted(request, site.mount)
    if request.path.startswith(rp.settings.prefix) and (name := _own_endpoint(request, rp)) is not None:
        return _guarded(_endpoint(name, request, rp, site), request, rp, site)
    if rp.revocable:  # the session, or the word that it ended, is in a store
        return _guarded(_asked(request, rp, site), request, rp, site)
    return _decided(site.sessions.read(request.cookie, request.now), request, rp, site)


def watch_answer(request: Request, rp: RelyingParty) -> Flow[Watch | None]:
    """What looks after a long answer to *request*, which was let in with a session; ``None`` when that has ended. Raises ``Unavailable``."""
    site = rp.sites.fixed or rp.sites.of(request)
    read = yield from current_session(request, rp, site)
    if read.reason == "away":
        raise Unavailable("store_unavailable", "on a public path")
    if read.session is None:
        return None
    return Watch(_mounted(request, site.mount) if site.mount and not request.mount else request, rp, site, read.session)


def _asked(request: Request, rp: RelyingParty, site: Site) -> Flow[Decision]:
    read = yield from current_session(request, rp, site)
    outcome = _decided(read, request, rp, site)
    return outcome if isinstance(outcome, (PassThrough, Respond)) else (yield from outcome)


def _decided(read: SessionRead, request: Request, rp: RelyingParty, site: Site) -> Decision | Flow[Decision]:
    if read.session is not None:
        return _with_session(request, rp, site, read.session, read)
    if rp.public.covers(request.path, request.target):
        return PassThrough(rp.anonymous, private=False)
    return _guarded(_without_session(request, rp, site, read), request, rp, site)


def _mounted(request: Request, mount: str) -> Request:
    """*request* relative to the mount of ``base_url``, where the server announces none: an application may serve its whole path by itself."""
    if request.path == mount or request.path.startswith(mount + "/"):
        return request._replace(mount=mount, path=request.path[len(mount) :] or "/")
    return request


def _own_endpoint(request: Request, rp: RelyingParty) -> str | None:
    """The name of the endpoint below our prefix, ``""`` for the prefix itself, or ``None`` when the path is not ours."""
    name = request.path.removeprefix(rp.settings.prefix)
    if name == request.path or not (name == "" or name.startswith("/")):
        return None
    return name[1:]


def _with_session(request: Request, rp: RelyingParty, site: Site, session: Session, read: SessionRead) -> Decision | Flow[Decision]:
    if request.kind == "websocket" and not websocket_origin_allowed(request.headers("origin"), site.origin, rp.settings.websocket_origins):
        error = LoginError("origin_denied", f"websocket from origin {request.headers('origin')!r}")
        return refuse(error, request, site, title=rp.settings.title)
    user = user_of(session, rp)
    if rp.settings.keep_tokens:
        offer_access_token(user, session, rp, site)
    # The rules are asked on every request, not only at login (catalogue AZ-04). Public paths are for everybody.
    denial = rp.allow.check(user)
    if denial is not None:
        if rp.public.covers(request.path, request.target):
            return PassThrough(user, watch=Watch(request, rp, site, session) if request.kind == "websocket" else None)
        return _denied(request, rp, site, user, denial)
    if request.kind == "websocket":
        return PassThrough(user, watch=Watch(request, rp, site, session))
    if site.lifetimes.touch_due(session, request.now):
        return _touched(request, site, session, user, read)
    valid = NEVER if rp.sites.fixed is None else site.lifetimes.quiet(session)
    asks = None if session.record is None else (StoreGet(session.record[0]), session.record[1])
    return PassThrough(user, valid=valid, lives=_lives(rp, session) if rp.revocable else None, asks=asks)


def _lives(rp: RelyingParty, session: Session) -> Callable[[float], bool]:
    """Whether it is known at once that *session* was not ended."""
    if session.record is not None:
        return partial(rp.still, *session.record)
    return rp.revocations.unended(session)


def _touched(request: Request, site: Site, session: Session, user: User, read: SessionRead) -> Flow[Decision]:
    """The idle time is counted from a request now and then, not from each: a cookie on every answer would cost all of them (performance)."""
    if site.stored is not None and session.record is not None:
        yield from site.stored.touch(session, session.record, request.now)
        return PassThrough(user)
    entropy: bytes = yield Random(12)
    touched = site.lifetimes.touched(session, request.now)
    try:
        return PassThrough(user, site.sessions.write(touched, request.now, entropy, read.present))
    except LoginError as error:
        # Written when more was allowed, by another version of us: it is good until its idle limit, and no reason to turn anybody away.
        yield Report("session.not_prolonged", logging.WARNING, code=error.code, detail=error.detail)
        return PassThrough(user)


def _without_session(request: Request, rp: RelyingParty, site: Site, read: SessionRead) -> Flow[Respond]:
    level = _NOTEWORTHY.get(read.reason)
    if read.reason == "elsewhere":
        yield Report("session.other_worker", logging.WARNING, detail=ELSEWHERE)
    elif level is not None:
        yield Report("session.expired" if level == logging.INFO else "session.rejected", level, detail=read.reason)
    if request.kind == "websocket":
        raise LoginError("login_required", "websocket without a session")
    if not request.path.startswith("/"):
        raise LoginError("bad_request_target", f"request path {request.path[:100]!r}")
    # Two cookies of our name cannot both be ours: somebody tossed one, and only clearing both ends it (catalogue CK-08).
    stale = site.sessions.clear(read.present) if read.reason == "ambiguous" else ()
    return (yield from challenge(request, rp, site, stale_cookies=stale))


def _denied(request: Request, rp: RelyingParty, site: Site, user: User, denial: Denial) -> Flow[Respond]:
    """403 with the reason and a way to sign in as somebody else; never a redirect, which would loop (catalogue AZ-05)."""
    random: bytes = yield Random(6)
    yield Report("access.denied", logging.WARNING, code="not_allowed", detail=denial.reason, correlation_id=random.hex())
    if not wants_page(request) or request.kind == "websocket":
        return problem(403, code="not_allowed", title="This account has no access here.", detail=denial.reason, correlation_id=random.hex())
    content = render_denied(
        reason=denial.reason,
        who=user.display_name,
        action=login_url(site, site.return_path(own_path(request, site)), prompt="login"),
        fields={},
        title=rp.settings.title,
        correlation_id=random.hex(),
        form_origins=form_origins(),
    )
    return page(403, content)


#: Our endpoints: the methods each takes, and the flow that answers. Names we do not serve (yet) are ours all the same and answer 404.
_ENDPOINTS: Final[dict[str, tuple[frozenset[str], Endpoint]]] = {
    "login": (frozenset({"GET", "HEAD", "POST"}), login_endpoint),
    "callback": (frozenset({"GET", "POST"}), callback_endpoint),
    "logout": (frozenset({"GET", "HEAD", "POST"}), logout_endpoint),
    "error": (frozenset({"GET", "HEAD"}), error_endpoint),
    "signed-out": (frozenset({"GET", "HEAD"}), signed_out_endpoint),
    "session": (frozenset({"GET", "HEAD"}), session_endpoint),
    "session.js": (frozenset({"GET", "HEAD"}), session_script_endpoint),
    "signed-in": (frozenset({"GET", "HEAD"}), signed_in_endpoint),
    "backchannel-logout": (frozenset({"POST"}), backchannel_logout_endpoint),
    "frontchannel-logout": (frozenset({"GET"}), frontchannel_logout_endpoint),
    "initiate": (frozenset({"GET", "HEAD", "POST"}), initiate_endpoint),
}


def _endpoint(name: str, request: Request, rp: RelyingParty, site: Site) -> Flow[Respond]:
    if request.kind == "websocket":
        raise LoginError("not_found", "websocket to an endpoint of the middleware")
    methods, endpoint = _ENDPOINTS.get(name, (frozenset(), None))
    if name == "callback/":
        error = LoginError("malformed_parameter", "a slash after the redirect URI: something on the way from the provider adds it (F-OP-18)")
        return (yield from refuse_callback(error, request, rp, site))
    if endpoint is None:
        raise LoginError("not_found", f"no endpoint {name[:50]!r}")
    if request.method not in methods:
        return empty(405, headers=(("Allow", ", ".join(sorted(methods))),))
    return (yield from endpoint(request, rp, site))


def _guarded(flow: Flow[Decision], request: Request, rp: RelyingParty, site: Site) -> Flow[Decision]:
    """Whatever a flow refuses becomes an answer."""
    try:
        return (yield from flow)
    except OIDCError as error:
        wish = site.return_path(own_path(request, site)) if _own_endpoint(request, rp) is None else None
        return (yield from refuse(error, request, site, title=rp.settings.title, return_to=wish))
