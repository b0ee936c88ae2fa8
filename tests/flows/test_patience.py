"""A provider that wants to be left alone, or is being asked already: who calls, who waits, who is told at once."""

import pytest

from oidc_middleware.errors import ProviderError, Unavailable
from oidc_middleware.flows.effects import Fetch, Now, Once
from oidc_middleware.flows.gate import gate
from oidc_middleware.flows.metadata import provider_metadata
from oidc_middleware.flows.patience import Patience, ask
from oidc_middleware.flows.remembered import ASKING_SECONDS, FAILURE_SECONDS, FRESH_SECONDS, JOIN_SECONDS
from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from tests.flows.hand import METADATA, Driver, code_of, json_response, party, request

TOKEN, USERINFO = (HttpRequest(purpose, "GET", f"https://op.example.com/{purpose}") for purpose in ("token", "userinfo"))
DOWN = Unavailable("provider_unreachable", sent=False)


@pytest.mark.row("F-OP-07", "DI-08")
@pytest.mark.parametrize(
    ("answer", "code", "seconds"),
    [
        (HttpResponse(429), "provider_throttled", 5),
        (HttpResponse(429, {"retry-after": "40"}), "provider_throttled", 40),
        (HttpResponse(503, {"retry-after": "4000"}), "provider_unavailable", 300),
        (HttpResponse(500, {"retry-after": "40"}), "provider_unavailable", 40),
        (HttpResponse(503), None, 0),
        (HttpResponse(400, {"retry-after": "40"}), None, 0),
        (HttpResponse(200, {"retry-after": "40"}), None, 0),
    ],
)
def test_an_endpoint_is_left_alone_for_as_long_as_it_said(answer, code, seconds):
    patience, driver = Patience(), Driver(answer, HttpResponse(200), HttpResponse(200), HttpResponse(200))
    assert driver.run(ask(patience, TOKEN)) is answer
    driver.clock.advance(max(0, seconds - 1))
    if code is not None:
        with pytest.raises(Unavailable) as caught:
            driver.run(ask(patience, TOKEN))
        assert (caught.value.code, caught.value.retry_after, caught.value.sent) == (code, seconds, False)
        with pytest.raises(Unavailable):
            patience.check(("userinfo", "token"), driver.clock.now())
    assert driver.run(ask(patience, USERINFO)).status == 200, "another endpoint said nothing"
    driver.clock.advance(1)
    assert driver.run(ask(patience, TOKEN)).status == 200
    assert driver.fetched == ["token", "userinfo", "token"]


@pytest.mark.row("F-OP-07", "F-PR-10")
@pytest.mark.parametrize("step", [-10_000, 10_000])
def test_a_clock_that_is_set_lengthens_no_wait(step):
    patience, driver = Patience(), Driver(HttpResponse(429, {"retry-after": "300"}), HttpResponse(200))
    driver.run(ask(patience, TOKEN))
    driver.clock.advance(step)
    assert driver.run(ask(patience, TOKEN)).status == 200


def begun(rp, now):
    """A request that has just asked the provider for its metadata, and waits for the answer: the flow of its call."""
    outer = provider_metadata(rp.provider, rp.settings)
    effect = next(outer)
    while not isinstance(effect, Once):
        assert isinstance(effect, Now)
        effect = outer.send(now)
    inner = effect.flow()
    effect = next(inner)
    while not isinstance(effect, Fetch):
        assert isinstance(effect, Now)
        effect = inner.send(now)
    return inner


def after_a_failure():
    """A relying party that was told a moment ago that the provider is away, and may ask again now."""
    rp, driver = party(), Driver(DOWN)
    with pytest.raises(Unavailable):
        driver.run(provider_metadata(rp.provider, rp.settings))
    driver.clock.advance(FAILURE_SECONDS)
    return rp, driver


@pytest.mark.row("F-OP-01", "F-PR-19")
def test_who_comes_at_once_waits_with_the_first_and_who_comes_later_hears_the_last_word():
    rp, driver = after_a_failure()
    inner = begun(rp, driver.clock.now())
    driver.answers = [json_response(METADATA)]
    driver.clock.advance(JOIN_SECONDS / 2)
    flow = provider_metadata(rp.provider, rp.settings)
    assert next(flow) == Now()
    assert isinstance(flow.send(driver.clock.now()), Once), "single flight: this one joins"
    driver.clock.advance(JOIN_SECONDS / 2)
    with pytest.raises(Unavailable) as caught:
        driver.run(provider_metadata(rp.provider, rp.settings))
    assert caught.value.code == "provider_unreachable"
    driver.clock.advance(ASKING_SECONDS)
    assert driver.run(provider_metadata(rp.provider, rp.settings)).issuer == METADATA["issuer"], "no call takes that long: somebody else asks"
    inner.close()


@pytest.mark.row("F-OP-01", "RF-13")
def test_a_request_that_went_away_while_it_asked_keeps_nobody_from_asking():
    rp, driver = after_a_failure()
    inner = begun(rp, driver.clock.now())
    driver.clock.advance(JOIN_SECONDS)
    inner.close()  # as a cancelled request does it
    driver.answers = [json_response(METADATA)]
    assert driver.run(provider_metadata(rp.provider, rp.settings)).issuer == METADATA["issuer"]


@pytest.mark.row("F-OP-05")
def test_who_has_a_copy_uses_it_while_somebody_asks():
    rp, driver = party(), Driver(json_response(METADATA))
    first = driver.run(provider_metadata(rp.provider, rp.settings))
    driver.clock.advance(FRESH_SECONDS)
    inner = begun(rp, driver.clock.now())
    assert driver.run(provider_metadata(rp.provider, rp.settings)) is first
    inner.close()
    driver.answers = [json_response(METADATA | {"token_endpoint": "https://op.example.com/new"})]
    assert driver.run(provider_metadata(rp.provider, rp.settings)).token_endpoint.endswith("/new")


def told_to_sign_in(rp, driver):
    """What a navigation without a session leads to."""
    return driver.run(gate(request("/page", now=driver.clock.now()), rp))


def unanswered(rp, driver, error=DOWN):
    """A call for tokens ends with *error*, for a relying party that knows the provider's metadata."""
    driver.answers += [json_response(METADATA), error]
    driver.run(provider_metadata(rp.provider, rp.settings))
    with pytest.raises(Unavailable):
        driver.run(ask(rp.provider.patience, TOKEN))
    driver.effects.clear()


@pytest.mark.row("F-OP-02")
@pytest.mark.parametrize(
    ("ended", "looks"),
    [("provider_unreachable", True), ("provider_timeout", True), ("provider_busy", False), ("provider_throttled", False)],
)
def test_who_signs_in_looks_first_when_nobody_answered_the_last_call(ended, looks):
    rp, driver = party(), Driver()
    unanswered(rp, driver, Unavailable(ended))
    driver.answers = [HttpResponse(404)] if looks else []
    assert told_to_sign_in(rp, driver).status == 302
    assert driver.fetched == (["discovery"] if looks else [])
    assert told_to_sign_in(rp, driver).status == 302, "any answer was good"
    assert driver.answers == []


@pytest.mark.row("F-OP-02", "DS-06")
@pytest.mark.parametrize("code", ["provider_unreachable", "provider_timeout", "provider_busy"])
def test_a_look_that_nobody_answered_is_believed_for_two_seconds(code):
    rp, driver = party(), Driver()
    unanswered(rp, driver)
    driver.answers = [Unavailable(code), ProviderError("metadata_invalid")]
    for _ in range(3):
        answer = told_to_sign_in(rp, driver)
        assert (answer.status, code_of(answer)) == (503, code)
    assert driver.fetched == ["discovery"]
    driver.clock.advance(FAILURE_SECONDS)
    assert told_to_sign_in(rp, driver).status == 302


@pytest.mark.row("F-OP-02", "F-PR-10")
@pytest.mark.parametrize("step", [-10_000, 10_000])
def test_a_clock_that_is_set_keeps_nobody_from_looking(step):
    rp, driver = party(), Driver()
    unanswered(rp, driver)
    driver.answers = [DOWN, HttpResponse(200)]
    assert told_to_sign_in(rp, driver).status == 503
    driver.clock.advance(step)
    rp.provider.metadata.fetched_at = driver.clock.now()
    assert told_to_sign_in(rp, driver).status == 302
    assert driver.fetched == ["discovery", "discovery"]


@pytest.mark.row("F-OP-02")
def test_metadata_that_are_due_are_look_enough():
    rp, driver = party(), Driver()
    unanswered(rp, driver)
    driver.clock.advance(FRESH_SECONDS)
    driver.answers = [json_response(METADATA)]
    assert told_to_sign_in(rp, driver).status == 302
    assert driver.fetched == ["discovery"]


@pytest.mark.row("F-OP-02")
def test_a_look_from_before_somebody_answered_says_nothing_any_more():
    rp, driver = party(), Driver()
    unanswered(rp, driver)
    driver.answers = [DOWN]
    assert told_to_sign_in(rp, driver).status == 503
    driver.answers = [HttpResponse(400), DOWN, HttpResponse(200)]
    assert driver.run(ask(rp.provider.patience, TOKEN)).status == 400
    with pytest.raises(Unavailable):
        driver.run(ask(rp.provider.patience, TOKEN))
    assert told_to_sign_in(rp, driver).status == 302
