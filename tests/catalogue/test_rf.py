"""Catalogue 1.16, RF: refresh tokens. The application asks for its user's access token; the provider rotates refresh tokens and detects reuse."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import anyio
import httpx
import pytest

from oidc_middleware.errors import LoginError
from oidc_middleware.flows import tokens
from oidc_middleware.flows.stored import store_key
from oidc_middleware.flows.stored_tokens import token_key
from oidc_middleware.integrations.httpx import UserToken
from oidc_middleware.testing import REMOVE
from oidc_middleware.testing.servers import run_async, server_for
from tests.conformance.tokens import EXPIRED, LIFE, REFUSED, asked, keeps_tokens, refreshes, signed_in, token_of


def store_call(stage, name, *args, **options):
    """A method of the middleware's store, in whichever world it lives."""
    result = getattr(stage.app._world.store, name)(*args, **options)
    return run_async(result) if stage.shell == "asgi" else result


def together(count, call):
    with ThreadPoolExecutor(count) as pool:
        return [work.result(60) for work in [pool.submit(call, number) for number in range(count)]]


@pytest.mark.row("RF-01")
@pytest.mark.parametrize("count", [2, 50])
def test_rf_01_one_refresh_for_all_who_wait_in_one_process(stage, count):
    keeps_tokens(stage)
    browser, first = signed_in(stage)
    other, others = signed_in(stage)
    stage.clock.advance(LIFE)
    stage.provider.script("token", delay=0.5, times=1)
    found = together(count, lambda _: token_of(browser)["token"])
    assert len(set(found)) == 1
    assert found[0] not in (first, others)
    assert refreshes(stage) == 1
    assert token_of(other)["token"] not in (others, found[0]), "another session has tokens of its own"
    assert stage.provider.complaints == []


@pytest.mark.row("RF-02")
def test_rf_02_one_refresh_for_workers_that_share_a_store(stage, tmp_path):
    store = f"sqlite:///{tmp_path}/sessions.db"
    keeps_tokens(stage, store=store)
    workers = [server_for(stage.app), server_for(stage.worker(store=store, keep_tokens=True))]
    browser, token = signed_in(stage)
    for number in range(1, 4):
        stage.clock.advance(LIFE)
        stage.provider.script("token", delay=0.4, times=1)
        found = set(together(8, lambda number: token_of(browser, workers[number % 2])["token"]))
        assert len(found) == 1
        assert found != {token}
        (token,) = found
        assert refreshes(stage) == number, "one redeem for each rotation"
    assert stage.provider.complaints == [], "no refresh token was used twice"
    assert browser.fetch("/api").status == 200


@pytest.mark.row("RF-03")
def test_rf_03_whoever_held_the_lease_and_died_holds_nobody_up(stage, monkeypatch):
    monkeypatch.setattr(tokens, "LOOK_SECONDS", 0.001)
    keeps_tokens(stage)
    browser, first = signed_in(stage)
    (key,) = [token_key(store_key(value)) for value in stage.session_of(browser).values()]
    stage.clock.advance(LIFE - 30)
    assert store_call(stage, "acquire", "r" + key, "killed", tokens.LEASE_SECONDS, stage.clock.now())
    assert token_of(browser)["token"] == first, "still good"
    stage.clock.advance(tokens.LEASE_SECONDS)
    assert token_of(browser)["token"] != first
    stage.clock.advance(LIFE)
    assert store_call(stage, "acquire", "r" + key, "killed", tokens.LEASE_SECONDS, stage.clock.now())
    assert token_of(browser) == {"error": "provider_timeout", "kind": "Unavailable"}
    assert browser.fetch("/api").status == 200, "nobody is signed out"
    stage.clock.advance(tokens.LEASE_SECONDS)
    assert "token" in token_of(browser)


def lost(response):
    raise httpx.ReadError("reset after the provider was done")


@pytest.mark.row("RF-04")
def test_rf_04_a_lost_answer_is_asked_for_once_more(stage):
    keeps_tokens(stage)
    stage.provider.refresh_grace = 10
    browser, first = signed_in(stage)
    stage.clock.advance(LIFE)
    stage.provider.script("token", edit=lost, times=1)
    assert token_of(browser)["token"] != first
    assert refreshes(stage) == 2
    assert browser.fetch("/api").status == 200


@pytest.mark.row("RF-04", "RF-05")
def test_rf_04_without_grace_the_session_ends_and_a_login_is_a_redirect_away(stage):
    keeps_tokens(stage)
    stage.provider.refresh_grace = -1
    browser, _ = signed_in(stage)
    stage.clock.advance(LIFE)
    stage.provider.script("token", edit=lost, times=1)
    assert token_of(browser) == REFUSED
    assert refreshes(stage) == 2
    again = browser.navigate("/report", follow=False)
    assert (again.status, again.location.startswith(stage.provider.issuer)) == (302, True)


@pytest.mark.row("RF-05")
def test_rf_05_a_definite_no_ends_the_session_and_is_asked_for_once(stage):
    users = keeps_tokens(stage)
    browser, _ = signed_in(stage)
    stage.clock.advance(LIFE)
    stage.provider.script("token", status=400, json={"error": "invalid_grant"})
    user = users[-1]
    assert token_of(browser) == REFUSED
    assert together(5, lambda _: token_of(browser)) == [{"status": 401}] * 5
    for _ in range(3):
        with pytest.raises(LoginError, match="refresh_refused"):
            asked(stage, user)
    assert refreshes(stage) == 1
    stage.provider.unscript()
    assert browser.login("/again").status == 200
    assert "token" in token_of(browser)


@pytest.mark.row("RF-06", "F-OP-02")
@pytest.mark.parametrize(
    "fault",
    [{"status": 500, "body": b""}, {"raises": httpx.ReadTimeout("slow")}, {"raises": httpx.ConnectError("away")}, {"status": 200, "body": b"{"},
     {"status": 401, "json": {"error": "invalid_client"}}, {"status": 429, "body": b""}],
)  # fmt: skip
def test_rf_06_a_provider_that_is_away_signs_nobody_out(stage, fault):
    keeps_tokens(stage)
    browser, first = signed_in(stage)
    stage.clock.advance(LIFE - 50)
    stage.provider.script("token", **fault)
    for _ in range(3):
        assert token_of(browser)["token"] == first, "it is still good"
    assert refreshes(stage) == 1, "no storm"
    stage.clock.advance(51)
    answer = token_of(browser)
    assert answer["kind"] == "Unavailable"
    assert token_of(browser) == EXPIRED
    assert refreshes(stage) == 2
    assert browser.fetch("/api").status == 200
    stage.provider.unscript()
    stage.clock.advance(30)
    assert token_of(browser)["token"] != first
    assert "tokens.not_refreshed" in stage.caplog.text


@pytest.mark.row("RF-08")
@pytest.mark.parametrize("bend", [{"aud": "another-app"}, {"nonce": "another"}, {"azp": "x", "aud": ["app", "x"]}, {"auth_time": 1}, {"exp": 1}])
def test_rf_08_tokens_with_a_wrong_id_token_are_not_used(stage, bend):
    keeps_tokens(stage, authorize_params={"max_age": 3600})
    browser, first = signed_in(stage)
    stage.clock.advance(LIFE - 50)
    stage.provider.refreshed_id_token_claims.update(bend)
    assert token_of(browser)["token"] == first
    assert refreshes(stage) == 1
    stage.provider.refreshed_id_token_claims.clear()
    stage.clock.advance(31)
    assert token_of(browser)["token"] != first, "the new refresh token was kept"
    assert stage.provider.complaints == []


@pytest.mark.row("RF-09")
def test_rf_09_what_is_not_in_the_answer_stays(stage):
    keeps_tokens(stage)
    stage.provider.refresh_rotation = False
    stage.provider.refresh_edits.update(id_token=REMOVE, scope="openid email")
    browser, first = signed_in(stage)
    assert browser.fetch("/api").json()["scopes"] == ["authenticated", "openid", "profile", "email"]
    for _ in range(2):
        stage.clock.advance(LIFE)
        second = token_of(browser)["token"]
        assert second != first
        first = second
    sent = {request.form["refresh_token"] for request in stage.provider.received("token") if "refresh_token" in request.form}
    assert len(sent) == 1
    assert browser.fetch("/api").json()["scopes"] == ["authenticated", "openid", "email"]


@pytest.mark.row("RF-10", "LG-01")
def test_rf_10_tokens_are_shown_nowhere(stage):
    users = keeps_tokens(stage)
    browser, first = signed_in(stage)
    stage.clock.advance(LIFE)
    stage.provider.script("token", status=400, json={"error": "invalid_grant", "error_description": first})
    assert token_of(browser) == REFUSED
    with pytest.raises(LoginError) as caught:
        asked(stage, users[-1])
    text = repr(users) + repr(vars(caught.value)) + str(caught.value) + repr(UserToken(users[-1]))
    assert [secret for secret in stage.provider.secrets if secret in text] == []
    stage.assert_nothing_leaked()


@pytest.mark.row("RF-11", "RF-12")
def test_rf_11_nothing_but_the_application_asks_for_a_refresh(stage):
    keeps_tokens(stage, public=["/public/*"])
    browser, _ = signed_in(stage)
    stage.clock.advance(LIFE)
    stranger = stage.browser()
    for path in ("/public/x", "/api", "/oidc/session", "/oidc/logout", "/oidc/signed-out", "/oidc/refresh", "/oidc/token"):
        browser.navigate(path, follow=False)
        stranger.navigate(path, follow=False)
    assert browser.post_form("/oidc/refresh", {}).status == 404, "there is no endpoint to forge a request to"
    assert browser.post_form("/oidc/logout").status == 200
    assert refreshes(stage) == 0


@pytest.mark.row("RF-13")
@pytest.mark.parametrize("by", ["task", "scope"])
def test_rf_13_what_was_received_is_stored_when_nobody_waits_any_more(stage, by):
    users = keeps_tokens(stage)
    browser, first = signed_in(stage)
    if stage.shell == "wsgi":
        stage.clock.advance(LIFE)
        assert asked(stage, users[-1]) != first
        return
    stage.clock.advance(LIFE)
    stage.provider.script("token", delay=0.3, times=1)

    async def cancelled():
        async def ask():
            return await users[-1].access_token()

        if by == "task":
            task = asyncio.create_task(ask())
            while refreshes(stage) == 0:  # noqa: ASYNC110  # the provider of a test tells nobody when it is asked
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(ask)
                while refreshes(stage) == 0:  # noqa: ASYNC110  # likewise
                    await anyio.sleep(0.01)
                group.cancel_scope.cancel()

    run_async(cancelled())
    second = token_of(browser)["token"]
    assert (second != first, refreshes(stage)) == (True, 1)
    stage.clock.advance(LIFE)
    assert token_of(browser)["token"] not in (first, second)
    assert stage.provider.complaints == []


@pytest.mark.row("RF-14")
@pytest.mark.parametrize("seconds", [0, 1, -5, None, "x", 29])
def test_rf_14_odd_lifetimes_cause_no_storm(stage, seconds):
    keeps_tokens(stage)
    stage.provider.expires_in = seconds
    browser, first = signed_in(stage)
    for _ in range(29):
        stage.clock.advance(1)
        assert token_of(browser)["token"] == first
    stage.clock.advance(1)
    known = seconds in (1, 29)
    assert (token_of(browser)["token"] != first, refreshes(stage)) == (known, int(known))
    assert token_of(browser)["token"]
    assert refreshes(stage) == int(known)
