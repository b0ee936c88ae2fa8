"""Catalogue 1.2, ST: state and login CSRF. Every refusal is judged by the oracle of :class:`~tests.catalogue.helpers.Stage`."""

from collections import Counter
from functools import partial
from itertools import pairwise
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from oidc_middleware.clock import SystemClock
from oidc_middleware.sessions.pending import new_pending_login
from oidc_middleware.testing import REMOVE, Cookie
from tests.catalogue.helpers import BASE_URL, assert_strict, codes_on, landed, login_url, raw_request, shown
from tests.conformance.party import DEEP_LINK


def answering(stage, **edits):
    """An attack: the provider's answer to the login, bent."""
    return lambda browser, location: browser.deliver(stage.provider.respond(location, **edits))


def callback(browser, query):
    """The browser comes to the callback with *query*, as if from the provider."""
    return browser.navigate(f"/oidc/callback?{query}", initiator="https://op.example")


def state_of(location):
    return parse_qs(urlsplit(location).query)["state"][0]


@pytest.mark.row("ST-01")
@pytest.mark.parametrize("edits", [{"state": REMOVE}, {"state": REMOVE, "code": "x"}])
def test_st_01(stage, edits):
    stage.refuses_attack(answering(stage, **edits), code="state_missing")


@pytest.mark.row("ST-02")
def test_st_02(stage):
    def attack(browser, _location):
        return browser.deliver(stage.provider.respond(stage.browser().start_login("/attackers")))

    stage.refuses_attack(attack, code="no_transaction", replay=True)


@pytest.mark.row("ST-03")
def test_st_03(stage):
    stage.refuses_attack(answering(stage, state="B" * 43), code="no_transaction", replay=True)


@pytest.mark.row("ST-04")
def test_st_04(stage):
    """The attacker's state, under whose name the victim's own, valid cookie stands."""

    def attack(browser, location):
        other = stage.provider.respond(stage.browser().start_login("/attackers"))
        name = stage.site.logins._name(parse_qs(urlsplit(other.url).query)["state"][0])
        own = browser.cookies.get(stage.site.logins._name(state_of(location)))
        browser.cookies.put(Cookie(name, own, host="app.example.com", secure=True, http_only=True))
        return browser.deliver(other)

    stage.refuses_attack(attack, code="state_mismatch")


@pytest.mark.row("ST-05")
def test_st_05_every_byte_counts(stage):
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login("/deep"))
    ((name, value),) = [(cookie.name, cookie.value) for cookie in browser.cookies if cookie.name in stage.logins_of(browser)]
    bent = [value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :] for at in range(len(value))]
    bent += [value[:at] for at in range(0, len(value), 7)] + [
        value + "A",
        "A" + value,
        value + value,
        value.upper(),
        f'"{value}"',
        "\xff\xfe",
        "." * 500,
    ]
    for broken in bent:
        first, page = shown(raw_request(browser, answer.url, cookie=f"{name}={broken}"), browser)
        assert (page.status, codes_on(page)) == (400, ["no_transaction"]), broken
        assert not [cookie for cookie in first.all("set-cookie") if "Max-Age=0" not in cookie]
    assert stage.count("token") == 0
    assert landed(browser.deliver(answer)) == "/deep"
    stage.assert_nothing_leaked()


@pytest.mark.row("ST-05", "CK-19")
def test_st_05_a_cookie_for_another_purpose_or_from_another_key(stage):
    browser, thief = stage.visitor(signed_in=True), stage.browser()
    answer = stage.provider.respond(thief.start_login("/deep"))
    (name,) = stage.logins_of(thief)
    login, (session,) = thief.cookies.get(name), stage.session_of(browser).values()
    foreign = stage.site.keyring.seal("csrf", stage.site.keyring.open("login", login), b"n" * 12)
    for wrong in (session, foreign, stage.site.keyring.seal("rounds", b"[1,[1]]", b"m" * 12)):
        _, page = shown(raw_request(thief, answer.url, cookie=f"{name}={wrong}"), thief)
        assert (page.status, codes_on(page)) == (400, ["no_transaction"])
    for wrong in (login, foreign):
        page = raw_request(thief, "/api", cookie=f"{stage.session_name}={wrong}", headers={"sec-fetch-mode": "cors"})
        assert (page.status, codes_on(page)) == (401, ["login_required"])
    assert stage.count("token") == 1


@pytest.mark.row("ST-05")
def test_st_05_another_secret(stage):
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login("/deep"))
    stage.restart(secret_key="another-secret-key-0123456789-abcdefghijklmnop")
    later = stage.browser()
    later.cookies = browser.cookies
    stage.assert_refused(lambda: later.deliver(answer), later, code="no_transaction", status=400)
    assert stage.count("token") == 0
    assert landed(later.login("/deep")) == "/deep"


@pytest.mark.row("ST-06")
@pytest.mark.parametrize("cookie_is_back", [False, True])
@pytest.mark.parametrize("with_session", [False, True])
def test_st_06(stage, cookie_is_back, with_session):
    """Reload and Back: one token request, one login. What is left of it is the session, or nothing."""
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login(DEEP_LINK))
    stage.pending(browser)
    before = browser.cookies.copy()
    assert landed(browser.deliver(answer)) == DEEP_LINK
    if cookie_is_back:
        for cookie in before:
            browser.cookies.put(cookie)
    if with_session:
        page = stage.assert_sent_on(lambda: browser.deliver(answer), browser, stage.provider.user["sub"])
        assert landed(page) == (DEEP_LINK if cookie_is_back else "/")
    else:
        for name in stage.session_of(browser):
            browser.cookies.put(Cookie(name, "", host="app.example.com", secure=True))
        code = "transaction_used" if cookie_is_back else "no_transaction"
        stage.assert_refused(lambda: browser.deliver(answer), browser, code=code, status=400)
    assert stage.count("token") == 1
    assert stage.provider.complaints == []


@pytest.mark.row("ST-06")
def test_st_06_in_another_process_the_providers_single_use_code_stands_behind_it(stage):
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login(DEEP_LINK))
    stolen = browser.twin()
    assert landed(browser.deliver(answer)) == DEEP_LINK
    stage.app._world.used._keys.clear()  # what another worker knows
    stage.assert_refused(lambda: stolen.deliver(answer), stolen, code="code_refused", status=400)
    assert stage.provider.complaints == ["token request: code used twice"]


@pytest.mark.row("ST-07")
@pytest.mark.parametrize("late", [0, 1, 60, 3_000])
def test_st_07(stage, late):
    for browser, whoever in stage.both_visitors():
        location = browser.start_login(login_url(DEEP_LINK))
        stage.clock.advance(600 + late)
        tokens = stage.count("token")
        answer = stage.provider.respond(location)
        subject = whoever if late < 3_000 else None  # idle for an hour by then
        step = partial(browser.deliver, answer)
        _, retry = stage.assert_refused(step, browser, code="transaction_expired", status=400, subject=subject)
        assert stage.count("token") == tokens
        assert landed(browser.login(retry)) == DEEP_LINK


@pytest.mark.row("ST-07")
def test_st_07_a_second_before(stage):
    browser = stage.browser()
    location = browser.start_login(DEEP_LINK)
    stage.clock.advance(599)
    assert landed(browser.finish_login(location)) == DEEP_LINK


@pytest.mark.row("ST-08")
def test_st_08():
    """A hundred thousand states: unique, 256 bits each, no bit position that favours a value, nothing that grows with time."""
    draw = SystemClock().random
    made = [new_pending_login(draw(96), return_to="/", issuer="i", redirect_uri="r", created=0.0).state for _ in range(100_000)]
    assert len(set(made)) == 100_000
    assert {len(state) for state in made} == {43}
    for position in range(42):  # the last character holds four bits only
        counts = Counter(state[position] for state in made)
        assert len(counts) == 64
        expected = 100_000 / 64
        assert sum((count - expected) ** 2 / expected for count in counts.values()) < 140, "chi-squared, 63 degrees of freedom, p < 1e-7"
    assert sum(second > first for first, second in pairwise(made)) == pytest.approx(50_000, abs=1_500)


@pytest.mark.row("ST-08")
def test_st_08_as_it_is_sent(stage):
    stage.restart(clock=SystemClock())
    sent = [parse_qs(urlsplit(stage.browser().start_login("/")).query) for _ in range(100)]
    values = [query[name][0] for query in sent for name in ("state", "nonce", "code_challenge")]
    assert len(set(values)) == 300
    assert {len(value) for value in values} == {43}


@pytest.mark.row("ST-09")
def test_st_09(stage):
    """A login begun at one provider comes back to a process that is configured for another; the secret is the same."""
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login("/deep"))
    first = stage.provider
    stage.restart(registration={"issuer": "https://other-op.example"})
    later = stage.browser()
    later.cookies = browser.cookies
    stage.assert_refused(lambda: later.deliver(answer), later, code="no_transaction", status=400)
    assert first.received("token") == stage.provider.received("token") == []
    assert landed(later.login("/deep")) == "/deep"


@pytest.mark.row("ST-10")
@pytest.mark.parametrize(
    "edits",
    [
        {"state": lambda old: [old, "B" * 43]},
        {"state": lambda old: [old, old]},
        {"code": lambda old: [old, "x"]},
        {"iss": ["https://op.example"] * 2},
        {"error": "access_denied"},
        {"error": ["access_denied"] * 2, "code": REMOVE},
    ],
)
def test_st_10(stage, edits):
    stage.refuses_attack(answering(stage, **edits), code="duplicate_parameter")


@pytest.mark.row("ST-11")
@pytest.mark.parametrize(
    ("state", "code", "replay"),
    [
        ("é", "no_transaction", True),
        ("\x00", "malformed_parameter", False),
        ("x" * 60_000, "no_transaction", True),
        ("\ud800", "malformed_parameter", False),
    ],
)
def test_st_11(stage, state, code, replay):
    def attack(browser, _location):
        return callback(browser, urlencode({"state": state, "code": "x"}, errors="surrogatepass"))

    stage.refuses_attack(attack, code=code, replay=replay)


@pytest.mark.row("ST-11")
def test_st_11_a_megabyte(stage):
    stage.refuses_attack(lambda browser, _: callback(browser, f"code=x&state={'x' * 1_000_000}"), code="malformed_parameter")


@pytest.mark.row("ST-12")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "get", "X"])
def test_st_12_method(stage, method):
    """The right answer, sent in the wrong way: refused, and usable the right way after that."""
    browser = stage.browser(pep3333=False)  # its checker refuses some of these methods before we do
    location = browser.start_login("/deep")
    answer = stage.provider.respond(location)
    url, query = answer.url.split("?")
    cookie = browser.cookies.header(BASE_URL, stage.clock.now())
    for target, body in ((answer.url, b""), (url, query.encode())):
        headers = {"content-type": "application/x-www-form-urlencoded", "content-length": str(len(body))}
        first, page = shown(raw_request(browser, target, cookie=cookie, method=method, headers=headers, body=body), browser)
        assert page.status == 405
        assert first.all("set-cookie") == []
        assert_strict(page)
    assert stage.count("token") == 0
    assert landed(browser.deliver(answer)) == "/deep"


@pytest.mark.row("ST-12")
@pytest.mark.parametrize("query", ["", "&", "&&&", "=", "#code=x&state=y"])
def test_st_12_nothing_to_read(stage, query):
    code = "malformed_parameter" if query == "=" else "state_missing"
    stage.refuses_attack(lambda browser, _: callback(browser, query), code=code)
