"""Catalogue 2.1, F-OP: the provider answers, and answers oddly: pages for people, another name, another time, addresses that were rewritten."""

import re

import httpx
import pytest

from oidc_middleware.testing import REMOVE
from tests.catalogue.helpers import codes_on, landed, login_url, shown
from tests.catalogue.helpers_provider import lines, new_lines
from tests.conformance.party import DEEP_LINK
from tests.conformance.tokens import REFUSED, keeps_tokens, signed_in, token_of

HOUR, DAY = 3600, 86_400

# -- pages for people -----------------------------------------------------------------------------------------------------------------------

PAGE = "<!doctype html>\r\n<title>Sign in</title>\n<h1>Proxy \x1b[31m</h1> " + "Please sign in to use the Internet. " * 20


def html(text=PAGE, content_type="text/html; charset=utf-8"):
    """A page with status 200."""
    return {"status": 200, "body": text.encode("latin-1"), "headers": {"content-type": content_type}}


@pytest.mark.row("F-OP-10", "DI-04", "LG-02")
@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/json"])
@pytest.mark.parametrize(
    ("endpoint", "code"),
    [("discovery", "metadata_invalid"), ("jwks", "jwks_invalid"), ("token", "token_response_invalid"), ("userinfo", "userinfo_invalid")],
)
def test_f_op_10_a_page_in_place_of_an_answer(stage, endpoint, code, content_type):
    """The log has the beginning of it, on one line; the user's page has nothing of it."""
    stage.provider.script(endpoint, **html(content_type=content_type))
    browser = stage.browser()
    with new_lines(stage, level="ERROR") as written:
        page = browser.navigate(DEEP_LINK)
    assert (page.status, codes_on(page)) == (502, [code])
    assert "Internet" not in page.text
    assert stage.session_of(browser) == {}
    [line] = written
    assert line.code == code
    text = line.getMessage()
    assert "\n" not in text
    assert "\x1b" not in text
    if content_type != "application/json":
        begins = re.search(r"'(<!doctype html> <title>Sign in</title> <h1>Proxy .*)~", text)[1]
        assert 190 <= len(begins) <= 200
        assert begins.count("Please sign in to use the Internet. ") >= 3
    stage.provider.unscript()
    stage.clock.advance(5)
    stage.accepts(browser)


@pytest.mark.row("F-OP-10", "LG-01", "DI-15")
@pytest.mark.parametrize("position", [0, 150, 1990])
@pytest.mark.parametrize("endpoint", ["token", "userinfo"])
def test_f_op_10_a_page_that_repeats_a_secret_does_not_get_it_into_the_log(stage, endpoint, position):
    """A debugging proxy shows the request it could not pass on."""

    def repeats(response):
        sent = stage.provider.requests[-1]
        secrets = [*sent.form.values(), sent.headers.get("authorization", ""), *stage.provider.secrets]
        text = "".join("x " * (position // 2) + secret + "\n" for secret in sorted(secrets, key=len))
        return httpx.Response(200, headers={"content-type": "text/html"}, content=text.encode())

    stage.provider.script(endpoint, edit=repeats)
    page = stage.browser().login(DEEP_LINK)
    assert page.status == 502
    stage.assert_nothing_leaked(page)
    for secret in stage.provider.secrets:
        assert secret[:19] not in stage.caplog.text.replace("canary-", "")


@pytest.mark.row("F-OP-10", "DI-13")
@pytest.mark.parametrize("endpoint", ["discovery", "jwks"])
def test_f_op_10_what_is_known_is_kept(stage, endpoint):
    stage.accepts()
    stage.provider.script(endpoint, **html())
    stage.clock.advance(HOUR + 1)
    with new_lines(stage, event="provider.not_refreshed") as written:
        for _ in range(3):
            stage.accepts()
    [line] = written
    assert (line.levelname, line.code) == ("ERROR", {"discovery": "metadata_invalid", "jwks": "jwks_invalid"}[endpoint])
    assert "Please sign in" in line.getMessage()
    assert stage.count(endpoint) == 2
    stage.provider.unscript()
    stage.clock.advance(31)
    stage.accepts()
    assert stage.count(endpoint) == 3


@pytest.mark.row("F-OP-10", "F-OP-04")
@pytest.mark.parametrize("endpoint", ["discovery", "jwks"])
def test_f_op_10_a_page_before_the_code_is_sent_costs_no_login(stage, endpoint):
    """Another worker began the login; this one knows nothing of the provider yet."""
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login(DEEP_LINK))
    stage.app._rp.provider = type(stage.rp.provider)(stage.provider.issuer)
    stage.provider.script(endpoint, **html())
    first, page = shown(browser.deliver(answer), browser)
    assert (page.status, first.all("set-cookie"), stage.count("token")) == (502, [], 0)
    stage.provider.unscript()
    stage.clock.advance(5)
    assert landed(browser.deliver(answer)) == DEEP_LINK


# -- another name ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-OP-14", "DI-13")
@pytest.mark.parametrize(
    "edits", [{"issuer": "https://new.example"}, {"issuer": "https://op.example/"}, {"token_endpoint": "http://op.example/token"}]
)
def test_f_op_14_a_change_that_is_not_acceptable_is_not_accepted(stage, edits):
    code = "metadata_issuer_mismatch" if "issuer" in edits else "metadata_endpoint_insecure"
    _, before = stage.accepts()
    stage.provider.metadata_edits.update(edits)
    stage.clock.advance(HOUR + 1)
    for _ in range(3):
        stage.accepts()
    [line] = lines(stage, event="provider.not_refreshed")
    assert (line.levelname, line.code) == ("ERROR", code)
    assert next(iter(edits.values())) in line.getMessage()
    assert {request.url for request in stage.provider.received("token")} == {"https://op.example/token"}
    stranger = stage.browser(stage.worker())
    page = stranger.navigate(DEEP_LINK, follow=False)
    assert (page.status, codes_on(page), page.all("location")) == (502, [code], []), "a new process has nothing to go on with"
    stage.clock.advance(DAY)
    page = stage.browser().navigate(DEEP_LINK, follow=False)
    assert (page.status, codes_on(page)) == (502, [code])
    stage.provider.metadata_edits.clear()
    stage.clock.advance(31)
    stage.accepts()
    assert before.history


# -- a provider that forgot ------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-OP-15", "DS-07")
def test_f_op_15_a_code_that_the_provider_forgot_means_one_more_click(stage):
    _, before = stage.accepts()
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login(login_url(DEEP_LINK)))
    stage.provider.grants.clear()
    page, retry = stage.assert_refused(lambda: browser.deliver(answer), browser, code="code_refused", status=400)
    stage.provider.complaints.clear()
    steps = len(browser.history)
    assert landed(browser.navigate(retry, initiator=page.url)) == DEEP_LINK
    assert sum(entry.is_redirect for entry in browser.history[steps:]) <= 3
    assert stage.who(before) == stage.provider.user["sub"], "it is a session of ours, whatever the provider forgets"


@pytest.mark.row("F-OP-15", "DS-07")
@pytest.mark.parametrize(
    ("fault", "status"), [({"status": 400, "json": {"error": "invalid_grant"}}, 400), ({"status": 400, "json": {"error": "invalid_client"}}, 502)]
)
def test_f_op_15_a_provider_that_goes_on_forgetting_makes_no_loop(stage, fault, status):
    """Each sign-in is a click of the user's. Nothing sends the browser back by itself."""
    stage.provider.script("token", **fault)
    browser = stage.browser()
    for attempt in range(1, 5):
        steps = len(browser.history)
        page = browser.login(login_url(DEEP_LINK))
        assert page.status == status
        assert [entry.status for entry in browser.history[steps:]] == [302, 303, status], "to the provider, and to the page that says so"
        assert stage.count("token") == attempt
        assert len(stage.provider.authorizations) == attempt


@pytest.mark.row("F-OP-15")
@pytest.mark.parametrize("error", ["login_required", "interaction_required", "server_error", "temporarily_unavailable"])
def test_f_op_15_a_provider_that_wants_to_see_the_user_again(stage, error):
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login(login_url(DEEP_LINK)), code=REMOVE, error=error)
    page, retry = stage.assert_refused(lambda: browser.deliver(answer), browser, code="provider_refused", status=400)
    assert stage.count("token") == 0
    steps = len(browser.history)
    assert landed(browser.navigate(retry, initiator=page.url)) == DEEP_LINK
    assert sum(entry.is_redirect for entry in browser.history[steps:]) <= 3


@pytest.mark.row("F-OP-15", "DS-07")
def test_f_op_15_nobody_is_sent_round_to_a_provider_that_may_not_ask(stage):
    """``prompt=none`` for everybody, and a provider that forgot its sessions."""
    stage.restart(authorize_params={"prompt": "none"})
    _, before = stage.accepts()
    browser = stage.browser()

    def silent(location):
        assert "prompt=none" in location
        return stage.provider.respond(location, code=REMOVE, error="login_required")

    page, retry = stage.assert_refused(
        lambda: browser.deliver(silent(browser.start_login(login_url(DEEP_LINK)))), browser, code="provider_refused", status=400
    )
    for _ in range(4):
        answer = silent(browser.start_login(retry))
        asked = len(stage.provider.authorizations)
        page = browser.deliver(answer)
        assert (page.status, codes_on(page)) == (400, ["provider_refused"])
        assert len(stage.provider.authorizations) == asked, "a click each"
    assert stage.count("token") == 1
    location = browser.start_login(login_url(DEEP_LINK) + "&prompt=login")
    assert "prompt=login" in location
    assert landed(browser.finish_login(location)) == DEEP_LINK
    assert stage.who(before) == stage.provider.user["sub"]


@pytest.mark.row("F-OP-15", "RF-05")
def test_f_op_15_a_refresh_token_that_the_provider_forgot_ends_in_a_login(stage):
    keeps_tokens(stage)
    browser, _ = signed_in(stage)
    stage.provider.refresh_grants.clear()
    stage.provider.tokens.clear()
    stage.clock.advance(400)
    assert token_of(browser) == REFUSED
    assert browser.fetch("/api").status == 401
    steps = len(browser.history)
    assert landed(browser.navigate(DEEP_LINK)) == DEEP_LINK
    assert sum(entry.is_redirect for entry in browser.history[steps:]) <= 3
    assert "token" in token_of(browser)


# -- another time ----------------------------------------------------------------------------------------------------------------------------


def clock_off(seconds, life=HOUR):
    """An edit of the provider: its clock is *seconds* ahead of ours, and its tokens live for *life* seconds."""

    def bend(provider):
        now = provider.clock.now
        provider.id_token_claims.update(iat=lambda _: int(now()) + seconds, exp=lambda _: int(now()) + seconds + life)

    return bend


@pytest.mark.row("F-OP-17", "ID-19")
@pytest.mark.parametrize("seconds", [0, 50, -50, -300])
def test_f_op_17_clocks_that_agree_within_the_leeway(stage, seconds):
    """A token may be ten minutes old (ID-19), so a clock that is five minutes behind does no harm as long as its tokens live."""
    clock_off(seconds)(stage.provider)
    stage.accepts()


@pytest.mark.row("F-OP-17", "ID-18", "ID-19")
@pytest.mark.parametrize(
    ("seconds", "life", "code"),
    [
        (300, HOUR, "id_token_iat"),
        (3600, HOUR, "id_token_iat"),
        (-3600, 2 * HOUR, "id_token_iat"),
        (-3600, HOUR - 100, "id_token_expired"),
        (-300, 200, "id_token_expired"),
    ],
)
def test_f_op_17_clocks_that_do_not(stage, seconds, life, code):
    with new_lines(stage, level="ERROR") as written:
        stage.refuses_tokens(clock_off(seconds, life), code=code)
    assert len(written) == 2
    for line in written:
        assert f"provider clock differs by {abs(seconds)} s" in line.getMessage()


@pytest.mark.row("F-OP-17", "ID-18")
def test_f_op_17_a_token_that_merely_expired_says_nothing_of_clocks(stage):
    with new_lines(stage, level="ERROR") as written:
        stage.refuses_tokens(lambda provider: provider.id_token_claims.update(exp=lambda _: int(provider.clock.now()) - 100), code="id_token_expired")
    assert not [line for line in written if "clock" in line.getMessage()]


# -- what happens to addresses on the way ----------------------------------------------------------------------------------------------------


@pytest.mark.row("F-OP-18", "MX-02", "MX-03", "MX-04")
@pytest.mark.parametrize(
    ("edits", "code"),
    [
        ({"iss": REMOVE}, "iss_missing"),
        ({"iss": ""}, "iss_mismatch"),
        ({"iss": lambda iss: iss + "/"}, "iss_mismatch"),
        ({"iss": str.upper}, "iss_mismatch"),
        ({"state": str.lower}, "state_mismatch"),
        ({"state": str.upper}, "state_mismatch"),
        ({"state": lambda state: state + "/"}, "state_mismatch"),
        ({"state": lambda state: state.lower() + "/"}, "state_mismatch"),
        ({"state": REMOVE}, "state_missing"),
        ({"state": lambda state: state[:-1]}, "no_transaction"),
        ({"state": lambda state: "A" + state[1:]}, "no_transaction"),
    ],
)
def test_f_op_18_an_answer_that_was_rewritten_is_refused_by_name(stage, edits, code):
    stage.restart()
    stage.provider.sends_iss = True

    def attack(browser, location):
        return browser.deliver(stage.provider.respond(location, **edits))

    stage.refuses_attack(attack, code=code, survives=code in ("state_mismatch", "state_missing", "no_transaction"), replay=code == "no_transaction")
    if code == "state_mismatch":
        assert "something on the way rewrites addresses" in stage.caplog.text


@pytest.mark.row("F-OP-18")
def test_f_op_18_a_slash_after_the_redirect_uri(stage):
    def attack(browser, location):
        url = stage.provider.respond(location).url
        return browser.navigate(url.replace("/oidc/callback?", "/oidc/callback/?"), initiator=stage.provider.issuer)

    stage.refuses_attack(attack, code="malformed_parameter")
    assert "a slash after the redirect URI" in stage.caplog.text
