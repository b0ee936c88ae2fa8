"""Catalogue 2.1, F-OP: keys that cannot be fetched, and keys that change."""

from itertools import pairwise

import httpx
import pytest

from oidc_middleware.testing.keys import make_key, public_jwk
from tests.catalogue.helpers import codes_on, landed, login_url
from tests.catalogue.helpers_provider import down, lines
from tests.conformance.party import DEEP_LINK

HOUR, DAY = 3600, 86_400
OUTAGES = [{"status": 500, "body": b""}, {"raises": httpx.ReadTimeout("slow")}, {"raises": httpx.ConnectError("refused")}]


# -- keys that cannot be fetched ------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-OP-03")
@pytest.mark.parametrize("fault", OUTAGES)
def test_f_op_03_logins_go_on_with_the_keys_of_a_day(stage, fault):
    stage.accepts()
    down(stage.provider, "jwks", **fault)
    for _ in range(8):
        stage.clock.advance(3 * HOUR - 10)
        stage.accepts()
    assert [line.levelname for line in lines(stage, event="provider.not_refreshed")] == ["WARNING"] * 8
    stage.clock.advance(100)
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login(DEEP_LINK))
    page, _ = stage.assert_refused(lambda: browser.deliver(answer), browser, code=page_code(fault), status=503)
    assert page.header("retry-after")
    stage.provider.unscript()
    stage.clock.advance(30)
    stage.accepts()


def page_code(fault):
    """What an outage is called."""
    error = fault.get("raises")
    return {httpx.ReadTimeout: "provider_timeout", httpx.ConnectError: "provider_unreachable"}.get(type(error), "provider_unavailable")


@pytest.mark.row("F-OP-03", "ID-09")
@pytest.mark.parametrize("fault", OUTAGES)
def test_f_op_03_an_unknown_key_is_an_outage_while_the_keys_are_away(stage, fault):
    _, before = stage.accepts()
    stage.provider.rotate_keys()
    down(stage.provider, "jwks", **fault)
    for _ in range(3):
        browser = stage.browser()
        answer = stage.provider.respond(browser.start_login(login_url(DEEP_LINK)))
        page, retry = stage.assert_refused(lambda: browser.deliver(answer), browser, code=page_code(fault), status=503)  # noqa: B023  # called at once
        assert page.header("retry-after")
        stage.clock.advance(15)
    assert stage.count("jwks") == 2
    assert stage.who(before) == stage.provider.user["sub"]
    stage.provider.unscript()
    stage.clock.advance(20)
    assert landed(browser.navigate(retry, initiator=page.url)) == DEEP_LINK


@pytest.mark.row("F-OP-03", "ID-09")
def test_f_op_03_an_unknown_key_is_the_providers_fault_once_its_keys_are_here(stage):
    stage.accepts()
    stage.refuses_tokens(lambda provider: provider.id_token_header.update(kid="no-such-key"), code="id_token_key_unknown")


# -- new keys -------------------------------------------------------------------------------------------------------------------------------


class Rotating:
    """A provider with a new key every six seconds. *ahead*, *behind*: seconds for which a key is published before and after its use."""

    def __init__(self, stage, *, ahead, behind):
        stage.restart(id_token_algs=["ES256"])
        self.provider, self.clock, self.start = stage.provider, stage.clock, stage.clock.now()
        self.ahead, self.behind, self.keys = ahead, behind, {}
        self.provider.id_token_alg, self.fetched = "ES256", []
        self.provider.jwks_edit = lambda document: {"keys": self.published()}
        self.provider.before_signing = self.sign_with_the_current

    def number(self, seconds):
        return int((self.clock.now() + seconds - self.start) // 6)

    def key(self, number):
        if number not in self.keys:
            self.keys[number] = make_key("P-256")
        return self.keys[number]

    def published(self):
        self.fetched.append(self.clock.now())
        numbers = range(max(0, self.number(-self.behind)), self.number(self.ahead) + 1)
        return [public_jwk(self.key(number), kid=str(number), use="sig") for number in numbers]

    def sign_with_the_current(self, number=None):
        number = self.number(0) if number is None else number
        self.provider.id_token_key, self.provider.id_token_header["kid"] = self.key(number), str(number)


@pytest.mark.row("F-OP-13", "JW-06")
def test_f_op_13_ten_rotations_a_minute_that_overlap_cost_nobody_a_login(stage):
    """Keys are published a minute before their use and after it, so the one look a minute finds them in time."""
    keys = Rotating(stage, ahead=66, behind=66)
    for _ in range(60):
        assert landed(stage.browser().login(DEEP_LINK)) == DEEP_LINK
        stage.clock.advance(5)
    assert len(keys.keys) >= 50
    assert all(later - earlier >= 60 for earlier, later in pairwise(keys.fetched))
    assert 4 <= len(keys.fetched) <= 6
    stage.assert_nothing_leaked()


@pytest.mark.row("F-OP-13", "JW-07")
def test_f_op_13_ten_abrupt_rotations_a_minute_cost_a_fetch_a_minute(stage):
    """Nothing helps those who come between the looks. Nobody is let in by an old key, and the provider is not flooded."""
    keys, pages = Rotating(stage, ahead=0, behind=0), []
    for _ in range(60):
        stage.provider.code_lifetime = 600
        pages.append(stage.browser().login(DEEP_LINK))
        stage.clock.advance(5)
    assert {(page.status, *codes_on(page)) for page in pages} == {(200,), (502, "id_token_key_unknown")}
    assert all(later - earlier >= 60 for earlier, later in pairwise(keys.fetched[1:])), "the first look is for a cold start"
    assert len(keys.fetched) <= 7
    assert stage.count("token") == 60
    stage.provider.before_signing = lambda: keys.sign_with_the_current(0)
    stage.clock.advance(61)
    assert codes_on(stage.browser().login(DEEP_LINK)) == ["id_token_key_unknown"]


@pytest.mark.row("F-OP-13", "ID-09")
def test_f_op_13_one_abrupt_rotation_costs_one_fetch_and_no_login(stage):
    stage.accepts()
    stage.clock.advance(61)
    stage.provider.rotate_keys()
    for _ in range(5):
        stage.accepts()
    assert stage.count("jwks") == 2


@pytest.mark.row("F-OP-13", "F-OP-03")
def test_f_op_13_a_withdrawn_key_is_believed_until_the_keys_were_fetched_anew(stage):
    """An hour at most; a day while they cannot be fetched, and not a second longer."""
    stage.accepts()
    kid, key = stage.provider.keys.signer("RS256")
    stage.provider.rotate_keys()
    stage.provider.id_token_key, stage.provider.id_token_header["kid"] = key, kid
    down(stage.provider, "jwks")
    for seconds in (HOUR + 1, DAY - HOUR - 20):
        stage.clock.advance(seconds)
        stage.accepts()
    stage.clock.advance(30)
    assert codes_on(stage.browser().login(DEEP_LINK)) == ["provider_unreachable"]
    stage.provider.unscript()
    stage.clock.advance(5)
    assert codes_on(stage.browser().login(DEEP_LINK)) == ["id_token_key_unknown"]
