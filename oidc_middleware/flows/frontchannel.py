"""A page of the provider ends a session here: OpenID Connect Front-Channel Logout 1.0.

The request is a frame in a page of the provider: nothing in it is signed, and browsers that keep cookies from foreign frames send none of ours.
So ``sid`` is all there is to go by. Whoever knows it can end the session here, which is little, and nothing at the provider (catalogue LO-08).
"""

from __future__ import annotations

from typing import Final

from oidc_middleware.errors import LoginError
from oidc_middleware.flows.answers import respond
from oidc_middleware.flows.backchannel import end_index
from oidc_middleware.flows.effects import Flow, Report, Shielded, current_time
from oidc_middleware.flows.login import single_parameters
from oidc_middleware.flows.messages import Request, Respond
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.flows.resume import current_session
from oidc_middleware.flows.site import Site
from oidc_middleware.flows.stored import sid_indexes
from oidc_middleware.protocol.urls import origin_of

#: Providers use UUIDs and hashes; what is longer was made up.
_MAX_SID_LENGTH: Final = 512


def frontchannel_logout_endpoint(request: Request, rp: RelyingParty, site: Site) -> Flow[Respond]:
    """``GET frontchannel-logout?iss=…&sid=…``: both are required here, for without them any page could sign anybody out (catalogue LO-06)."""
    issuer, sid = rp.settings.issuer, _sid_for(rp.settings.issuer, single_parameters(request.query))
    ended, cleared = yield Shielded(lambda: _ended(request, rp, site, sid))
    yield Report("logout.frontchannel", detail=f"{ended} sessions ended")
    # The provider's page frames this one (Front-Channel Logout 3): nobody else's may, or could learn from it (catalogue LO-07).
    policy = f"default-src 'none'; frame-ancestors {origin_of(issuer)}"
    return respond(200, headers=(("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", policy)), set_cookies=cleared)


def _sid_for(issuer: str, parameters: dict[str, str]) -> str:
    """The provider's session, if the request names our provider and a session. Raises ``LoginError``: 400, and nothing has changed."""
    if "iss" not in parameters:
        raise LoginError("iss_missing", "front-channel logout without iss")
    if parameters["iss"] != issuer:
        raise LoginError("iss_mismatch", "front-channel logout names an issuer that is not configured")
    sid = parameters.get("sid", "")
    if not 0 < len(sid) <= _MAX_SID_LENGTH:
        raise LoginError("malformed_parameter", "front-channel logout without a usable sid")
    return sid


def _ended(request: Request, rp: RelyingParty, site: Site, sid: str) -> Flow[tuple[int, tuple[str, ...]]]:
    """How many sessions ended, as far as they can be counted, and the cookies that go with them."""
    own, cleared = yield from _own_session(request, rp, site, sid)
    if not rp.revocable:
        return int(own), cleared
    now = yield from current_time()
    return (yield from end_index(sid_indexes(rp.settings.issuer, sid, None)[0], now, rp, keep=_keep(rp))), cleared


def _own_session(request: Request, rp: RelyingParty, site: Site, sid: str) -> Flow[tuple[bool, tuple[str, ...]]]:
    """Whether the browser's own session is the one that ends, and the cookies that go with it. Another session of this browser stays."""
    session = (yield from current_session(request, rp, site)).session
    if session is None and site.stored is None:
        session = site.sessions.ending(request.cookie, request.now)  # idle for too long, and perhaps used in another tab (catalogue SF-05)
    if session is None or session.sid != sid or session.issuer != rp.settings.issuer:
        return False, ()
    rp.sockets.end(session)
    return True, (yield from site.stored.end(request)) if site.stored is not None else site.sessions.end(request.cookie, request.now)


def _keep(rp: RelyingParty) -> float:
    """How long to remember the end. Anybody may send any ``sid``, so not longer than it serves.

    A list of ended sessions has to outlive them. With sessions in a store they are gone at once, and only a login under way must not come after.
    """
    settings = rp.settings
    return (settings.session_lifetime if settings.store is None else settings.login_timeout) + settings.leeway
