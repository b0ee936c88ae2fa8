"""The flows of the package as the fault-point enumeration runs them, and what has to hold when one of their effects was disturbed.

A flow here is a generator: it prepares, yields the step that is disturbed, is sent what came of it, and says what must hold then. The last thing
each asserts is that the same person can go on: the next attempt, which nothing disturbs, succeeds.
"""

import re
from html import unescape
from urllib.parse import urlencode

from oidc_middleware.flows.tokens import LEASE_SECONDS
from oidc_middleware.testing import REMOVE
from tests.catalogue.fault_lab import GONE, REFUSALS
from tests.catalogue.faultpoints import DOWN
from tests.catalogue.helpers import BASE_URL, is_error_page
from tests.conformance.backchannel import send_logout
from tests.conformance.tokens import LIFE, REFUSED

# -- signing in --------------------------------------------------------------------------------------------------------------------------------


def visit(lab):
    """A page without a session: to the provider."""
    browser = lab.browser()
    page = yield lambda: browser.navigate("/start?a=b", follow=False)
    assert page.status in (302, GONE, *REFUSALS)
    assert not lab.lives(browser)
    if page.status == 302:
        assert browser.finish_login(page.location).status == 200
        return
    lab.stage.clock.advance(3)  # a provider that was away is asked again after two seconds
    assert browser.login("/start?a=b").status == 200


def visit_of_an_old_provider(lab):
    """The same, with a provider that does not say that it knows PKCE."""
    lab.provider.metadata_edits["code_challenge_methods_supported"] = REMOVE
    return visit(lab)


def visit_after_hours(lab):
    """The same when what is known of the provider is some hours old: asked again, and used on if there is no answer."""
    assert lab.browser().login("/start").status == 200
    lab.stage.clock.advance(4 * 3600)
    lab.faults.stored.clear()  # as in :func:`gone`
    return visit(lab)


def callback(lab, *, again=False):
    """The way back from the provider, with the call for tokens and UserInfo; *again*: over a session that lives."""
    browser = lab.signed_in() if again else lab.browser()
    location = browser.start_login("/oidc/login?return_to=/deep")
    answer = lab.provider.respond(location)
    lab.cold()
    page = yield lambda: browser.deliver(answer, follow=False)
    done = page.status == 303 and not is_error_page(page.location)
    assert page.status == GONE or done or lab.says_so(page, browser)
    lab.stage.clock.advance(3)
    if page.status != GONE:
        assert lab.lives(browser) == (again or done), "in, if and only if everything was checked; and who was in stays in"
    elif not lab.lives(browser) and again:
        assert len(lab.records()) == 2, "a sign-in that was done to its end, and nobody there for the answer"
    if not done:
        browser.deliver(answer, follow=False)  # a reload: lets in by the same rule, or not
    assert browser.login("/oidc/login?return_to=/deep").status == 200
    assert lab.lives(browser)


def callback_again(lab):
    """The way back, in a browser with a session."""
    return callback(lab, again=True)


def replay(lab):
    """The Back button: a sign-in that was completed already."""
    browser = lab.browser()
    answer = lab.provider.respond(browser.start_login("/oidc/login?return_to=/deep"))
    assert browser.deliver(answer).status == 200
    page = yield lambda: browser.deliver(answer, follow=False)
    assert page.status in (303, GONE)
    assert not is_error_page(page.location) or lab.says_so(page, browser)
    assert lab.lives(browser)


def login(lab):
    """The link that starts a sign-in, and its kin: the endpoint for third parties."""
    browser = lab.browser()
    form = {"iss": lab.provider.issuer, "target_link_uri": BASE_URL + "/deep"}
    page = yield lambda: browser.post_form("/oidc/initiate", form, follow=False)
    assert page.status in (302, GONE, *REFUSALS)
    lab.stage.clock.advance(3)
    assert browser.login("/oidc/login?return_to=/deep").status == 200


def new_keys(lab):
    """The way back when the provider has new keys: they are looked for, once."""
    browser = lab.signed_in()
    assert lab.browser().login("/start").status == 200  # the keys are known
    location = browser.start_login("/oidc/login?return_to=/deep")
    lab.provider.keys, lab.other_keys = lab.other_keys, lab.provider.keys
    page = yield lambda: browser.deliver(lab.provider.respond(location), follow=False)
    assert page.status in (303, GONE)
    assert not is_error_page(page.location) or lab.says_so(page, browser)
    lab.stage.clock.advance(61)
    assert browser.login("/oidc/login?return_to=/deep").status == 200


# -- a session in use --------------------------------------------------------------------------------------------------------------------------


def resume(lab):
    """A request with a session, that is due to be written down as used."""
    browser = lab.signed_in()
    lab.stage.clock.advance(lab.stage.rp.settings.idle_timeout / 4 + 1)
    page = yield lambda: browser.fetch("/api")
    assert page.status in (200, GONE, 503)
    assert lab.lives(browser), "the session outlives the fault"


def public(lab):
    """A public page, with a session."""
    browser = lab.signed_in()
    lab.stage.clock.advance(lab.stage.rp.settings.idle_timeout / 4 + 1)
    page = yield lambda: browser.fetch("/public/page")
    assert page.status in (200, GONE)
    assert lab.lives(browser)


def gone(lab):
    """A request whose session has ended."""
    browser = lab.signed_in()
    lab.stage.clock.advance(lab.stage.rp.settings.idle_timeout + 1)
    lab.faults.stored.clear()  # tokens stay until the session's last possible end, so they outlive one that nobody used
    page = yield lambda: browser.fetch("/api")
    assert page.status in (401, GONE, 503)
    assert browser.login("/start").status == 200


def denied(lab):
    """A request of somebody whom the rules keep out."""
    browser = lab.browser()
    assert browser.login("/start").status == 403
    page = yield lambda: browser.navigate("/start")
    assert page.status == 403
    assert browser.navigate("/start").status == 403


def session(lab):
    """``GET session``, for front ends."""
    browser = lab.signed_in()
    page = yield lambda: browser.fetch("/oidc/session")
    assert page.status in (200, GONE, 503)
    assert browser.fetch("/oidc/session").json()["sub"] == lab.subject


def small_pages(lab):
    """What is the same for everybody, and a page that asks whether to sign out."""
    browser = lab.signed_in()

    def step():
        pages = [
            browser.navigate(path)
            for path in ("/oidc/session.js", "/oidc/signed-in", "/oidc/signed-out", "/oidc/logout", "/oidc/error?of=x", "/oidc/nowhere")
        ]
        return pages[-1]

    page = yield step
    assert page.status in (404, GONE, 503)
    assert lab.lives(browser)


# -- tokens ------------------------------------------------------------------------------------------------------------------------------------


def refresh(lab):
    """``access_token()`` when a refresh is due, with a new ID token and other scopes in the answer."""
    browser = lab.signed_in()
    lab.stage.clock.advance(LIFE - 30)
    lab.provider.refresh_edits["scope"] = "openid email"
    answer = yield lambda: lab.token(browser)
    assert set(answer) in ({"token"}, {"error", "kind"}, {"status"}), answer
    assert answer.get("kind", "Unavailable") == "Unavailable"
    assert answer.get("status") in (None, GONE, 503)
    waits = lab.faults.waits
    assert "token" in lab.token(browser), "a token that is good for some seconds more"
    lab.stage.clock.advance(LIFE + 31)
    assert "token" in lab.token(browser)
    assert lab.lives(browser), "nobody is signed out by a fault"
    assert lab.faults.waits == waits or lab.faults.fault == DOWN, "a lease was left over, and kept everybody waiting"
    assert lab.provider.complaints == [], "a refresh token was used twice"


def refresh_late(lab):
    """The same when the token has expired: there is nothing to fall back on."""
    browser = lab.signed_in()
    lab.stage.clock.advance(LIFE + 1)
    answer = yield lambda: lab.token(browser)
    assert answer.get("kind", "Unavailable") == "Unavailable"
    lab.stage.clock.advance(LEASE_SECONDS + 31)
    assert "token" in lab.token(browser)
    assert lab.lives(browser)
    assert lab.provider.complaints == []


def refused(lab):
    """The provider's definite no: the session ends, and nothing else does."""
    browser = lab.signed_in()
    lab.stage.clock.advance(LIFE + 1)
    (grant,) = {id(found.grant): found.grant for found in lab.provider.refresh_grants.values() if found.grant.parameters["nonce"]}.values()
    lab.provider.revoke_grant(grant)
    answer = yield lambda: lab.token(browser)
    assert set(answer) in ({"error", "kind"}, {"status"}), answer
    lab.stage.clock.advance(LEASE_SECONDS + 31)
    lab.token(browser)
    assert lab.token(browser) in (REFUSED, {"status": 401})
    assert not lab.lives(browser)
    assert lab.records() == set()


def rival(lab):
    """The same while another worker is at it, and never ends."""
    browser = lab.signed_in()
    lab.stage.clock.advance(LIFE + 1)
    lab.lease()
    answer = yield lambda: lab.token(browser)
    assert set(answer) in ({"token"}, {"error", "kind"}, {"status"}), answer
    lab.stage.clock.advance(2 * LEASE_SECONDS + 31)
    assert "token" in lab.token(browser)
    assert lab.provider.complaints == []


# -- the end -----------------------------------------------------------------------------------------------------------------------------------


def logout(lab):
    """Signing out, here and at the provider, with the refresh token given back."""
    browser = lab.signed_in()
    copy = browser.twin()
    page = yield lambda: browser.post_form("/oidc/logout", follow=False)
    assert page.status in (303, GONE, 400, 503)
    if page.status == 303:
        assert not lab.lives(browser)
        assert lab.records() == set()
        assert not lab.tokens or not lab.lives(copy)
    lab.stage.clock.advance(3)
    assert browser.post_form("/oidc/logout", follow=False).status == 303
    assert not lab.lives(browser)
    assert lab.records() == set()
    assert not lab.tokens or not lab.lives(copy)
    assert browser.login("/start").status == 200


def logout_asked(lab):
    """A sign-out from a browser that proves nothing: a page asks, and its form does it; then the provider leads to a page of ours."""
    browser = lab.signed_in()
    headers = {"sec-fetch-site": "", "origin": ""}

    def step():
        asking = browser.navigate("/oidc/logout?return_to=/public/bye", headers=headers)
        fields = {name: unescape(value) for name, value in re.findall(r'name="([a-z_]+)" value="([^"]*)"', asking.text)}
        return browser.post_form("/oidc/logout", fields, headers=headers, initiator=None)

    page = yield step
    assert page.status in (200, GONE, 403, 400, 503), page.status
    lab.stage.clock.advance(3)
    assert browser.post_form("/oidc/logout", follow=False).status == 303
    assert not lab.lives(browser)
    assert lab.records() == set()


def backchannel(lab):
    """The provider ends a session by a signed message: 200 if it ended, 400 if it may not have."""
    browser = lab.signed_in()
    lab.stage.clock.advance(1)
    token = lab.provider.logout_token()
    page = yield lambda: send_logout(lab, token)
    assert page.status in ((200, GONE, 400) if lab.revocable else (404,))
    if lab.revocable:
        if page.status == 200:
            assert not lab.lives(browser)
            assert lab.records() == set()
        lab.stage.clock.advance(3)
        assert send_logout(lab, token).status == 200
        assert not lab.lives(browser)
        assert lab.records() == set()
        lab.stage.clock.advance(1)
        assert browser.login("/start").status == 200


def backchannel_of_another(lab):
    """A signed message with the session of one person and the name of another: 400, whatever else happens."""
    browser = lab.signed_in()
    lab.stage.clock.advance(1)
    token = lab.provider.logout_token(sub="somebody-else")
    page = yield lambda: send_logout(lab, token)
    assert page.status in (400, GONE)
    lab.stage.clock.advance(3)
    assert send_logout(lab, token).status == 400
    assert lab.lives(browser)
    assert send_logout(lab, lab.provider.logout_token()).status == 200
    assert not lab.lives(browser)
    assert lab.records() == set()


def frontchannel(lab):
    """A frame in a page of the provider, with our cookies in it."""
    browser = lab.signed_in()
    lab.stage.clock.advance(1)
    query = urlencode({"iss": lab.provider.issuer, "sid": lab.provider.sid})
    page = yield lambda: browser.navigate(f"/oidc/frontchannel-logout?{query}")
    assert page.status in (200, GONE, 503)
    if page.status == 200:
        assert not lab.lives(browser)
        assert lab.records() == set()
    lab.stage.clock.advance(3)
    assert browser.navigate(f"/oidc/frontchannel-logout?{query}").status == 200
    assert not lab.lives(browser)
    assert lab.records() == set()
    lab.stage.clock.advance(1)
    assert browser.login("/start").status == 200


def everywhere(lab):
    """The operator ends all sessions of somebody."""
    browser = lab.signed_in()
    lab.stage.clock.advance(1)

    result = yield lab.sign_out_everywhere
    if isinstance(result, int):
        assert not lab.lives(browser)
    assert isinstance(lab.sign_out_everywhere(), int)
    assert not lab.lives(browser)
    assert lab.records() == set()


# -- WebSockets --------------------------------------------------------------------------------------------------------------------------------


def socket(lab):
    """A WebSocket: the handshake, and a look whether its session still counts."""
    browser = lab.signed_in()
    lab.stage.clock.advance(lab.stage.rp.settings.idle_timeout / 4 + 1)
    sent = yield lambda: lab.websocket(browser)
    types = [message["type"] for message in sent]
    assert types in ([], ["websocket.accept"], ["websocket.http.response.start", "websocket.http.response.body"]), "a fault closed a socket"
    assert lab.lives(browser)
    assert [message["type"] for message in lab.websocket(browser)] == ["websocket.accept"]
