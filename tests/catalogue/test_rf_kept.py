"""Tokens that are kept: when they are due, what ends them, where they go (catalogue 1.14 to 1.16)."""

import httpx
import pytest

from oidc_middleware.errors import ConfigError, LoginError, Unavailable
from oidc_middleware.integrations.httpx import UserToken
from oidc_middleware.testing import Sent
from oidc_middleware.testing.servers import run_async, server_for
from tests.catalogue.helpers import BASE_URL
from tests.conformance.backchannel import assert_done, send_logout
from tests.conformance.tokens import EXPIRED, LIFE, REFUSED, asked, keeps_tokens, signed_in, token_of


def warnings(stage):
    return [record.code for record in stage.caplog.records if record.levelname in ("WARNING", "ERROR")]


def test_a_token_is_refreshed_before_it_expires(stage):
    keeps_tokens(stage)
    browser, first = signed_in(stage)
    stage.clock.advance(LIFE - 61)
    assert token_of(browser)["token"] == first
    stage.clock.advance(2)
    assert token_of(browser)["token"] != first
    stage.provider.expires_in = 100
    stage.clock.advance(LIFE)
    third = token_of(browser)["token"]
    stage.clock.advance(74)
    assert token_of(browser)["token"] == third
    stage.clock.advance(2)
    assert token_of(browser)["token"] != third, "a quarter of a short life"


@pytest.mark.row("SF-05")
def test_a_session_in_use_and_a_refresh_do_not_overwrite_each_other(stage):
    keeps_tokens(stage)
    browser, token = signed_in(stage)
    for _ in range(6):
        stage.clock.advance(1000)
        assert browser.fetch("/api").status == 200
        new = token_of(browser)["token"]
        assert new != token
        token = new
    assert stage.provider.complaints == []


def test_without_a_refresh_token_there_is_a_token_until_it_expires(stage):
    keeps_tokens(stage)
    stage.provider.refresh_tokens = False
    browser, first = signed_in(stage)
    stage.clock.advance(LIFE - 1)
    assert token_of(browser)["token"] == first
    stage.clock.advance(1)
    assert token_of(browser) == EXPIRED
    assert browser.fetch("/api").status == 200


def test_who_has_no_tokens_is_told_why(stage):
    users = keeps_tokens(stage, public=["/public/*"])
    stage.browser().navigate("/public/x")
    with pytest.raises(LoginError, match="login_required"):
        asked(stage, users[-1])
    users = keeps_tokens(stage, keep_tokens=False)
    browser = stage.browser()
    assert browser.login("/start").status == 200
    with pytest.raises(ConfigError, match="keep_tokens"):
        asked(stage, users[-1])
    assert token_of(browser) == {"error": "config_invalid", "kind": "ConfigError"}


def test_a_session_from_before_tokens_were_kept_begins_anew(stage, tmp_path):
    store = f"sqlite:///{tmp_path}/sessions.db"
    keeps_tokens(stage, store=store, keep_tokens=False)
    browser = stage.browser()
    assert browser.login("/start").status == 200
    server = server_for(stage.worker(store=store, keep_tokens=True))
    assert token_of(browser, server) == REFUSED
    assert token_of(browser, server) == {"status": 401}


@pytest.mark.row("LO-12", "LO-09")
def test_signing_out_gives_the_refresh_token_back(stage):
    users = keeps_tokens(stage, registration={"revocation": True})
    browser, _ = signed_in(stage)
    user = users[-1]
    stage.clock.advance(LIFE)
    assert "token" in token_of(browser)
    (newest,) = [token for token, grant in stage.provider.refresh_grants.items() if grant.used is None]
    assert browser.post_form("/oidc/logout").status == 200
    assert stage.provider.revoked == [(newest, "refresh_token")]
    with pytest.raises(LoginError, match="refresh_refused"):
        asked(stage, user)
    assert warnings(stage) == []


@pytest.mark.row("LT-21")
@pytest.mark.parametrize("scopes", [["openid"], ["openid", "offline_access"]])
def test_lt_21_a_session_that_the_provider_ends_takes_its_tokens_along_and_revokes_none(stage, scopes):
    """The provider knows which of its refresh tokens outlive the session (Back-Channel Logout 2.7); a call of ours could only end one that does."""
    users = keeps_tokens(stage, registration={"revocation": True}, scopes=scopes)
    stage.provider.sid = "session-1"
    browser, _ = signed_in(stage)
    user = users[-1]
    stage.clock.advance(1)
    assert_done(send_logout(stage, stage.provider.logout_token()))
    assert stage.provider.received("revocation") == []
    assert browser.fetch("/api").status == 401
    stage.clock.advance(LIFE)
    with pytest.raises(LoginError):
        asked(stage, user)
    assert len(stage.provider.received("token")) == 1, "nothing was refreshed either"


@pytest.mark.row("LO-12")
@pytest.mark.parametrize("fault", [{"status": 500, "body": b""}, {"raises": httpx.ReadTimeout("slow")}, {"status": 400, "json": {"error": "x"}}])
def test_lo_12_a_token_that_cannot_be_revoked_keeps_nobody_signed_in(stage, fault):
    keeps_tokens(stage, registration={"revocation": True})
    browser, _ = signed_in(stage)
    stage.provider.script("revocation", **fault)
    assert browser.post_form("/oidc/logout").status == 200
    assert browser.fetch("/api").status == 401
    assert len(stage.provider.received("revocation")) == 1
    assert "tokens.not_revoked" in stage.caplog.text


@pytest.mark.row("LO-12")
def test_lo_12_two_seconds_are_the_most(stage, monkeypatch):
    keeps_tokens(stage, registration={"revocation": True})
    seen = []
    transport = stage.app._world.transport
    plain = transport.send
    monkeypatch.setattr(transport, "send", lambda request: seen.append((request.purpose, request.seconds)) or plain(request))
    browser, _ = signed_in(stage)
    assert browser.post_form("/oidc/logout").status == 200
    assert [limit for limit in seen if limit[1] is not None] == [("revocation", 2.0)]


@pytest.mark.row("LT-16", "LT-12")
@pytest.mark.parametrize("way", ["backchannel", "everywhere"])
def test_whatever_ends_the_session_ends_its_tokens(stage, way):
    users = keeps_tokens(stage)
    stage.provider.sid = "session-1"
    _, token = signed_in(stage)
    user = users[-1]
    assert asked(stage, user) == token
    stage.clock.advance(1)
    if way == "everywhere":
        ended = stage.app.sign_out_everywhere(stage.provider.user["sub"])
        assert (run_async(ended) if stage.shell == "asgi" else ended) == 1, "sessions are counted, not records"
    else:
        assert_done(send_logout(stage, stage.provider.logout_token()))
    with pytest.raises(LoginError, match="refresh_refused"):
        asked(stage, user)


def test_the_token_goes_on_calls_to_other_services(stage):
    users = keeps_tokens(stage)
    _, token = signed_in(stage)
    user, seen = users[-1], []

    def service(request):
        seen.append(request.headers["authorization"])
        return httpx.Response(200)

    def sync():
        with httpx.Client(transport=httpx.MockTransport(service)) as client:
            return client.get("https://api.example.com/", auth=UserToken(user)).status_code

    async def asynchronous():
        async with httpx.AsyncClient(transport=httpx.MockTransport(service)) as client:
            return (await client.get("https://api.example.com/", auth=UserToken(user))).status_code

    assert run_async(asynchronous()) == 200
    if stage.shell == "wsgi":
        assert sync() == 200
    else:
        with pytest.raises(TypeError, match="AsyncClient"):
            sync()
    assert set(seen) == {f"Bearer {token}"}


@pytest.mark.row("F-ST-01")
def test_a_store_that_is_away_is_no_end_of_the_session(stage, monkeypatch):
    users = keeps_tokens(stage)
    browser, token = signed_in(stage)
    user, store = users[-1], stage.app._world.store

    def away(*args, **options):
        raise Unavailable("store_unavailable")

    monkeypatch.setattr(store, "get", away, raising=False)
    with pytest.raises(Unavailable, match="store_unavailable"):
        asked(stage, user)
    monkeypatch.undo()
    assert token_of(browser)["token"] == token


def test_the_server_of_a_test_is_what_a_browser_talks_to(stage):
    keeps_tokens(stage)
    browser, token = signed_in(stage)
    server = server_for(stage.app)
    assert token_of(browser, server) == {"token": token}
    assert server(Sent("GET", BASE_URL + "/token", headers=(("host", "app.example.com"), ("accept", "*/*")))).status == 401
