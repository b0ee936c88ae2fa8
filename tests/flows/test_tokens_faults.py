"""Refreshes that go wrong, by hand: what each failure costs, and what it leaves behind."""

from dataclasses import replace

import pytest

from oidc_middleware.errors import LoginError, ProviderError, Unavailable
from oidc_middleware.flows.backchannel import sign_out_everywhere
from oidc_middleware.flows.effects import (
    Fetch,
    Report,
    StoreAcquire,
    StoreEffect,
    StoreEnd,
    StoreGet,
    StoreRelease,
    StoreReplace,
)
from oidc_middleware.flows.metadata import provider_metadata
from oidc_middleware.flows.remembered import STALE_SECONDS
from oidc_middleware.flows.stored import indexes_of
from oidc_middleware.flows.stored_tokens import token_index, token_key
from oidc_middleware.flows.tokens import give_back
from oidc_middleware.protocol.messages import HttpResponse
from oidc_middleware.sessions.kept_tokens import KeptTokens
from tests.flows.hand import ISSUER, Driver, json_response, party, request
from tests.flows.kept import LIFE, META, NEW, NO, RESET, Case, Worker


@pytest.mark.row("RF-04")
def test_a_lost_answer_is_asked_for_again_under_the_same_lease():
    case = Case(RESET, json_response(NEW))
    case.clock.advance(LIFE)
    assert case.ask() == "new"
    assert case.worker.fetched == ["discovery", "token", "token"]
    first, second = [effect for effect in case.worker.effects if isinstance(effect, StoreAcquire)]
    assert first == second


@pytest.mark.row("RF-04", "RF-06")
@pytest.mark.parametrize(
    ("fault", "calls"),
    [
        (Unavailable("provider_unreachable", sent=False), 1),
        (Unavailable("provider_timeout", sent=True), 1),
        (HttpResponse(503), 1),
        (json_response({"error": "server_error"}, 400), 1),
        (json_response({}), 1),
        (ProviderError("response_too_large"), 1),
    ],
)
def test_other_failures_are_not_repeated_at_once(fault, calls):
    case = Case(fault)
    case.clock.advance(LIFE)
    with pytest.raises(Unavailable):
        case.ask()
    assert case.worker.fetched.count("token") == calls
    assert case.held().tokens.failed == case.clock.now()
    assert case.lives()
    [report] = [effect for effect in case.worker.effects if isinstance(effect, Report)]
    assert report.event == "tokens.not_refreshed"
    case.clock.advance(29)
    with pytest.raises(Unavailable, match="token_expired") as caught:
        case.ask()
    assert caught.value.retry_after == 30
    case.clock.advance(1)
    case.worker.answers = [json_response(NEW)]
    assert case.ask() == "new"
    assert case.held().tokens.failed is None


@pytest.mark.row("RF-04")
def test_two_lost_answers_are_an_outage():
    case = Case(RESET, RESET)
    case.clock.advance(LIFE - 50)
    assert case.ask() == "old"
    assert case.held().tokens.failed == case.clock.now()


@pytest.mark.row("RF-06", "F-OP-02")
def test_metadata_that_is_away_is_an_outage_too():
    case = Case()
    case.worker.answers = [Unavailable("provider_timeout", "slow")]
    case.clock.advance(LIFE - 50)
    assert case.ask() == "old"
    assert case.worker.fetched == ["discovery"]
    assert case.lives()


@pytest.mark.row("RF-05")
def test_a_definite_no_ends_the_session_and_wakes_its_sockets(monkeypatch):
    case = Case(NO)
    woken = []
    monkeypatch.setattr(case.rp.sockets, "wake", woken.append)
    case.clock.advance(LIFE)
    with pytest.raises(LoginError, match="refresh_refused"):
        case.ask()
    assert not case.lives()
    assert woken == [indexes_of(case.session)[0]]
    with pytest.raises(LoginError, match="refresh_refused"):
        case.ask()
    assert case.worker.fetched == ["discovery", "token"]


@pytest.mark.row("RF-04", "RF-05")
def test_a_no_that_comes_because_somebody_was_quicker_is_none():
    case = Case(NO)
    case.clock.advance(LIFE)
    case.worker.meanwhile = [lambda: None, lambda: case.put(access_token="theirs", refresh_token="r9")]
    assert case.ask() == "theirs"
    assert case.lives()


@pytest.mark.row("RF-05")
def test_a_mark_of_a_failure_is_no_successor():
    case = Case(NO)
    case.clock.advance(LIFE)
    case.worker.meanwhile = [lambda: None, lambda: case.put(failed=1.0)]
    with pytest.raises(LoginError, match="refresh_refused"):
        case.ask()


@pytest.mark.row("RF-08")
def test_an_id_token_that_cannot_be_checked_costs_the_tokens_but_not_the_next_refresh():
    case = Case(json_response({**NEW, "id_token": "x.y.z"}), json_response({"keys": []}))
    case.clock.advance(LIFE - 50)
    assert case.ask() == "old"
    held = case.held().tokens
    assert (held.access_token, held.refresh_token, held.failed) == ("old", "r2", case.clock.now())


@pytest.mark.row("RF-09")
def test_a_changed_scope_reaches_the_session():
    case = Case(json_response({**NEW, "scope": "openid"}), json_response({**NEW, "scope": "openid", "refresh_token": None}))
    for _ in range(2):
        case.clock.advance(LIFE)
        assert case.ask() == "new"
    assert (case.held().tokens.scopes, case.held().tokens.refresh_token) == (("openid",), "r2")
    assert case.site.stored._opened(case.key, case.store.get(case.key, case.clock.now()).data).scopes == ("openid",)
    assert case.worker.count(StoreReplace) == 3, "the session was written once"


def test_a_scope_that_cannot_be_written_costs_nobody_the_token():
    case = Case(json_response({**NEW, "scope": "openid"}))
    case.clock.advance(LIFE)
    taken = case.store.replace
    others = []

    def replaced(key, data, version, **options):
        """Somebody else is always quicker with the session."""
        others.append(key)
        return key.startswith("t:") and taken(key, data, version, **options)

    case.store.replace = replaced
    assert case.ask() == "new"
    assert others == [token_key(case.key), case.key, case.key, case.key]
    case = Case(json_response({**NEW, "scope": "openid"}))
    case.clock.advance(LIFE)
    keeps = case.worker._perform

    def without_session(effect):
        if isinstance(effect, StoreGet) and effect.key == case.key:
            raise Unavailable("store_unavailable")
        return keeps(effect)

    case.worker._perform = without_session
    assert case.ask() == "new"
    assert case.worker.events == ["tokens.refreshed", "session.not_rescoped"]


def test_a_scope_for_a_session_that_is_gone_changes_nothing():
    case = Case()
    case.end()
    case.worker.run(case.site.stored.rescope(case.key, ("openid",), case.clock.now()))
    assert case.worker.count(StoreReplace) == 0


@pytest.mark.row("RF-13", "F-ST-01")
def test_what_was_received_is_written_again_while_the_store_is_away():
    case = Case(json_response(NEW))
    case.clock.advance(LIFE)
    away = Unavailable("store_unavailable")
    case.worker.faults = {StoreReplace: [away, away], StoreRelease: [away]}
    assert case.ask() == "new"
    assert case.held().tokens.refresh_token == "r2"
    assert case.worker.events == ["tokens.refreshed", "tokens.lease_not_released"]


@pytest.mark.row("F-ST-01")
def test_a_store_that_stays_away_is_an_outage():
    case = Case(json_response(NEW))
    case.clock.advance(LIFE)
    case.worker.faults = {StoreReplace: [Unavailable("store_unavailable")] * 3}
    with pytest.raises(Unavailable, match="store_unavailable"):
        case.ask()
    assert case.lives()
    case = Case(HttpResponse(500))
    case.clock.advance(LIFE - 50)
    case.worker.faults = {StoreReplace: [Unavailable("store_unavailable")]}
    assert case.ask() == "old"
    assert case.worker.events == ["tokens.not_refreshed", "tokens.not_stored"]
    case = Case()
    case.clock.advance(LIFE - 50)
    case.worker.faults = {StoreAcquire: [Unavailable("store_unavailable")]}
    assert case.ask() == "old"
    case.worker.faults = {StoreGet: [Unavailable("store_unavailable")]}
    with pytest.raises(Unavailable):
        case.ask()


@pytest.mark.row("RF-14")
def test_no_end_known_no_refresh():
    case = Case(expires=None)
    case.clock.advance(3000)
    assert case.ask() == "old"
    assert case.worker.fetched == []


def test_without_a_refresh_token_the_end_is_the_end():
    case = Case(refresh_token=None)
    case.clock.advance(LIFE - 1)
    assert case.ask() == "old"
    case.clock.advance(1)
    with pytest.raises(Unavailable, match="token_expired") as caught:
        case.ask()
    assert "offline_access" in caught.value.detail
    assert case.lives()


@pytest.mark.row("LT-16")
def test_a_login_that_was_overtaken_by_its_logout_keeps_no_tokens():
    case = Case()
    driver = Worker(store=case.store, clock=case.clock)
    assert driver.run(sign_out_everywhere("ada", case.rp)) == 1
    first, second = [effect.index for effect in driver.effects if isinstance(effect, StoreEnd)]
    assert (first, second) == (indexes_of(case.session)[0], token_index(first))
    assert not case.lives()
    kept = replace(KeptTokens(access_token="a", refresh_token=None, received=1.0, expires=None, ends=case.clock.now() + 9, scopes=(), subject="ada",
                              audience=("app",), nonce="n", auth_time=None))  # fmt: skip
    with pytest.raises(LoginError, match="signed_out_meanwhile"):
        driver.run(case.site.stored.write(case.session, request(), case.clock.now(), kept))
    assert driver.effects[-1].key.startswith("t:"), "the session was not even begun"


@pytest.mark.row("LO-12")
@pytest.mark.parametrize("fault", [Unavailable("provider_timeout"), ProviderError("metadata_invalid")])
def test_giving_back_is_a_courtesy(fault):
    rp, driver = party(), Driver(fault)
    assert driver.run(give_back("r1", rp, driver.clock.now() + 2)) is None
    [report] = [effect for effect in driver.effects if isinstance(effect, Report)]
    assert (report.event, report.code) == ("tokens.not_revoked", fault.code)
    rp, driver = party(), Driver(json_response(META))
    driver.run(give_back("r1", rp, driver.clock.now() + 2))
    assert (driver.fetched, driver.events) == (["discovery"], [])


@pytest.mark.row("LO-12")
@pytest.mark.parametrize(("slow", "limits"), [(0.0, [2.0, 2.0]), (1.5, [2.0, 0.5]), (2.0, [2.0])])
def test_two_seconds_are_for_all_that_is_asked_on_signing_out(slow, limits):
    """What is not known of the provider has to be asked for first: its time counts."""
    rp = party()
    worker = Worker(json_response(META | {"revocation_endpoint": f"{ISSUER}/revoke"}), HttpResponse(200), store=None)
    worker.meanwhile = [lambda: worker.clock.advance(slow)]
    worker.run(give_back("r1", rp, worker.clock.now() + 2))
    assert [effect.request.seconds for effect in worker.effects if isinstance(effect, Fetch)] == limits
    assert worker.events == ([] if len(limits) == 2 else ["tokens.not_revoked"])


@pytest.mark.row("LO-12")
def test_signing_out_makes_do_with_what_is_known_of_the_provider():
    rp = party()
    worker = Worker(json_response(META), store=None)
    known = worker.run(provider_metadata(rp.provider, rp.settings))
    worker.clock.advance(STALE_SECONDS - 1)
    assert worker.run(provider_metadata(rp.provider, rp.settings, seconds=2.0)) is known
    assert worker.fetched == ["discovery"]
    worker.clock.advance(1)
    worker.answers = [Unavailable("provider_timeout")]
    with pytest.raises(Unavailable):
        worker.run(provider_metadata(rp.provider, rp.settings, seconds=2.0))
    assert [effect.request.seconds for effect in worker.effects if isinstance(effect, Fetch)] == [None, 2.0]


@pytest.mark.row("LG-01")
def test_nothing_of_it_prints_a_token():
    case = Case(NO)
    case.clock.advance(LIFE)
    with pytest.raises(LoginError) as caught:
        case.ask()
    texts = [repr(effect) for effect in case.worker.effects if not isinstance(effect, StoreEffect)]
    texts += [repr(vars(caught.value)), repr(caught.value.__cause__), repr(case.held()), repr(Case().held())]
    assert not [text for text in texts if "r1" in text or "old" in text or "'n'" in text]
