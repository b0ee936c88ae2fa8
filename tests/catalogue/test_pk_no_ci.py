"""Catalogue 1.3, PK, NO, CI: PKCE, nonce, codes that are injected, replayed or leaked."""

import re
from base64 import urlsafe_b64decode
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest

from oidc_middleware.protocol.pkce import code_challenge
from oidc_middleware.testing import REMOVE, Sent, run_async
from oidc_middleware.testing.keys import b64url
from tests.catalogue.helpers import BASE_URL, codes_on, is_error_page, landed, login_url, shown
from tests.conformance.party import DEEP_LINK


def asked(location):
    return {name: value for name, (value,) in parse_qs(urlsplit(location).query).items()}


@pytest.mark.row("PK-01")
def test_pk_01(stage):
    browser = stage.browser()
    sent = [asked(browser.start_login("/")) for _ in range(3)]
    made = {login.state: login for login in stage.pending(browser)}
    for parameters in sent:
        login = made[parameters["state"]]
        assert parameters["code_challenge_method"] == "S256"
        assert parameters["code_challenge"] == code_challenge(login.code_verifier)
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", parameters["code_challenge"])
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", login.code_verifier), "43 characters of base64url are 256 bits"
    assert len({login.code_verifier for login in made.values()}) == 3
    browser.login("/")
    assert "code_verifier" in stage.provider.received("token")[-1].form


@pytest.mark.row("PK-02")
@pytest.mark.parametrize("advertised", [REMOVE, ["plain"], [], None, "S256", ["S256"]])
def test_pk_02(stage, advertised):
    stage.provider.metadata_edits["code_challenge_methods_supported"] = advertised
    for _ in range(3):
        browser = stage.browser()
        location = browser.start_login("/")
        assert asked(location)["code_challenge_method"] == "S256"
        assert landed(browser.finish_login(location)) == "/"
    assert stage.provider.complaints == []
    warnings = [record for record in stage.caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == (0 if advertised == ["S256"] else 1), "one warning, and only where the provider does not advertise it"


@pytest.mark.row("PK-02")
@pytest.mark.parametrize("advertised", [REMOVE, ["plain"], [], ["S256"]])
def test_pk_02_when_it_is_required(stage, advertised):
    stage.restart(require_pkce=True)
    stage.provider.metadata_edits["code_challenge_methods_supported"] = advertised
    page = stage.browser().navigate("/", follow=False)
    if advertised == ["S256"]:
        assert page.status == 302
    else:
        assert (page.status, codes_on(page), page.all("set-cookie")) == (502, ["metadata_invalid"], [])


@pytest.mark.row("PK-03")
def test_pk_03(stage):
    """Somebody strips the challenge on the way. We send the verifier all the same; a correct provider then refuses, which is the user's D400."""

    def attack(browser, location):
        answer = stage.provider.respond(location)
        grant = stage.provider.grants[parse_qs(urlsplit(answer.url).query)["code"][0]]
        grant.parameters = {**grant.parameters, "code_challenge": "stripped"}
        return browser.deliver(answer)

    stage.refuses_attack(attack, code="code_refused", token=1, survives=False)
    assert all(43 <= len(request.form["code_verifier"]) <= 128 for request in stage.provider.received("token"))


@pytest.mark.row("PK-04")
def test_pk_04(stage):
    browsers = [stage.browser() for _ in range(3)]
    locations = [browser.start_login(DEEP_LINK) for browser in browsers]
    verifiers = [login.code_verifier for browser in browsers for login in stage.pending(browser)]
    browsers[0].finish_login(locations[0])
    browsers[1].finish_login(locations[1], code=REMOVE, error="server_error")
    stage.provider.script("token", status=400, json={"error": "invalid_grant"})
    browsers[2].finish_login(locations[2])
    seen = "".join(page.url + page.text + str(page.headers) + str(page.sent.headers) for browser in browsers for page in browser.history)
    seen += stage.caplog.text + "".join(locations)
    assert len(verifiers) == 3
    assert not [verifier for verifier in verifiers if verifier in seen]
    assert [request.endpoint for request in stage.provider.requests if any(verifier in request.url for verifier in verifiers)] == []
    stage.assert_nothing_leaked(*browsers[1].history, *browsers[2].history)


@pytest.mark.row("PK-05")
def test_pk_05(stage):
    """Each login has its own verifier, the retry after an interruption included. (Many more are drawn in ``test_st_08``.)"""
    browser, verifiers = stage.browser(), []
    for attempt in range(60):
        if attempt % 2:
            stage.provider.script("token", status=503, body=b"", times=1)
        location = browser.start_login(login_url(DEEP_LINK))
        page = browser.finish_login(location)
        assert page.status == (503 if attempt % 2 else 200)
        verifiers.append(stage.provider.received("token")[-1].form["code_verifier"])
        stage.clock.advance(61)
    assert len(set(verifiers)) == 60
    assert stage.logins_of(browser) == []


@pytest.mark.row("PK-06")
def test_pk_06(stage):
    """The cookie of a login under way tells nothing to whoever reads it: encrypted, and different each time."""
    browser = stage.browser()
    for _ in range(2):
        browser.start_login(DEEP_LINK)
    logins = stage.pending(browser)
    secrets = [secret for login in logins for secret in (login.nonce, login.code_verifier, login.state)]
    for cookie in browser.cookies:
        text = cookie.name + cookie.value
        decoded = b"".join(_decoded(part) for part in cookie.value.split("."))
        assert not [secret for secret in secrets if secret in text or secret.encode() in decoded or b64url(secret.encode()) in text]
        assert b"reports" not in decoded
        assert b"op.example" not in decoded


def _decoded(text):
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.row("NO-01")
@pytest.mark.parametrize("nonce", [REMOVE, None])
def test_no_01(stage, nonce):
    stage.refuses_tokens(lambda provider: provider.id_token_claims.update(nonce=nonce), code="nonce_missing", status=400)


@pytest.mark.row("NO-02", "NO-04")
def test_no_02(stage):
    """The ID token of a parallel login in the same browser, and of somebody else's."""
    for browser, subject in stage.both_visitors():
        locations = [browser.start_login(login_url(path)) for path in ("/one", "/two")]
        stage.pending(browser)
        stranger = stage.browser()
        foreign = asked(stranger.start_login("/"))["nonce"]
        for location, nonce in zip(locations, (asked(locations[1])["nonce"], foreign), strict=True):
            stage.provider.id_token_claims["nonce"] = nonce
            answer = stage.provider.respond(location)
            stage.assert_refused(lambda: browser.deliver(answer), browser, code="nonce_mismatch", status=400, subject=subject)  # noqa: B023  # called at once
            stage.provider.id_token_claims.clear()
            stage.clock.advance(1)
        assert landed(browser.login("/three" if subject is None else login_url("/three"))) == "/three"


@pytest.mark.row("NO-03")
@pytest.mark.parametrize(
    "change",
    [
        lambda nonce: 1,
        lambda nonce: [nonce],
        lambda nonce: "",
        lambda nonce: {"nonce": nonce},
        lambda nonce: True,
        lambda nonce: nonce.swapcase(),
        lambda nonce: nonce + " ",
        lambda nonce: nonce + "\x00",
        lambda nonce: nonce + "\u0301",
        lambda nonce: nonce[:-1],
        lambda nonce: nonce + "é",
        lambda nonce: nonce * 1_000,
    ],
)
def test_no_03(stage, change):
    stage.refuses_tokens(lambda provider: provider.id_token_claims.update(nonce=change), code="nonce_mismatch", status=400)


@pytest.mark.row("NO-03")
def test_no_03_a_megabyte(stage):
    stage.refuses_tokens(lambda provider: provider.id_token_claims.update(nonce="n" * 1_000_000), code="response_too_large")


@pytest.mark.row("NO-04")
def test_no_04(stage):
    """The provider's whole answer to one login, stolen and played back at another."""
    victim = stage.browser()
    answer = stage.provider.respond(victim.start_login("/"))
    stage.provider.script("token", edit=lambda response: kept.append(response.content) or response, times=1)
    kept = []
    assert landed(victim.deliver(answer)) == "/"
    attacker = stage.browser()
    location = attacker.start_login("/")
    stage.provider.script("token", body=kept[0], times=1)
    stage.assert_refused(lambda: attacker.finish_login(location), attacker, code="nonce_mismatch", status=400)
    assert stage.who(victim) == stage.provider.user["sub"]


@pytest.mark.row("CI-01")
@pytest.mark.parametrize("correct", [True, False])
def test_ci_01(stage, correct):
    """The victim's stolen code in the attacker's own callback. Where the provider does not look at the verifier, the nonce still tells."""

    def attack(browser, location):
        stolen = parse_qs(urlsplit(stage.provider.respond(stage.browser().start_login("/")).url).query)["code"][0]
        grant = stage.provider.grants[stolen]
        if not correct:
            grant.parameters = {**grant.parameters, "code_challenge": asked(location)["code_challenge"]}
        return browser.deliver(stage.provider.respond(location, code=stolen))

    stage.refuses_attack(attack, code="code_refused" if correct else "nonce_mismatch", token=1, survives=False)


@pytest.mark.row("CI-02")
def test_ci_02(stage):
    """Ten tabs open the same callback at the same moment: one token request, one login, nine times the page of ST-06."""
    browser = stage.browser()
    location = browser.start_login(DEEP_LINK)
    answer = stage.provider.respond(location)
    stage.provider.script("token", delay=0.02)
    request = browser._prepared(Sent("GET", answer.url), stage.provider.issuer, [answer.url], {"accept": "text/html"}, top_level=True)
    server = browser._sites[0][1]
    if stage.shell == "asgi":
        pages = run_async(_all_at_once(server, request))
    else:
        with ThreadPoolExecutor(10) as pool:
            pages = list(pool.map(server, [request] * 10))
    assert [page.status for page in pages] == [303] * 10
    seen = [shown(page, browser)[1] for page in pages if is_error_page(page.location)]
    assert [(page.status, codes_on(page)) for page in seen] == [(400, ["transaction_used"])] * 9
    assert stage.count("token") == 1
    with_session = [page for page in pages if any(cookie.startswith(stage.session_name) for cookie in page.all("set-cookie"))]
    assert [page.status for page in with_session] == [303]
    browser.cookies.receive(BASE_URL, with_session[0].all("set-cookie"), stage.clock.now())
    assert stage.who(browser) == stage.provider.user["sub"]


async def _all_at_once(server, request):
    pages = []

    async def one():
        pages.append(await server.call(request))

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(one)
    return pages


@pytest.mark.row("CI-04")
@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "code_missing"),
        (REMOVE, "code_missing"),
        ("x" * 4_097, "code_invalid"),
        ("a\r\nb", "malformed_parameter"),
        ("a\x00b", "malformed_parameter"),
        ("é", "code_invalid"),
        ("x" * 100_000, "malformed_parameter"),
    ],
)
def test_ci_04(stage, value, code):
    """Refused without asking the provider. What cannot be read at all leaves the login usable, what was read and judged ends it."""

    def attack(browser, location):
        return browser.deliver(stage.provider.respond(location, code=value))

    stage.refuses_attack(attack, code=code, survives=code == "malformed_parameter")


@pytest.mark.row("CI-04")
@pytest.mark.parametrize("value", ["a&b=c", "a+b c%20d", "x" * 4_096, "a=&client_id=evil&code_verifier=y"])
def test_ci_04_odd_codes_travel_as_one_parameter(stage, value):
    browser = stage.browser()
    page = browser.login(DEEP_LINK, code=value)
    assert codes_on(page) == ["code_refused"]
    form = parse_qs(stage.provider.received("token")[-1].body.decode())
    assert form["code"] == [value]
    assert all(len(values) == 1 for values in form.values())


@pytest.mark.row("CI-05")
def test_ci_05(stage):
    """Another user's access token in the token response: the hash in the ID token tells, and where there is none, UserInfo's subject."""
    stage.refuses_tokens(lambda provider: provider.token_edits.update(access_token="another-clients-token"), code="id_token_at_hash")

    def bend(provider):
        provider.id_token_claims["at_hash"] = REMOVE
        provider.userinfo_edits["sub"] = "somebody-else"

    stage.refuses_tokens(bend, code="userinfo_sub_mismatch", userinfo=1)


@pytest.mark.row("CI-06")
def test_ci_06(stage):
    """The token request names the address the login began with, even if another process, configured otherwise, finishes it."""
    browser = stage.browser()
    location = browser.start_login("/deep")
    first = stage.provider
    stage.restart(base_url=None, allowed_hosts=["app.example.com", "www.example.com"])
    later = stage.browser()
    later.cookies = browser.cookies
    stage.provider.grants, answer = first.grants, first.respond(location)
    assert landed(later.deliver(answer)) == "/deep"
    assert stage.provider.received("token")[-1].form["redirect_uri"] == asked(location)["redirect_uri"] == f"{BASE_URL}/oidc/callback"
    assert stage.provider.complaints == []


@pytest.mark.row("CI-07")
def test_ci_07(stage):
    """Signing out leaves a login under way alone, so it completes; as a new session, with nothing of the old one."""
    _, browser = stage.accepts()
    old = stage.session_of(browser)
    location = browser.start_login(login_url("/late"))
    browser.post_form("/oidc/logout")
    assert stage.who(browser) is None
    stage.provider.user = {"sub": "another-user", "name": "Another User"}
    assert landed(browser.finish_login(location)) == "/late"
    claims = browser.fetch("/api").json()["claims"]
    assert {name: claims[name] for name in ("sub", "name")} == stage.provider.user
    assert "email" not in claims
    assert set(stage.session_of(browser).values()).isdisjoint(old.values())
