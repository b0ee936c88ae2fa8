"""Every payload of the list, in every form, through every path on which a redirect leaves us; a browser's URL parser says where it would lead.

Here the gate is called with requests made by hand. ``test_rd.py`` sends samples through both shells.
"""

from urllib.parse import unquote

import pytest

from oidc_middleware.sessions.codec import dump, is_text
from oidc_middleware.sessions.cookies import short_hash
from tests.catalogue.helpers_redirects import (
    BASE_URL,
    CROSS_SITE,
    NAVIGATION,
    SAME_ORIGIN,
    CannedTokens,
    Desk,
    as_target,
    encoded,
    header,
    links_on,
    origin_for_browsers,
    payloads,
    stays,
    values,
)

pytestmark = pytest.mark.row("RD-01", "RD-02", "RD-03", "RD-04", "RD-05", "RD-06", "RD-07", "RD-08", "RD-09", "RD-10", "RD-11")

GOOD = "/reports/2026?quarter=3&view=a%2Fb#top"


@pytest.fixture(scope="module")
def desk():
    desk = Desk(userinfo="never")
    desk.ask("/")  # the provider's metadata, once
    return desk


def wrong(pairs):
    """The pairs ``(payload, location)`` whose location leaves the application."""
    return [(payload, location) for payload, location in pairs if not stays(location)]


def test_the_judge_agrees_with_the_list():
    assert [(payload, origin) for _, payload, origin in payloads() if origin_for_browsers(payload) != origin] == []
    assert len(payloads()) == 2_769
    assert sum(origin not in (BASE_URL, "INVALID") for _, _, origin in payloads()) > 400, "the list has lost its teeth"


def test_through_the_login_link(desk):
    def stored(query):
        return desk.stored_return_to(desk.ask("/oidc/login", query=query))

    assert stored(encoded(return_to=GOOD)) == GOOD
    assert wrong((value, stored(encoded(return_to=value))) for value in values()) == []
    raw = [value for value in values() if value.isascii()]
    assert wrong((value, stored(f"return_to={value}")) for value in raw) == []


@pytest.mark.row("RD-16")
def test_around_the_one_page_of_ours_that_a_login_may_end_at(desk):
    """The exception is one string: whatever stands before or behind it is judged as everything else is."""
    own = "/oidc/signed-in"
    around = [text for value in values() for text in (own + value, value + own) if text != own]
    asked = [(text, desk.site.after_login(text)) for text in around]
    assert own not in {location for _, location in asked}
    assert wrong(asked) == []
    assert desk.stored_return_to(desk.ask("/oidc/login", query=encoded(return_to=own))) == own


@pytest.mark.row("RD-12", "RD-13")
@pytest.mark.parametrize("told", ["no target", "target", "decoded"])
def test_through_the_path_of_the_request(desk, told):
    led = []
    for value in ["/reports", *values()]:
        path = unquote(value, errors="surrogateescape") if told == "decoded" else value
        path = path.partition("?")[0] if told != "no target" else path
        answer = desk.ask(path, target="" if told == "no target" else as_target(value.partition("?")[0]))
        if answer.status == 302:
            led.append((value, desk.stored_return_to(answer)))
        else:
            assert answer.status in (400, 404)
            assert header(answer, "Location") == ""
            led += [(value, link) for link in links_on(answer.body)]
    assert led[0] == ("/reports", "/reports")
    assert len(led) > 3_000
    assert wrong(led) == []


@pytest.mark.row("RD-19")
@pytest.mark.parametrize("signed_in", [False, True])
def test_through_sign_out(desk, signed_in):
    """By query and by form; where the provider has a sign-out of its own, on the way back from there."""
    desk.provider.end_session_supported = True

    def leads(value, *, form):
        wish = encoded(return_to=value)
        request = {"method": "POST", "body": wish.encode()} if form else {"query": wish}
        location = header(desk.ask("/oidc/logout", headers=SAME_ORIGIN, cookie=desk.session if signed_in else "", **request), "Location")
        if not signed_in:
            return location
        assert location.startswith(f"{desk.provider.issuer}/end_session?")
        back = desk.provider.end_session(location).removeprefix(BASE_URL)  # raises if it is not exactly the registered address
        answer = desk.ask("/oidc/signed-out", query=back.partition("?")[2])
        return header(answer, "Location") or "/oidc/signed-out"

    assert [leads(GOOD, form=form) for form in (True, False)] == [GOOD, GOOD]
    assert wrong((value, leads(value, form=form)) for value in values() for form in (True, False)) == []


@pytest.mark.row("RD-19")
def test_from_the_state_of_a_sign_out(desk):
    """Even a value that was sealed without any check leads nowhere else."""

    def leads(value):
        state = desk.site.keyring.seal("post-logout", value.encode("utf-8", "surrogatepass"), desk.clock.random(12))
        return header(desk.ask("/oidc/signed-out", query=encoded(state=state)), "Location")

    assert leads(GOOD) == GOOD
    assert wrong((value, leads(value)) for value in values() if value) == []


@pytest.mark.row("RD-20")
def test_back_from_the_provider(desk, monkeypatch):
    """The last redirect of a login, from a cookie of ours whose return path nobody checked before."""
    monkeypatch.setattr(desk.world, "transport", CannedTokens(desk))

    def leads(number, value):
        state = f"{number:043d}"
        cookie = desk.planted_login(value, state)
        answer = desk.ask("/oidc/callback", query=encoded(code="code", state=state), cookie=cookie)
        assert answer.status == 303, answer.body
        return header(answer, "Location")

    assert leads(-1, GOOD) == GOOD
    assert wrong((value, leads(number, value)) for number, value in enumerate(values())) == []


@pytest.mark.row("RD-20", "ST-06")
def test_back_from_the_provider_once_more(desk):
    """A reload of the callback, with a session, and the retry link on the page of one that failed, without."""
    used = "u" * 43
    assert desk.world.used.claim("l:" + short_hash(used, 43), 86_400, desk.clock.now())
    reloads, retries = [], []
    for value in [GOOD, *values()]:
        cookie = desk.planted_login(value, used)
        reloaded = desk.ask("/oidc/callback", query=encoded(code="code", state=used), cookie=f"{desk.session}; {cookie}")
        assert reloaded.status == 303
        reloads.append((value, header(reloaded, "Location")))
        failed = desk.ask("/oidc/callback", query=encoded(error="access_denied", state=used), cookie=cookie)
        moved = header(failed, "Location")
        assert (failed.status, moved.partition("?")[0], moved.isascii(), len(moved) <= 2_000) == (303, "/oidc/error", True, True)
        page = desk.ask("/oidc/error", query=moved.partition("?")[2])
        assert page.status == 403
        retry = links_on(page.body)[0]
        retries.append((value, desk.stored_return_to(desk.ask("/oidc/login", query=retry.partition("?")[2]))))
    assert (reloads[0], retries[0]) == ((GOOD, GOOD), (GOOD, GOOD))
    assert wrong(reloads) == []
    assert wrong(retries) == []


@pytest.mark.row("RD-20", "CI-03")
def test_on_the_page_of_a_failed_callback(desk):
    """From an address of ours that holds a return path which nobody checked before."""
    seen = []
    for value in [GOOD, *(value for value in values() if is_text(value))]:
        payload = dump(["access_denied", "c0ffee", None, value, int(desk.clock.now())])
        page = desk.ask("/oidc/error", query=encoded(of=desk.site.keyring.seal("error", payload, desk.clock.random(12))))
        assert (page.status, header(page, "Location")) == (403, "")
        links = links_on(page.body)
        assert wrong((value, link) for link in links) == []
        (again,) = [link for link in links if link.startswith("/oidc/login")]
        seen.append((value, desk.stored_return_to(desk.ask("/oidc/login", query=again.partition("?")[2]))))
    assert seen[0] == (GOOD, GOOD)
    assert len(seen) > 3_000
    assert wrong(seen) == []


@pytest.mark.row("RD-20")
@pytest.mark.parametrize("prefix", ["", BASE_URL])
def test_through_third_party_initiated_login(desk, prefix):
    def stored(value):
        query = encoded(iss=desk.provider.issuer, target_link_uri=prefix + value)
        return desk.stored_return_to(desk.ask("/oidc/initiate", query=query))

    assert stored(GOOD) == GOOD
    assert wrong((value, stored(value)) for value in values()) == []


@pytest.mark.row("RD-22")
def test_on_the_page_that_asks_before_signing_out(desk):
    """The return path goes through a hidden field there, and comes back in the form."""
    seen = []
    for value in [GOOD, *values()]:
        answer = desk.ask("/oidc/logout", query=encoded(return_to=value), headers=CROSS_SITE, cookie=desk.session)
        assert answer.status == 200
        seen += [(value, link) for link in links_on(answer.body) if link]
    assert (GOOD, GOOD) in seen
    assert wrong(seen) == []


@pytest.mark.row("RD-22")
def test_on_the_page_that_denies_access():
    """Its link to sign in as somebody else carries the path of the request."""
    desk = Desk(allow="somebody@else.example", userinfo="never")
    seen = []
    for value in ["/reports", *values()]:
        answer = desk.ask(value, headers=NAVIGATION, cookie=desk.session)
        if answer.status == 403:
            links = links_on(answer.body)
            assert wrong((value, link) for link in links) == []
            (again,) = [link for link in links if link.startswith("/oidc/login")]
            seen.append((value, desk.stored_return_to(desk.ask("/oidc/login", query=again.partition("?")[2]))))
    assert seen[0] == ("/reports", "/reports")
    assert len(seen) > 3_000
    assert wrong(seen) == []
