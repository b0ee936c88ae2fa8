"""Front-channel logout (catalogue 1.15): what a frame in a page of the provider can end, and what nobody can end by it."""

from urllib.parse import urlencode

import pytest

from oidc_middleware.testing import Sent
from tests.catalogue.helpers import BASE_URL, assert_strict, codes_on
from tests.conformance.backchannel import signs_in

ENDPOINT = "/oidc/frontchannel-logout"
FRAME = {
    "host": "app.example.com",
    "accept": "text/html,*/*;q=0.8",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "iframe",
    "sec-fetch-site": "cross-site",
}
PLACES = {"cookie": {}, "revocation": {"revocation": "memory://"}, "store": {"store": "memory://"}}


@pytest.fixture(params=PLACES, ids=str)
def place(stage, request):
    """A stage with sessions in each place, and a browser each of two people."""
    stage.restart(**PLACES[request.param])
    stage.ada, stage.bob = signs_in(stage, "ada", "session-ada"), signs_in(stage, "bob", "session-bob")
    stage.clock.advance(1)
    return stage


def frame(stage, query, *, browser=None, method="GET"):
    """The request of a frame in the provider's page; browsers keep our cookies from it, unless *browser* is one that does not."""
    cookie = browser.cookies.header(BASE_URL + "/x", stage.clock.now()) if browser else ""
    headers = (*FRAME.items(), *([("cookie", cookie)] if cookie else []))
    url = f"{BASE_URL}{ENDPOINT}?{query if isinstance(query, str) else urlencode(query)}"
    return stage.browser(pep3333=False)._sites[0][1](Sent(method, url, headers=headers))


def assert_done(stage, page):
    """200 without content, never cached, to be framed by the provider's pages alone (Front-Channel Logout 3)."""
    assert (page.status, page.body, page.header("content-type")) == (200, b"", "text/html; charset=utf-8")
    assert page.all("content-security-policy") == [f"default-src 'none'; frame-ancestors {stage.provider.issuer}"]
    assert page.all("x-frame-options") == []
    for name, value in (("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("x-content-type-options", "nosniff")):
        assert page.all(name) == [value]


def people(stage):
    return stage.who(stage.ada), stage.who(stage.bob)


@pytest.mark.row("LO-06")
def test_a_request_that_does_not_name_provider_and_session_ends_nothing(place):
    issuer = place.provider.issuer
    wrong = {
        "iss_missing": ["", urlencode({"sid": "session-ada"}), urlencode([("iss", issuer), ("iss", issuer), ("sid", "session-ada")])],
        "iss_mismatch": [
            {"iss": other, "sid": "session-ada"} for other in ("", "https://evil.example", issuer + "/", issuer.upper(), issuer + "\n", f"{issuer}@x")
        ],
        "malformed_parameter": [
            {"iss": issuer},
            {"iss": issuer, "sid": ""},
            {"iss": issuer, "sid": "s" * 513},
            [("iss", issuer), ("sid", "session-ada"), ("sid", "session-bob")],
        ],
    }
    for code, queries in wrong.items():
        for query in queries:
            page = frame(place, query, browser=place.ada)
            assert (page.status, codes_on(page), page.all("set-cookie")) == (400, [code], []), query
            assert_strict(page)
            assert people(place) == ("ada", "bob")
            place.clock.advance(1)
    place.assert_nothing_leaked()


@pytest.mark.row("LO-06")
@pytest.mark.parametrize("sid", ["nobody-s", "session-ad", "session-ada ", "SESSION-ADA", "session-ada\x00", "ada"])
def test_a_session_that_nobody_has_ends_nothing(place, sid):
    for browser in (None, place.ada, place.bob):
        page = frame(place, {"iss": place.provider.issuer, "sid": sid}, browser=browser)
        assert_done(place, page)
        assert page.all("set-cookie") == []
    assert people(place) == ("ada", "bob")


@pytest.mark.row("LO-06", "ST-16")
def test_nothing_but_get_ends_a_session(place):
    for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
        page = frame(place, {"iss": place.provider.issuer, "sid": "session-ada"}, browser=place.ada, method=method)
        assert (page.status, page.header("allow"), page.all("set-cookie")) == (405, "GET", [])
    assert people(place) == ("ada", "bob")


@pytest.mark.row("LO-06", "LO-07")
def test_without_cookies_the_sid_alone_ends_a_session_that_the_server_can_end(place):
    page = frame(place, {"iss": place.provider.issuer, "sid": "session-ada"})
    assert_done(place, page)
    assert page.all("set-cookie") == []
    assert people(place) == (None if place.rp.revocable else "ada", "bob")


@pytest.mark.row("LO-07")
def test_a_browser_that_sends_its_cookies_loses_them_for_its_own_session_alone(place):
    query = {"iss": place.provider.issuer, "sid": "session-ada"}
    foreign = frame(place, query, browser=place.bob)
    assert_done(place, foreign)
    assert foreign.all("set-cookie") == []
    assert people(place) == (None if place.rp.revocable else "ada", "bob")
    place.clock.advance(1)
    again = signs_in(place, "ada", "session-ada")
    own = frame(place, query, browser=again)
    assert_done(place, own)
    assert own.all("set-cookie")
    session = place.session_of(again)
    gone = [cookie for cookie in own.all("set-cookie") if "Max-Age=0" in cookie]
    assert {cookie.partition("=")[0] for cookie in gone} == set(session)
    # The only other cookie names what ended, where nothing on the server does (catalogue SF-05), and nothing else of it.
    rest = [cookie for cookie in own.all("set-cookie") if cookie not in gone]
    assert len(rest) == (place.site.stored is None)
    assert all("_e_" in cookie.partition("=1;")[0] for cookie in rest)
    again.cookies.receive(BASE_URL + "/x", own.all("set-cookie"), place.clock.now())
    assert (place.who(again), place.who(place.bob)) == (None, "bob")


@pytest.mark.row("LO-06", "LO-07")
def test_who_signs_in_again_at_the_same_provider_session_stays(place):
    query = {"iss": place.provider.issuer, "sid": "session-ada"}
    assert_done(place, frame(place, query))
    place.clock.advance(1)
    again = signs_in(place, "ada", "session-ada")
    assert place.who(again) == "ada"
    assert_done(place, frame(place, query))
    assert place.who(again) == (None if place.rp.revocable else "ada")


@pytest.mark.row("LO-08")
def test_the_provider_is_asked_for_nothing(stage):
    """Whoever sends it has proven nothing, so no token is revoked, and nobody is signed out there."""
    for options in PLACES.values():
        stage.restart(registration={"end_session": True, "revocation": True}, **options)
        ada = signs_in(stage, "ada", "session-ada")
        stage.clock.advance(1)
        before = len(stage.provider.requests)
        assert_done(stage, frame(stage, {"iss": stage.provider.issuer, "sid": "session-ada"}, browser=ada))
        stage.rp.provider.metadata.value = None  # not even to find out where
        assert_done(stage, frame(stage, {"iss": stage.provider.issuer, "sid": "session-ada"}))
        assert (len(stage.provider.requests), stage.provider.signed_out) == (before, [])
        assert stage.provider.complaints == []


@pytest.mark.row("LO-07", "LT-16")
def test_a_login_that_was_overtaken_by_its_logout_leaves_no_session(stage):
    stage.restart(store="memory://")
    stage.provider.sid = "session-1"
    browser = stage.browser()
    location = browser.start_login("/x")
    answer = stage.provider.respond(location)
    assert_done(stage, frame(stage, {"iss": stage.provider.issuer, "sid": "session-1"}))
    page = browser.deliver(answer)
    assert (page.status, codes_on(page)) == (400, ["signed_out_meanwhile"])
    stage.clock.advance(1)
    assert stage.who(stage.visitor(signed_in=True)), "the next login is a new one"
