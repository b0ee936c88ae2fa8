"""What front ends get from us: who is signed in and for how long, and a script that asks for it and brings people back.

None of it counts as use of the session: a page that asks for ever would keep itself signed in for ever.
"""

from __future__ import annotations

import logging

from oidc_middleware.flows.answers import json_answer, page, problem, script_answer
from oidc_middleware.flows.effects import Flow, Report
from oidc_middleware.flows.messages import Request, Respond
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.flows.resume import current_session, user_of
from oidc_middleware.flows.site import Site
from oidc_middleware.pages import render_signed_in, session_script


def session_endpoint(request: Request, rp: RelyingParty, site: Site) -> Flow[Respond]:
    """``GET session``: who is signed in, for a front end."""
    yield Report("session.asked", logging.DEBUG)
    read = yield from current_session(request, rp, site)
    session = read.session
    if session is None:
        return problem(401, code="login_required", title="You need to sign in.", login_url=site.origin + site.url("login"))
    user = user_of(session, rp)
    remaining = int(site.lifetimes.remaining(session, request.now))
    return json_answer(
        200,
        {
            "sub": user.identity,
            "name": user.display_name,
            "email": user.email,
            "expires_at": int(request.now) + remaining,
            "expires_in": remaining,
            "login_url": site.origin + site.url("login"),
            "logout_url": site.origin + site.url("logout"),
        },
    )


def session_script_endpoint(_request: Request, _rp: RelyingParty, _site: Site) -> Flow[Respond]:
    """``GET session.js``: the same for everybody. Not cached, like all our answers: 9 kB a page, and never one of another version."""
    yield Report("session.script", logging.DEBUG)
    return script_answer(session_script())


def signed_in_endpoint(_request: Request, rp: RelyingParty, site: Site) -> Flow[Respond]:
    """``GET signed-in``: where a login in a small window ends. It says nothing about who is there, and so is for everybody."""
    yield Report("login.window_done", logging.DEBUG)
    return page(200, render_signed_in(title=rp.settings.title, home_url=site.landing))
