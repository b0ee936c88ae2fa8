"""What is remembered of the provider, and for how long."""

import logging
import traceback
from dataclasses import replace

import pytest

from oidc_middleware.errors import ProviderError, Unavailable
from oidc_middleware.flows.effects import Fetch, Now, Once, Report
from oidc_middleware.flows.metadata import FORCED_SECONDS, provider_keys, provider_metadata, verified_id_token
from oidc_middleware.flows.remembered import FAILURE_SECONDS, FRESH_SECONDS, STALE_FAILURE_SECONDS, STALE_SECONDS
from oidc_middleware.protocol.id_token import ExpectedIDToken
from oidc_middleware.testing import FakeClock, ScriptedProvider
from tests.flows.hand import ISSUER, METADATA, Driver, json_response, party

DOWN = Unavailable("provider_unreachable", sent=False)


def metadata_flow(rp):
    return provider_metadata(rp.provider, rp.settings)


def test_the_first_effect_asks_the_time_and_the_second_goes_out_once():
    rp = party()
    flow = metadata_flow(rp)
    assert next(flow) == Now()
    effect = flow.send(1000.0)
    assert isinstance(effect, Once)
    inner = effect.flow()
    assert next(inner) == Now()
    request = inner.send(1000.0).request
    assert (request.method, request.url) == ("GET", f"{ISSUER}/.well-known/openid-configuration")


def test_a_fresh_copy_costs_no_call_and_an_old_one_is_refreshed():
    rp, driver = party(), Driver(json_response(METADATA), json_response(METADATA | {"token_endpoint": f"{ISSUER}/new"}))
    first = driver.run(metadata_flow(rp))
    driver.clock.advance(FRESH_SECONDS - 1)
    assert driver.run(metadata_flow(rp)) is first
    assert driver.fetched == ["discovery"]
    driver.clock.advance(2)
    assert driver.run(metadata_flow(rp)).token_endpoint == f"{ISSUER}/new"


@pytest.mark.row("JW-08")
@pytest.mark.parametrize("answer", [json_response(METADATA), DOWN])
def test_whoever_comes_to_lead_just_after_somebody_was_done_takes_what_is_there(answer):
    """A thread may look, be put aside while another one does the whole work, and only then find nobody at it."""
    rp, driver = party(), Driver(answer)
    slow = metadata_flow(rp)
    next(slow)
    late = slow.send(driver.clock.now())
    try:
        quick = driver.run(metadata_flow(rp))
    except Unavailable:
        with pytest.raises(Unavailable, match="provider_unreachable"):
            driver.run(late.flow())
    else:
        assert driver.run(late.flow()) is quick
    assert driver.fetched == ["discovery"]


@pytest.mark.row("DI-13", "DI-04")
@pytest.mark.parametrize("answer", [DOWN, json_response(METADATA | {"issuer": "https://other.example"}), json_response([]), json_response({}, 500)])
def test_what_was_good_is_served_stale_while_the_provider_is_away_or_wrong(answer):
    rp, driver = party(), Driver(json_response(METADATA), answer, answer)
    first = driver.run(metadata_flow(rp))
    driver.clock.advance(FRESH_SECONDS + 1)
    assert driver.run(metadata_flow(rp)) is first
    assert driver.run(metadata_flow(rp)) is first, "within the pause after a failure nothing is asked"
    assert driver.fetched == ["discovery"] * 2
    driver.clock.advance(STALE_FAILURE_SECONDS + 1)
    assert driver.run(metadata_flow(rp)) is first
    assert driver.fetched == ["discovery"] * 3


def test_a_day_later_stale_is_too_old():
    rp, driver = party(), Driver(json_response(METADATA), DOWN)
    driver.run(metadata_flow(rp))
    driver.clock.advance(STALE_SECONDS + 1)
    with pytest.raises(Unavailable) as caught:
        driver.run(metadata_flow(rp))
    assert caught.value.code == "provider_unreachable"


@pytest.mark.row("JW-08")
def test_a_failure_is_remembered_for_seconds_only():
    rp, driver = party(), Driver(DOWN, json_response(METADATA))
    for _ in range(5):
        with pytest.raises(Unavailable):
            driver.run(metadata_flow(rp))
    assert driver.fetched == ["discovery"], "the visitors after the first one wait for nothing"
    driver.clock.advance(FAILURE_SECONDS + 0.1)
    assert driver.run(metadata_flow(rp)).issuer == ISSUER


@pytest.mark.row("DI-08")
def test_a_provider_that_asks_for_patience_gets_it():
    rp, driver = party(), Driver(Unavailable("provider_throttled", retry_after=120), json_response(METADATA))
    with pytest.raises(Unavailable):
        driver.run(metadata_flow(rp))
    driver.clock.advance(119)
    with pytest.raises(Unavailable) as caught:
        driver.run(metadata_flow(rp))
    assert caught.value.retry_after == 120
    driver.clock.advance(2)
    assert driver.run(metadata_flow(rp)).issuer == ISSUER


@pytest.mark.row("F-PR-11", "LG-01")
def test_a_failure_that_is_told_to_many_does_not_keep_what_they_sent():
    """An exception raised again keeps the frames of everyone it was raised for, with all that is in them."""
    rp, driver = party(), Driver(Unavailable("provider_throttled", "429", retry_after=300, sent=False))
    raised = []
    for _ in range(50):
        with pytest.raises(Unavailable) as caught:
            driver.run(metadata_flow(rp))
        raised.append(caught.value)
    assert driver.fetched == ["discovery"]
    assert {(error.code, error.detail, error.retry_after, error.sent, error.status) for error in raised} == {
        ("provider_throttled", "429", 300, False, 503)
    }
    assert len({id(error) for error in raised}) == 50
    assert rp.provider.metadata.failure.__traceback__ is None
    lengths = [len(traceback.extract_tb(error.__traceback__)) for error in raised]
    assert max(lengths[1:]) == min(lengths[1:]), "it does not grow"


def test_a_clock_that_goes_back_neither_freezes_a_failure_nor_a_copy():
    rp, driver = party(), Driver(DOWN, json_response(METADATA), json_response(METADATA))
    with pytest.raises(Unavailable):
        driver.run(metadata_flow(rp))
    driver.clock.advance(-10 * STALE_SECONDS)
    driver.run(metadata_flow(rp))
    driver.clock.advance(-FRESH_SECONDS - 1)
    driver.run(metadata_flow(rp))
    assert driver.fetched == ["discovery"] * 3


@pytest.mark.row("PK-02")
def test_require_pkce_refuses_a_provider_that_does_not_promise_it():
    with pytest.raises(ProviderError) as caught:
        Driver(json_response(METADATA)).run(metadata_flow(party(require_pkce=True)))
    assert "require_pkce" in caught.value.detail
    promising = METADATA | {"code_challenge_methods_supported": ["S256"]}
    assert Driver(json_response(promising)).run(metadata_flow(party(require_pkce=True))).issuer == ISSUER
    assert Driver(json_response(METADATA)).run(metadata_flow(party())).issuer == ISSUER


@pytest.mark.row("PK-02")
def test_a_provider_that_does_not_promise_pkce_is_worth_one_warning():
    changed = json_response(METADATA | {"code_challenge_methods_supported": ["plain"]})
    rp, driver = party(), Driver(changed, changed)
    driver.run(metadata_flow(rp))
    driver.clock.advance(FRESH_SECONDS + 1)
    driver.run(metadata_flow(rp))
    assert driver.fetched == ["discovery"] * 2
    assert [(effect.event, effect.level) for effect in driver.effects if isinstance(effect, Report)] == [
        ("provider.pkce_not_advertised", logging.WARNING)
    ]
    promising = Driver(json_response(METADATA | {"code_challenge_methods_supported": ["plain", "S256"]}))
    promising.run(metadata_flow(party()))
    assert promising.events == []


class Rotating:
    """A provider whose keys change, and an ID token of each generation."""

    def __init__(self):
        self.clock = FakeClock()
        self.provider = ScriptedProvider(issuer=ISSUER, clock=self.clock)
        self.rp = party()
        self.expected = ExpectedIDToken(ISSUER, "app", "n")
        self.driver = Driver(json_response(METADATA), clock=self.clock)
        self.metadata = self.driver.run(metadata_flow(self.rp))

    def jwks(self):
        return json_response(self.provider.jwks())

    def token(self):
        return self.provider.id_token({"nonce": "n"}, "t")

    def verify(self, token):
        return self.driver.run(verified_id_token(token, self.expected, self.rp.provider, self.metadata))


@pytest.mark.row("JW-06", "ID-09")
def test_an_unknown_key_is_looked_for_once_a_minute_and_no_more():
    case = Rotating()
    case.driver.answers += [case.jwks()]
    assert case.verify(case.token())[0].subject
    case.provider.rotate_keys()
    new, old_jwks = case.token(), case.jwks()
    case.driver.answers += [old_jwks]
    assert case.verify(new)[0].subject, "one refetch finds the new key"
    case.provider.rotate_keys()
    newest = case.token()
    for _ in range(3):
        with pytest.raises(ProviderError) as caught:
            case.verify(newest)
        assert caught.value.code == "id_token_key_unknown"
    assert case.driver.fetched.count("jwks") == 2, "within the minute nothing more is asked"
    case.clock.advance(FORCED_SECONDS + 1)
    case.driver.answers += [case.jwks()]
    assert case.verify(newest)[0].subject


@pytest.mark.row("JW-07")
def test_whoever_comes_to_look_for_keys_just_after_somebody_did_takes_those():
    case = Rotating()
    case.driver.answers += [case.jwks()]
    case.verify(case.token())
    case.provider.rotate_keys()
    token = case.token()
    slow = verified_id_token(token, case.expected, case.rp.provider, case.metadata)
    effect = next(slow)
    while not isinstance(effect, Once):
        effect = slow.send(case.clock.now())
    case.driver.answers += [case.jwks()]
    case.verify(token)
    assert case.driver.run(effect.flow()) is case.rp.provider.keys.value
    assert case.driver.fetched.count("jwks") == 2


@pytest.mark.row("JW-07", "ID-16")
@pytest.mark.parametrize(
    ("claims", "code"), [({"aud": "other"}, "id_token_audience"), ({"exp": 1}, "id_token_expired"), ({"sub": ""}, "id_token_subject")]
)
def test_a_token_that_is_wrong_for_another_reason_costs_no_fetch(claims, code):
    case = Rotating()
    case.driver.answers += [case.jwks()]
    case.provider.id_token_claims |= claims
    for _ in range(2):
        with pytest.raises(ProviderError) as caught:
            case.verify(case.token())
        assert caught.value.code == code
    assert case.driver.fetched.count("jwks") == 1
    case.provider.id_token_claims.clear()
    assert case.verify(case.token())[0].subject


@pytest.mark.row("JW-07")
def test_the_minute_counts_after_a_failed_look_too():
    case = Rotating()
    case.driver.answers += [case.jwks(), DOWN]
    case.verify(case.token())
    case.provider.rotate_keys()
    for _ in range(3):
        with pytest.raises(Unavailable):  # whether the provider has that key nobody knows (catalogue F-OP-03)
            case.verify(case.token())
        case.clock.advance(15)
    assert case.driver.fetched.count("jwks") == 2


@pytest.mark.row("ID-18", "DI-06")
@pytest.mark.parametrize("known", [False, True])
def test_a_token_that_expires_while_keys_are_fetched_has_expired(known):
    """The time that counts is the one after the call, which may take seconds."""
    case = Rotating()
    case.expected = replace(case.expected, leeway=0)
    if known:
        case.driver.answers += [case.jwks()]
        case.verify(case.token())
        case.provider.rotate_keys()
    case.provider.id_token_claims["exp"] = case.clock.now() + 5
    token = case.token()

    class Slow(list):
        def pop(self, index):
            case.clock.advance(10)
            return super().pop(index)

    case.driver.answers = Slow([case.jwks()])
    with pytest.raises(ProviderError) as caught:
        case.verify(token)
    assert caught.value.code == "id_token_expired"
    case.provider.id_token_claims.clear()
    assert case.verify(case.token())[0].subject


@pytest.mark.row("JW-02")
def test_a_broken_key_document_keeps_the_keys_we_have():
    case = Rotating()
    case.driver.answers += [case.jwks(), json_response({})]
    case.verify(case.token())
    case.clock.advance(FRESH_SECONDS + 1)
    assert case.verify(case.token())[0].subject
    with pytest.raises(ProviderError) as caught:
        Driver(json_response({})).run(provider_keys(party().provider, case.metadata))
    assert caught.value.code == "jwks_invalid"


def test_fetches_name_their_purpose():
    rp, driver = party(), Driver(json_response(METADATA))
    driver.run(metadata_flow(rp))
    assert [effect.request.purpose for effect in driver.effects if isinstance(effect, Fetch)] == ["discovery"]
