"""The provider's side of back-channel logout, and both sides of what comes of it; for the modules of the suite and for the catalogue."""

from urllib.parse import urlencode

from oidc_middleware.testing import Sent
from tests.conformance.party import BASE_URL

ENDPOINT = "/oidc/backchannel-logout"
FORM = "application/x-www-form-urlencoded"
#: Where sessions are: in this process, in a file, in the cookie beside a list of ended ones.
PLACES = ("memory", "sqlite", "revocation")


def place_options(place, folder):
    """The options of the middleware for sessions in *place*."""
    if place == "revocation":
        return {"revocation": f"sqlite:///{folder}/ended.db"}
    return {"store": "memory://" if place == "memory" else f"sqlite:///{folder}/sessions.db"}


def post(party, body, *, content_type=FORM, method="POST", path=ENDPOINT, headers=(), base=BASE_URL):
    """A request as a provider's server makes it: no cookies, nothing of what browsers send along (Back-Channel Logout 2.5)."""
    server = party.browser()._sites[0][1]
    given = [("host", base.partition("://")[2]), ("content-length", str(len(body))), *([("content-type", content_type)] if content_type else [])]
    return server(Sent(method, base + path, headers=(*given, *headers), body=body))


def send_logout(party, token, **options):
    """Deliver *token*, with a form field beside it that nobody knows, as the suite does."""
    return post(party, urlencode({"logout_token": token, "unknown_field": "ignored"}).encode(), **options)


def assert_done(page):
    """Back-Channel Logout 2.8: exactly 200, and never from a cache."""
    assert (page.status, page.all("cache-control"), page.all("set-cookie"), page.body) == (200, ["no-store"], [], b"")
    assert page.all("access-control-allow-origin") == []


def assert_refused(page, *, code="logout_token_invalid", retry=False):
    """Exactly 400, for a bad token as for a fault of ours; 401, 403 or 422 fail the suite."""
    assert (page.status, page.all("cache-control"), page.all("set-cookie")) == (400, ["no-store"], [])
    answer = page.json()
    assert set(answer) == {"error", "error_description"}
    assert (answer["error"], answer["error_description"].split()[0]) == ("invalid_request", code)
    assert bool(page.all("retry-after")) == retry
    assert page.all("access-control-allow-origin") == []


def signs_in(party, sub, sid):
    """A browser of *sub*, whom the provider knows as session *sid*."""
    kept = party.provider.user, party.provider.sid
    party.provider.user, party.provider.sid = {**party.provider.user, "sub": sub}, sid
    try:
        return party.accepts()[1]
    finally:
        party.provider.user, party.provider.sid = kept


def lives(browser):
    """Whether the application still gets to see *browser*'s user."""
    page = browser.fetch("/api")
    assert page.status in (200, 401)
    return page.status == 200


def refuses_logout_token(party, bad_token):
    """The module's course: sign in, sign out at the provider, and the provider sends *bad_token()*: exactly 400, and nothing ends by it.

    A copy of the cookies tells: with sessions on the server it was ended by the sign-out itself, so another browser of the same session at the
    provider is looked at as well. The same token without its fault ends that one, and nobody else's.
    """
    sub, sid = party.provider.user["sub"], party.provider.sid
    _, browser = party.accepts()
    second, stranger = signs_in(party, sub, sid), signs_in(party, "somebody-else", "another-session")
    assert_refused(send_logout(party, bad_token()))
    assert [lives(who) for who in (browser, second, stranger)] == [True, True, True]
    assert browser.post_form("/oidc/logout").status == 200
    party.clock.advance(1)
    assert_refused(send_logout(party, bad_token()))
    assert [lives(who) for who in (browser, second, stranger)] == [False, True, True]
    events = [record.code for record in party.caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert events == ["logout_token_invalid"] * 2
    assert_done(send_logout(party, party.provider.logout_token()))
    assert [lives(who) for who in (browser, second, stranger)] == [False, False, True]
