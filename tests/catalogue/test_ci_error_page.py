"""Catalogue 1.3, CI-03: what the provider answered leaves the visible address with the failure, and nothing that is shown instead leaks it."""

import json
import logging
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from oidc_middleware.errors import CODES
from oidc_middleware.sessions.codec import dump, load
from oidc_middleware.testing import REMOVE, Browser
from tests.catalogue.helpers import BASE_URL, assert_moved, assert_strict, codes_on, is_error_page, landed, login_url, quoted, raw_request, shown
from tests.catalogue.helpers_redirects import links_on, origin_for_browsers
from tests.conformance.party import DEEP_LINK, SECRET_KEY

pytestmark = pytest.mark.row("CI-03")

HOUR = 3_600
PROGRAM = {"accept": "application/json", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
#: Where the application can be: its address, the options, and the path of the endpoints.
PLACES = {
    "at the root": (BASE_URL, {}, "/oidc"),
    "below a mount": (f"{BASE_URL}/tools/board", {"base_url": f"{BASE_URL}/tools/board"}, "/tools/board/oidc"),
    "without base_url": ("http://localhost:8050", {"base_url": None}, "/oidc"),
    "with another prefix": (BASE_URL, {"prefix": "/auth/sso"}, "/auth/sso"),
}


def brought_back(answer):
    """The values that the provider's answer carries."""
    return [value for values in parse_qs(urlsplit(answer.url).query).values() for value in values]


def failed(stage, browser=None, to=DEEP_LINK, code=REMOVE, error="access_denied", **edits):
    """``(first, page)`` of a sign-in that the provider denied."""
    browser = browser or stage.browser()
    return shown(browser.finish_login(browser.start_login(login_url(to)), code=code, error=error, **edits), browser)


def sealed(stage, *values):
    """An address of the error page that holds *values*, whatever they are."""
    return "/oidc/error?of=" + stage.site.keyring.seal("error", dump(list(values)), stage.clock.random(12))


def quiet(stage):
    """The lines of our log from WARNING on."""
    return [record for record in stage.caplog.records if record.name == "oidc_middleware" and record.levelno >= logging.WARNING]


def assert_tells_nothing(stage, page):
    """The page for an address that nobody can read (any more): no particulars, and a way in."""
    assert (page.status, codes_on(page)) == (400, ["error_page_expired"])
    assert_strict(page)
    assert page.all("set-cookie") == page.all("location") == page.all("retry-after") == []
    assert "Reference" not in page.text
    assert links_on(page.body) == ["/oidc/login", "/"]
    stage.assert_nothing_leaked(page)


# -- the page -------------------------------------------------------------------------------------------------------------------------------


def test_ci_03(stage):
    """The page of a failed callback loads nothing, sends no referrer, and holds neither code nor state; its address does not either."""
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login(DEEP_LINK))
    stage.provider.script("token", status=400, json={"error": "invalid_grant"})
    page, _ = stage.assert_refused(lambda: browser.deliver(answer), browser, code="code_refused", status=400)
    assert all(link.startswith("/") for link in links_on(page.body))
    assert not re.search(r"<(img|iframe|script|link|object|embed|video|audio|base)\b|@import|url\(", page.text)
    assert "default-src 'none'" in page.header("content-security-policy")
    assert page.header("referrer-policy") == "no-referrer"
    values = brought_back(answer)
    assert len(values) > 1
    assert not [value for value in values if value in page.text + page.url]


@pytest.mark.parametrize("place", PLACES)
def test_ci_03_the_address_is_clean_wherever_the_application_is(stage, place):
    base, options, endpoints = PLACES[place]
    callback = urlsplit(base)._replace(path=endpoints + "/callback").geturl()
    stage.restart(registration={"redirect_uris": [callback]}, **options)
    browser = Browser(stage.app, base_url=base, provider=stage.provider, clock=stage.clock)
    answer = stage.provider.respond(browser.start_login("/deep?a=b"), code="canary-of-a-code")
    assert answer.url.startswith(callback + "?")
    first, page = shown(browser.deliver(answer), browser)
    assert (page.status, codes_on(page)) == (400, ["code_refused"])
    assert page.url == first.location == urlsplit(base)._replace(path=endpoints + "/error", query="of=" + assert_moved(first)).geturl()
    assert "canary-of-a-code" not in "".join(entry.text + entry.url for entry in browser.history if entry is not first)
    assert all(name not in page.url for name in ("code", "state", "iss"))
    (cookie,) = first.all("set-cookie")
    assert "Max-Age=0" in cookie
    retry, home = links_on(page.body)
    mount = urlsplit(base).path
    assert (retry.partition("?")[0], home) == (endpoints + "/login", mount + "/")
    again = browser.navigate(urlsplit(base)._replace(path="").geturl() + retry, initiator=page.url)
    assert (again.status, again.url) == (200, base + "/deep?a=b")


def test_ci_03_what_is_sealed_is_what_the_page_shows_and_no_more(stage):
    first, page = failed(stage)
    payload = load(stage.site.keyring.open("error", assert_moved(first)), 5)
    assert payload == ["access_denied", re.search("<dd>([0-9a-f]{12})</dd>", page.text)[1], None, DEEP_LINK, int(stage.clock.now())]
    (line,) = quiet(stage)
    assert (line.event, line.code, line.correlation_id) == ("login.failed", "access_denied", payload[1])


@pytest.mark.row("F-OP-07", "DI-08")
def test_ci_03_status_and_waiting_time_are_those_of_the_failure(stage):
    """Whatever goes wrong, the page has the status that programs get, in every class of errors."""
    faults = {
        "provider_throttled": {"status": 429, "headers": {"retry-after": "17"}},
        "provider_unavailable": {"status": 500, "body": b""},
        "token_response_invalid": {"status": 200, "body": b"[]"},
        "code_refused": {"status": 400, "json": {"error": "invalid_grant"}},
    }
    for code, fault in faults.items():
        told = {}
        for headers in (None, PROGRAM):
            browser = stage.browser()
            answer = stage.provider.respond(browser.start_login(DEEP_LINK))
            stage.provider.script("token", times=1, **fault)
            if headers is None:
                first, page = shown(browser.deliver(answer), browser)
                assert is_error_page(first.location)
            else:
                page = browser.fetch(answer.url, headers=headers)
            assert codes_on(page)[0] in (code, "login_interrupted")
            told[headers is None] = (page.status, codes_on(page), page.all("retry-after"))
            stage.clock.advance(61)
        assert told[True] == told[False], code
        assert (told[True][0] == 503) == bool(told[True][2])


@pytest.mark.row("ER-01", "ER-02")
def test_ci_03_nothing_that_the_answer_says_is_shown(stage):
    first, page = failed(stage, error="<script>alert(1)</script>", error_description="canary-description", error_uri="https://evil.example/x")
    assert codes_on(page) == ["provider_refused"]
    told = stage.site.keyring.open("error", assert_moved(first)).decode() + page.text + first.location
    assert not [text for text in ("script", "canary", "evil") if text in told]


# -- who gets it ----------------------------------------------------------------------------------------------------------------------------


def test_ci_03_programs_and_forms_are_answered_where_they_are(stage):
    """There is no visible address to clean: a program reads the status, and a form's answer is in no address."""
    browser = stage.browser()
    page = browser.fetch("/oidc/callback?code=canary-code&state=canary-state", headers=PROGRAM)
    assert (page.status, page.header("content-type"), codes_on(page)) == (400, "application/problem+json", ["no_transaction"])
    empty = browser.navigate("/oidc/callback", follow=False)
    assert (empty.status, codes_on(empty)) == (400, ["state_missing"])
    stage.restart(response_mode="form_post")
    posted = stage.browser()
    answer = stage.provider.respond(posted.start_login(DEEP_LINK), code="canary-code")
    page = posted.deliver(answer, follow=False)
    assert (page.status, codes_on(page), page.url) == (400, ["code_refused"], answer.url)
    assert answer.form
    assert "?" not in page.url
    first, page = shown(posted.navigate("/oidc/callback?code=canary-code&state=canary-state"), posted)
    assert (page.status, codes_on(page)) == (405, ["method_not_allowed"])
    assert is_error_page(first.location), "a code in the address, where none should be"
    first, page = shown(posted.post_form("/oidc/callback?code=canary-code&state=canary-state", {"state": "x" * 43}, follow=False), posted)
    assert (page.status, codes_on(page)) == (400, ["no_transaction"])
    assert is_error_page(first.location), "and there beside a form"
    stage.assert_nothing_leaked(first, page)


def test_ci_03_reload_and_back_show_it_again_for_an_hour(stage):
    """Cookies or not, whoever it is: the page is the same, and changes nothing."""
    first, page = failed(stage)
    before = len(quiet(stage)), len(stage.provider.requests), len(stage.seen)
    for browser, subject in stage.both_visitors():
        calls = len(stage.provider.requests), len(stage.seen)
        session, cookies = stage.session_of(browser), [(cookie.name, cookie.value) for cookie in browser.cookies]
        again = browser.navigate(first.location)
        assert (again.status, again.body, again.headers) == (page.status, page.body, page.headers)
        assert [(cookie.name, cookie.value) for cookie in browser.cookies] == cookies
        assert (len(stage.provider.requests), len(stage.seen)) == calls
        assert (stage.session_of(browser), stage.who(browser)) == (session, subject)
    assert len(quiet(stage)) == before[0], "the line was written at the failure, once"
    head = raw_request(stage.browser(), first.location, method="HEAD")
    assert (head.status, head.body) == (403, b"")
    as_program = stage.browser().fetch(first.location, headers=PROGRAM)
    assert (as_program.status, as_program.json()["code"]) == (403, "access_denied")
    assert as_program.json()["correlation_id"] in page.text
    stage.clock.advance(HOUR - 2)
    assert codes_on(stage.browser().navigate(first.location)) == ["access_denied"]
    stage.clock.advance(2)
    assert_tells_nothing(stage, stage.browser().navigate(first.location))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_ci_03_the_page_is_only_for_looking(stage, method):
    first, _ = failed(stage)
    page = raw_request(stage.browser(pep3333=False), first.location, method=method, headers={"content-length": "0"})
    assert (page.status, page.header("allow"), page.all("set-cookie")) == (405, "GET, HEAD", [])


# -- what somebody else wrote ---------------------------------------------------------------------------------------------------------------


def test_ci_03_a_forged_address_tells_nothing(stage):
    first, _ = failed(stage)
    good = assert_moved(first)
    before = len(quiet(stage))
    bent = [good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :] for at in range(0, len(good), 11)]
    bent += ["", "x", good + "A", good[:-1], good[5:], good.upper(), "." * 300, "x" * 60_000, "%ff", "%00"]
    bent += [f"{good}%0d%0aset-cookie:a=b", f"{good}&of=x"]
    for text in bent:
        assert_tells_nothing(stage, stage.browser().navigate(f"/oidc/error?of={text}"))
    for query in ("", "?", "?of", "?code=canary-code&state=canary-state", f"?OF={good}", "?" + "a=b&" * 500):
        assert_tells_nothing(stage, stage.browser().navigate(f"/oidc/error{query}"))
    assert len(quiet(stage)) == before, "whoever writes such addresses fills no log"
    assert codes_on(stage.browser().navigate(first.location)) == ["access_denied"]


def test_ci_03_a_program_is_told_the_same(stage):
    page = stage.browser().fetch("/oidc/error?of=x", headers=PROGRAM)
    assert (page.status, page.header("content-type")) == (400, "application/problem+json")
    status, public = CODES["error_page_expired"]
    assert json.loads(page.body) == {"type": "about:blank", "title": public, "status": status, "code": "error_page_expired"}


@pytest.mark.row("CK-19")
def test_ci_03_values_of_another_application_or_purpose_tell_nothing(stage):
    """Same secret, and another client, issuer or mount; or sealed by ourselves for something else."""
    payload = dump(["access_denied", "c0ffee", None, "/stolen", int(stage.clock.now())])
    page = stage.browser().navigate(sealed(stage, "access_denied", "c0ffee", None, "", int(stage.clock.now())))
    assert codes_on(page) == ["access_denied"], "what was sealed here opens"
    others = [{"client_id": "another"}, {"issuer": "https://op2.example"}, {"base_url": f"{BASE_URL}/other"}, {"secret_key": "f" + SECRET_KEY[1:]}]
    foreign = [stage.worker(**options)._rp.sites.fixed.keyring.seal("error", payload, stage.clock.random(12)) for options in others]
    own = [stage.site.keyring.seal(purpose, payload, stage.clock.random(12)) for purpose in ("login", "session", "csrf", "rounds", "post-logout")]
    for text in foreign + own:
        assert_tells_nothing(stage, stage.browser().navigate(f"/oidc/error?of={quoted(text)}"))
    browser = stage.browser()
    browser.start_login(DEEP_LINK)
    for cookie in browser.cookies:
        assert_tells_nothing(stage, stage.browser().navigate(f"/oidc/error?of={quoted(cookie.value)}"))


@pytest.mark.row("CK-16")
def test_ci_03_a_new_secret_opens_what_the_old_one_sealed(stage):
    first, _ = failed(stage)
    later = stage.browser(stage.worker(secret_key=["n" + SECRET_KEY[1:], SECRET_KEY]))
    assert codes_on(later.navigate(first.location)) == ["access_denied"]


@pytest.mark.row("CK-25", "F-PR-02")
def test_ci_03_what_another_version_sealed_tells_nothing(stage):
    """Codes that are not known here, more or fewer values, other types, a clock that is far ahead."""
    now = int(stage.clock.now())
    good = {"code": "access_denied", "correlation_id": "c0ffee", "retry_after": None, "return_to": "", "made": now}
    edits = [{"code": code} for code in ("a_code_of_tomorrow", "internal_error", ["access_denied"], None)]
    edits += [{"correlation_id": None}, {"return_to": None}, *({"retry_after": value} for value in ("5", True, 1.5))]
    edits += [{"made": made} for made in (None, "now", now + 61, now - HOUR)]
    odd = [[*(good | edit).values()] for edit in edits] + [[*good.values()][:-1], [*good.values(), 1], []]
    assert codes_on(stage.browser().navigate(sealed(stage, *good.values()))) == ["access_denied"]
    for values in odd:
        assert_tells_nothing(stage, stage.browser().navigate(sealed(stage, *values)))
    not_ours = stage.site.keyring.seal("error", b"2[]", stage.clock.random(12))
    assert_tells_nothing(stage, stage.browser().navigate(f"/oidc/error?of={not_ours}"))
    good = stage.browser().navigate(sealed(stage, "provider_throttled", "c0ffee", 17, "/x", now + 59))
    assert (good.status, codes_on(good), good.all("retry-after")) == (503, ["provider_throttled"], ["17"]), "a clock that is a little ahead"


@pytest.mark.row("RD-16", "RD-20")
def test_ci_03_the_way_back_is_judged_again_when_it_is_shown(stage):
    """The prefix was changed meanwhile, say: nobody is led into an endpoint of ours, or to another host."""
    for path in ("//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/oidc/logout", "/oidc/error?of=x", "/x\ny"):
        page = stage.browser().navigate(sealed(stage, "access_denied", "c0ffee", None, path, int(stage.clock.now())))
        assert (page.status, links_on(page.body)) == (403, ["/oidc/login", "/"])
    page = stage.browser().navigate(sealed(stage, "access_denied", "c0ffee", None, "/oidc/signed-in", int(stage.clock.now())))
    assert links_on(page.body) == ["/oidc/login?return_to=%2Foidc%2Fsigned-in", "/"], "where a sign-in in a small window ends"
    assert all(origin_for_browsers(link) == BASE_URL for link in links_on(page.body))


@pytest.mark.row("RD-16")
def test_ci_03_no_sign_in_leads_to_the_page(stage):
    first, _ = failed(stage)
    for wish in (first.location.removeprefix(BASE_URL), "/oidc/error"):
        assert landed(stage.browser().login(login_url(wish))) == "/"


@pytest.mark.row("RD-17")
def test_ci_03_a_long_way_back_is_left_out_of_the_address(stage):
    """About 2,000 characters pass everywhere. The longest return path that still fits is kept whole, the next one is left out whole."""
    kept = []
    for length in range(600, 1_700, 7):
        path = "/" + "p" * (length - 1)
        _, page = failed(stage, to=path)
        (retry, _) = links_on(page.body)
        assert retry in (login_url(path), "/oidc/login")
        kept.append(retry != "/oidc/login")
        if length % 70 == 0:
            stage.clock.advance(1)
    assert kept == sorted(kept, reverse=True)
    assert 50 < kept.count(True) < len(kept)


# -- other ways to fail ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-OP-18")
def test_ci_03_a_slash_after_the_redirect_uri(stage):
    """Refused before it is read, and moved all the same: it holds a code that nobody used yet."""
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login(DEEP_LINK))
    first, page = shown(browser.navigate(answer.url.replace("/callback?", "/callback/?"), initiator=stage.provider.issuer), browser)
    assert (page.status, codes_on(page), first.all("set-cookie")) == (400, ["malformed_parameter"], [])
    assert is_error_page(first.location)
    assert landed(browser.deliver(answer)) == DEEP_LINK, "the login is usable still"


@pytest.mark.row("F-ST-01", "ST-06")
def test_ci_03_a_replay_while_the_store_is_away(stage, store):
    """Whether to send the browser on or to refuse cannot be known: neither the answer nor the session is touched."""
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login(DEEP_LINK))
    assert landed(browser.deliver(answer)) == DEEP_LINK
    session = stage.session_of(browser)
    store.down["*"] = "store_unavailable"
    first, page = shown(browser.deliver(answer), browser)
    assert (page.status, codes_on(page), first.all("set-cookie")) == (503, ["store_unavailable"], [])
    assert is_error_page(first.location)
    assert int(page.header("retry-after")) > 0
    store.down.clear()
    assert stage.session_of(browser) == session
    assert landed(browser.deliver(answer)) == "/"
    assert stage.who(browser) == stage.provider.user["sub"]


def test_ci_03_every_failure_gets_an_address_of_its_own(stage):
    """The same code and state again: the address shares no text with the one before, and cannot be told from what was brought."""
    browser = stage.browser()
    addresses = [assert_moved(browser.navigate("/oidc/callback?code=canary-code&state=canary-state", follow=False)) for _ in range(3)]
    pieces = [{text[at : at + 8] for at in range(len(text) - 7)} for text in addresses]
    assert pieces[0].isdisjoint(pieces[1] | pieces[2])
