"""Catalogue 1.9, CK: sessions from login to end: size, lifetime, attributes, secrets, clocks, neighbours on the same host."""

import re
from base64 import urlsafe_b64decode
from dataclasses import replace

import pytest

from oidc_middleware.asgi import OIDCMiddleware as AsgiMiddleware
from oidc_middleware.errors import ConfigError
from oidc_middleware.sessions.session import STEP_BACK
from oidc_middleware.testing import REMOVE, Browser, session_set_cookies
from oidc_middleware.wsgi import OIDCMiddleware as WsgiMiddleware
from tests.catalogue.helpers import BASE_URL, codes_on, cookie_named, landed, login_url
from tests.conformance.party import SECRET_KEY


def groups(count):
    return [f"{number:08x}-1f2e-4d3c-9b8a-5d6e7f8a9b0c" for number in range(count)]


def replaying(stage, browser):
    """A thief with a copy of the cookies, whose program ignores every ``Max-Age``."""
    thief = browser.twin()
    for cookie in thief.cookies:
        thief.cookies.put(replace(cookie, expires=None))
    return thief


@pytest.mark.row("CK-04")
def test_ck_04(stage):
    """From every size to every other one: what is written can be read, and what is left over goes with the same answer."""
    browser, counts = stage.browser(), []
    for count in (70, 0, 90, 3, 60, 64, 65, 66, 67, 68, 69, 1):
        stage.provider.user = {"sub": f"user-{count}", "groups": groups(count)}
        assert landed(browser.login(login_url("/"))) == "/"
        seen = browser.fetch("/api").json()
        assert (seen["sub"], seen["claims"]["groups"]) == (f"user-{count}", groups(count))
        names = [stage.session_name, f"{stage.session_name}.1"][: len(stage.session_of(browser))]
        assert list(stage.session_of(browser)) == names
        counts.append(len(names))
        stage.clock.advance(61)
    assert set(counts) == {1, 2}
    assert browser.cookies.rejected == []


@pytest.mark.row("CK-05")
@pytest.mark.parametrize("count", [50, 85, 120, 250, 1_000])
def test_ck_05(stage, count):
    """With logins under way beside it, everything of ours stays within 6 kB; what cannot be kept is refused at the login, never cut."""
    stage.provider.user["groups"] = groups(count)
    browser = stage.browser()
    for number in range(4):
        browser.start_login(f"/reports/{number}")
        stage.clock.advance(1)
    page = browser.login(login_url("/deep"))
    assert len(browser.cookies.header(BASE_URL, stage.clock.now())) <= 6_000
    assert browser.cookies.rejected == []
    if page.status == 200:
        assert landed(page) == "/deep"
        assert browser.fetch("/api").json()["claims"]["groups"] == groups(count)
    else:
        assert (page.status, codes_on(page)) == (400, ["session_too_large"])
        assert stage.session_of(browser) == {}
        assert stage.who(browser) is None
        assert "session_claims" in stage.caplog.text
    assert (page.status == 200) == (count <= 85)


@pytest.mark.row("CK-05")
def test_ck_05_an_existing_session_survives_a_login_that_is_too_large(stage):
    _, browser = stage.accepts()
    stage.provider.user = {**stage.provider.user, "groups": groups(500)}
    location = browser.start_login(login_url("/"))
    stage.assert_refused(lambda: browser.finish_login(location), browser, code="session_too_large", status=400, subject=stage.provider.user["sub"])


@pytest.mark.row("CK-05", "CK-04")
def test_ck_05_what_fitted_at_the_login_fits_for_as_long_as_it_is_used(stage):
    """The time of the last use is part of the session: with more digits it would take more room than there was."""
    stage.provider.claims_in_id_token = True
    fitted = 0
    for length in range(3_860, 3_900):
        stage.clock.set(1_800_000_000.0)
        stage.restart(session_claims=["blob"])
        stage.provider.claims_in_id_token = True
        stage.provider.user["blob"] = "x" * length
        browser = stage.browser()
        if browser.login(login_url("/")).status != 200:
            break
        fitted += 1
        before = stage.session_of(browser)
        stage.clock.advance(1_800.123456)
        assert browser.fetch("/api").status == 200
        assert stage.session_of(browser).keys() == before.keys()
        assert stage.session_of(browser) != before, "it was prolonged"
    assert 5 < fitted < 40, "the limit was not among the lengths that were tried"


@pytest.mark.row("CK-05", "F-PR-02")
def test_ck_05_a_session_beyond_a_smaller_budget_ends_by_itself_and_turns_nobody_away(stage):
    browser = stage.visitor(signed_in=True)
    before = stage.session_of(browser)
    stage.site.sessions._budget = 100
    stage.clock.advance(1_800)
    assert browser.fetch("/api").status == 200
    assert stage.session_of(browser) == before
    assert "session.not_prolonged" in stage.caplog.text
    stage.clock.advance(1_801)
    assert browser.fetch("/api").status == 401


@pytest.mark.row("CK-06")
def test_ck_06(stage):
    """Without a list of revoked sessions a copy outlives the sign-out: unused until the idle time, used until the absolute end, no second longer."""
    for used in (False, True):
        _, browser = stage.accepts()
        began, thief = stage.clock.now(), replaying(stage, browser)
        browser.post_form("/oidc/logout")
        assert (stage.who(browser), stage.session_of(browser)) == (None, {})
        subject = stage.provider.user["sub"]
        assert stage.who(thief) == subject
        if used:
            while stage.clock.now() < began + 8 * 3600 - 1_800:
                stage.clock.advance(1_800)
                assert stage.who(thief) == subject
            stage.clock.set(began + 8 * 3600)
        else:
            stage.clock.set(began + 3_600)
        assert stage.who(thief) is None


@pytest.mark.row("CK-07", "ID-35")
def test_ck_07(stage):
    """Idle time and absolute time, to the second, by our clock; whatever ``Max-Age`` the client keeps to."""
    for lifetime, idle, late in ((28_800, 3_600, 3_600), (1_000, 3_600, 1_000), (300, 300, 300)):
        stage.restart(session_lifetime=lifetime, idle_timeout=idle)
        stage.provider.id_token_claims["exp"] = lambda now: now + 10_000_000
        _, browser = stage.accepts()
        thief, subject, began = replaying(stage, browser), stage.provider.user["sub"], stage.clock.now()
        assert all(cookie.expires == began + late + STEP_BACK for cookie in browser.cookies if cookie.name in stage.session_of(browser))
        for after, expected in ((late - 1, subject), (late, None), (late + 1, None), (10 * late, None)):
            stage.clock.set(began + after)
            assert stage.who(replaying(stage, thief)) == expected, after
        assert stage.who(browser) is None


@pytest.mark.row("CK-07")
def test_ck_07_a_session_in_use_stays_until_its_absolute_end(stage):
    _, browser = stage.accepts()
    subject, began = stage.provider.user["sub"], stage.clock.now()
    while stage.clock.now() < began + 28_800 - 1_000:
        stage.clock.advance(1_000)
        assert stage.who(browser) == subject
    stage.clock.set(began + 28_799)
    assert stage.who(browser) == subject
    stage.clock.set(began + 28_800)
    assert stage.who(replaying(stage, browser)) is None


ATTRIBUTES = {"path": "/", "httponly": "", "secure": "", "samesite": "Lax"}


@pytest.mark.row("CK-13")
@pytest.mark.parametrize("response_mode", ["query", "form_post"])
def test_ck_13(stage, response_mode):
    """Every Set-Cookie of a whole life, deletions included; what the callback reads comes along with a cross-site post if it has to."""
    stage.restart(response_mode=response_mode, registration={"end_session": True})
    stage.provider.user["groups"] = groups(70)
    browser = stage.browser()
    for number in range(7):
        browser.start_login(f"/{number}")
        stage.clock.advance(1)
    browser.login("/")
    stage.clock.advance(1_800)
    browser.fetch("/api")
    browser.login("/oidc/login", code=REMOVE, error="access_denied")
    browser.post_form("/oidc/logout", follow=False)
    headers = [(page, header) for page in browser.history for header in page.all("set-cookie")]
    deleted = [header for _, header in headers if "Max-Age=0" in header]
    assert len(headers) > 15
    assert len(deleted) > 5
    for page, header in headers:
        name = header.partition("=")[0]
        _, attributes = cookie_named(page.all("set-cookie"), name)
        assert name.startswith("__Host-oidc_")
        assert int(attributes.pop("max-age")) >= 0
        crosses = response_mode == "form_post" and name.startswith(
            tuple(stage.session_name.removesuffix("_s") + kind for kind in ("_l_", "_r", "_e_", "_c"))
        )
        assert attributes == {**ATTRIBUTES, "samesite": "None" if crosses else "Lax"}
    assert browser.cookies.rejected == []
    assert stage.session_of(browser) == {}


@pytest.mark.row("CK-15")
@pytest.mark.parametrize(
    "options", [{"base_url": "http://app.example.com"}, {"base_url": "http://10.0.0.1"}, {"base_url": "http://localhost.evil.example"}]
)
def test_ck_15(stage, options):
    with pytest.raises(ConfigError) as caught:
        stage.restart(**options)
    assert any("base_url" in problem for problem in caught.value.problems)
    stage.restart(insecure_allow_http=True, **options)
    page = Browser(stage.app, base_url=options["base_url"], provider=stage.provider).navigate("/", follow=False)
    assert page.status == 302


@pytest.mark.row("CK-15")
@pytest.mark.parametrize("host", ["localhost:8050", "127.0.0.1:8050", "[::1]:8050"])
def test_ck_15_development_on_loopback(stage, host):
    """http there needs no flag; the cookies lose ``Secure`` and with it the prefix that demands it. A real host over http gets none at all."""
    base = f"http://{host}"
    stage.restart(base_url=None, registration={"redirect_uris": [f"{base}/oidc/callback"]})
    browser = Browser(stage.app, base_url=base, provider=stage.provider, clock=stage.clock)
    assert browser.login("/deep").status == 200
    assert browser.fetch("/api").status == 200
    assert len(browser.cookies) == 2
    for cookie in browser.cookies:
        assert cookie.name.startswith("oidc_")
        assert not cookie.secure
    elsewhere = Browser(stage.app, base_url="http://app.example.com", provider=stage.provider, clock=stage.clock)
    page = elsewhere.navigate("/", follow=False)
    assert (page.status, page.all("set-cookie")) == (400, [])


@pytest.mark.row("CK-16")
def test_ck_16(stage):
    old, new = "old-secret-key-0123456789-abcdefghijklmnopqr", "new-secret-key-0123456789-abcdefghijklmnopqr"

    def survives(browser):
        later = stage.browser()
        later.cookies = browser.cookies
        return stage.who(later) is not None

    stage.restart(secret_key=[old])
    _, first = stage.accepts()
    under_way, early = stage.browser(), stage.provider
    location = under_way.start_login("/deep")
    stage.restart(secret_key=[new, old])
    _, second = stage.accepts()
    assert survives(first)
    finishing = stage.browser()
    finishing.cookies, stage.provider.grants = under_way.cookies, early.grants
    assert landed(finishing.deliver(early.respond(location))) == "/deep"
    stage.restart(secret_key=[new])
    assert (survives(first), survives(second)) == (False, True)
    stage.restart(secret_key=[old, new])
    _, wrong_order = stage.accepts()
    assert survives(second)
    stage.restart(secret_key=[new])
    assert not survives(wrong_order), "the first of the list seals"


@pytest.mark.row("CK-17", "CK-16")
@pytest.mark.parametrize(
    "secret", ["", "secret-of-mine", "x" * 31, "changeme", "password", [], ["x" * 40, "short"], [""], "canary-client-secret-0123456789-abcdef"]
)
def test_ck_17(stage, secret):
    with pytest.raises(ConfigError) as caught:
        stage.restart(secret_key=secret)
    assert any("secret_key" in problem for problem in caught.value.problems)
    assert all(text not in str(caught.value) for text in [secret, *secret] if len(text) > 5)


@pytest.mark.row("CK-18")
@pytest.mark.parametrize("jump", [-3_600, -300, -60, -1, -0.001, 1, 60])
def test_ck_18(stage, jump):
    """A worker whose clock is behind or ahead right after the login, and the way back."""
    _, browser = stage.accepts()
    began = stage.clock.now()
    stage.clock.advance(jump)
    assert stage.who(browser) == stage.provider.user["sub"]
    stage.clock.set(began)
    assert stage.who(browser) == stage.provider.user["sub"]


@pytest.mark.row("CK-18")
@pytest.mark.parametrize("jump", [-3_661, -86_400])
def test_ck_18_a_step_back(stage, jump):
    """Beyond an hour and the leeway the session rests: not deleted, and there again once the clock is right."""
    _, browser = stage.accepts()
    began, session = stage.clock.now(), stage.session_of(browser)
    stage.clock.advance(jump)
    assert stage.who(browser) is None
    browser.navigate("/", follow=False)
    assert stage.session_of(browser) == session
    stage.clock.set(began)
    assert stage.who(browser) == stage.provider.user["sub"]


@pytest.mark.row("CK-18")
@pytest.mark.parametrize("now", [2_147_483_647.0, 2_147_483_648.0, 4_102_444_800.0, 253_402_300_000.0])
def test_ck_18_the_years_2038_2100_and_9999(stage, now):
    stage.clock.set(now - 10)
    _, browser = stage.accepts()
    stage.clock.advance(20)
    assert stage.who(browser) == stage.provider.user["sub"]


@pytest.mark.row("CK-20")
def test_ck_20(stage):
    """Two applications on one host, one client, one secret: each has cookies of its own, signing out of one leaves the other."""
    shell = AsgiMiddleware if stage.shell == "asgi" else WsgiMiddleware
    probe = stage._asgi_probe if stage.shell == "asgi" else stage._wsgi_probe
    client = stage.provider.client if stage.shell == "asgi" else stage.provider.sync_client
    bases = [f"{BASE_URL}/app1", f"{BASE_URL}/app2"]
    stage.provider.redirect_uris = [f"{base}/oidc/callback" for base in bases]
    apps = {
        base: shell(probe, http_client=client(), clock=stage.clock, base_url=base, secret_key=SECRET_KEY, **stage.provider.options())
        for base in bases
    }
    browser = Browser(apps, provider=stage.provider, clock=stage.clock)
    assert browser.login(f"{bases[0]}/x").url == f"{bases[0]}/x"
    assert browser.fetch(f"{bases[1]}/api").status == 401
    assert browser.login(f"{bases[1]}/y").url == f"{bases[1]}/y"
    assert [browser.fetch(f"{base}/api").status for base in bases] == [200, 200]
    sessions = {cookie.name for cookie in browser.cookies if cookie.name.endswith("_s")}
    assert len(sessions) == 2
    browser.post_form(f"{bases[0]}/oidc/logout", follow=False)
    assert [browser.fetch(f"{base}/api").status for base in bases] == [401, 200]


@pytest.mark.row("CK-22")
def test_ck_22(stage):
    """Who reads the cookies learns nothing: no token, no name, no subject, in plain or decoded."""
    claims, browser = stage.accepts()
    for cookie in browser.cookies:
        raw = b"".join(urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in re.split(r"[.~]", cookie.value))
        for text in (*stage.provider.issued_id_tokens, stage.provider.issuer, *(value for value in claims.values() if isinstance(value, str))):
            assert text not in cookie.value
            assert text.encode() not in raw


@pytest.mark.row("CK-23")
def test_ck_23(stage):
    """Nothing is compressed: the length tells how long the session is, not what is in it, and there is nothing to inflate."""
    fillers = ["a" * 1_000, "abcdefghij" * 100, "".join(chr(33 + number * 7 % 58) for number in range(1_000)).replace("\\", "x").replace('"', "y")]
    lengths = {sum(map(len, session_set_cookies(stage.app, "ada", padding=filler))) for filler in fillers}
    assert len(lengths) == 1
    assert min(lengths) > 1_333
