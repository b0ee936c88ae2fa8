"""Access tokens for the application, by hand: who may refresh, who waits, and what is kept."""

import pytest

from oidc_middleware.errors import LoginError, Unavailable
from oidc_middleware.flows import tokens
from oidc_middleware.flows.effects import (
    Fetch,
    Shielded,
    Sleep,
    StoreEffect,
    StoreRelease,
)
from oidc_middleware.flows.stored_tokens import token_key
from oidc_middleware.flows.tokens import offer_access_token, refresh_token_of
from oidc_middleware.protocol.messages import HttpResponse
from tests.flows.hand import ISSUER, json_response, party
from tests.flows.kept import LIFE, META, NEW, Case


def test_a_token_that_is_good_costs_one_look():
    case = Case()
    assert case.ask() == "old"
    assert [type(effect).__name__ for effect in case.worker.effects] == ["StoreGet", "Now"]


@pytest.mark.row("RF-01", "RF-02")
def test_a_refresh_step_by_step():
    case = Case(json_response(NEW))
    case.clock.advance(LIFE - 60)
    assert case.ask() == "new"
    assert case.worker.fetched == ["discovery", "token"]
    kinds = [type(effect).__name__ for effect in case.worker.effects if isinstance(effect, (StoreEffect, Fetch, Shielded))]
    assert kinds == ["StoreGet", "Shielded", "StoreAcquire", "StoreGet", "Fetch", "Fetch", "StoreReplace", "StoreRelease"]
    held = case.held().tokens
    now = case.clock.now()
    assert (held.access_token, held.refresh_token, held.received, held.expires) == ("new", "r2", now, now + LIFE)
    assert case.store.acquire(case.lease, "next", 1, now), "the lease was given back"
    form = case.worker.effects[[isinstance(effect, Fetch) for effect in case.worker.effects].index(True) :]
    assert b"refresh_token=r1" in [effect for effect in form if isinstance(effect, Fetch)][1].request.body


@pytest.mark.row("RF-02")
def test_whoever_gets_the_lease_late_finds_what_the_first_one_stored():
    case = Case()
    case.clock.advance(LIFE)
    assert case.store.acquire(case.lease, "first", 20, case.clock.now())

    def done():
        case.put(access_token="theirs", refresh_token="r9", received=case.clock.now(), expires=case.clock.now() + LIFE)
        case.store.release(case.lease, "first")

    case.worker.meanwhile = [lambda: None, lambda: None, done]
    assert case.ask() == "theirs"
    assert (case.worker.fetched, case.worker.count(Sleep)) == ([], 3)


@pytest.mark.row("RF-02")
def test_after_the_lease_was_had_the_tokens_are_read_once_more():
    case = Case()
    case.clock.advance(LIFE)
    flow = case.keeper._with_lease("me")
    case.put(access_token="theirs", refresh_token="r9", received=case.clock.now())
    assert case.worker.run(flow) == "theirs"
    assert (case.worker.fetched, case.worker.count(StoreRelease)) == ([], 1)


@pytest.mark.row("RF-03")
def test_the_lease_of_a_dead_worker_ends_and_somebody_takes_over():
    case = Case(json_response(NEW))
    case.clock.advance(LIFE)
    start = case.clock.now()
    assert case.store.acquire(case.lease, "killed", tokens.LEASE_SECONDS, start)
    assert case.ask() == "new"
    assert tokens.LEASE_SECONDS <= case.clock.now() - start < tokens.LEASE_SECONDS + 1


@pytest.mark.row("RF-03")
def test_with_a_token_that_is_good_nobody_waits_for_long():
    case = Case()
    case.clock.advance(LIFE - 40)
    start = case.clock.now()
    assert case.store.acquire(case.lease, "slow", tokens.LEASE_SECONDS, start)
    assert case.ask() == "old"
    assert 12 <= case.clock.now() - start < 13
    assert case.worker.fetched == []


@pytest.mark.row("RF-03")
def test_a_lease_that_is_never_given_back_is_an_outage():
    case = Case()
    case.clock.advance(LIFE)
    case.worker.meanwhile = [lambda: case.store.acquire(case.lease, "greedy", 20, case.clock.now())] * 200
    assert case.store.acquire(case.lease, "greedy", 20, case.clock.now())
    with pytest.raises(Unavailable, match="provider_timeout"):
        case.ask()
    assert case.lives()


@pytest.mark.row("RF-03")
def test_a_session_that_ends_while_somebody_waits():
    case = Case()
    case.clock.advance(LIFE)
    assert case.store.acquire(case.lease, "other", 20, case.clock.now())
    case.worker.meanwhile = [case.end]
    with pytest.raises(LoginError, match="refresh_refused"):
        case.ask()


@pytest.mark.row("SF-05", "LO-09")
@pytest.mark.parametrize("refresh_token", ["r2", None])
def test_whoever_signs_out_during_a_refresh_is_signed_out(refresh_token):
    case = Case(json_response({**META, "revocation_endpoint": f"{ISSUER}/revoke"}), json_response({**NEW, "refresh_token": refresh_token}))
    case.worker.answers.pop(0)
    case.worker.answers.append(HttpResponse(200))
    case.clock.advance(LIFE)
    case.worker.meanwhile = [lambda: None, case.end]
    with pytest.raises(LoginError, match="refresh_refused"):
        case.ask()
    assert case.worker.fetched == ["discovery", "token", "revocation"], "what nobody needs is given back"
    assert not case.lives()


def test_whoever_lost_the_lease_uses_what_the_other_one_stored():
    case = Case(json_response(NEW))
    case.clock.advance(LIFE)
    case.worker.meanwhile = [lambda: None, lambda: case.put(access_token="theirs", refresh_token="r9")]
    assert case.ask() == "theirs"
    assert case.held().tokens.refresh_token == "r9"


@pytest.mark.row("F-ST-11", "F-ST-12")
def test_tokens_belong_under_their_key():
    case, other = Case(), Case()
    stored = case.store.get(token_key(case.key), case.clock.now())
    for data in (
        b"",
        b"\xff",
        stored.data[:-4] + b"AAAA",
        other.site.keyring.seal("stored-tokens", b"t:" + b"0" * 64 + b"\n1[]", bytes(12)).encode(),
    ):
        assert case.site.stored.tokens._opened(token_key(case.key), data) is None
    assert case.site.stored.tokens._opened(token_key(case.key), stored.data) is not None
    assert case.site.stored.tokens._opened("t:" + "0" * 64, stored.data) is None


def test_an_access_token_is_offered_where_there_may_be_one():
    case = Case()
    user = case.rp.user_type(ISSUER, "ada")
    case.rp.drive = case.worker.run
    offer_access_token(user, case.session, case.rp, case.site)
    assert getattr(user, "_access_token", None) is None, "a session that was not read from the store"
    case.session.note(record=(case.key, 1))
    offer_access_token(user, case.session, case.rp, case.site)
    assert user.access_token() == "old"
    assert case.worker.run(refresh_token_of(case.session, case.site)) == "r1"
    case.end()
    assert case.worker.run(refresh_token_of(case.session, case.site)) is None
    plain = party(store="memory://")
    assert case.worker.run(refresh_token_of(case.session, plain.sites.fixed)) is None
