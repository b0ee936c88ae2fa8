"""The plain functions: each parameter has its effect, in both worlds, and no check can be talked away."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest

import oidc_middleware
from oidc_middleware import ConfigError, LoginError, ProviderError, steps
from oidc_middleware.drive import AsyncWorld, SyncWorld
from oidc_middleware.protocol.client_auth import Client
from oidc_middleware.protocol.id_token import ExpectedIDToken, verify_id_token
from oidc_middleware.protocol.keys import process_jwks
from oidc_middleware.protocol.pkce import code_challenge
from oidc_middleware.testing import REMOVE, FakeClock, ScriptedProvider
from oidc_middleware.transports.client import AsyncHttp, SyncHttp
from tests.flows.hand import json_response

CALLBACK = "https://app.example.com/oidc/callback"
VERIFIER = "v" * 43
SENT = {"state": "s" * 43, "nonce": "n" * 43, "code_challenge": code_challenge(VERIFIER), "code_challenge_method": "S256"}


@pytest.fixture
def provider():
    return ScriptedProvider(clock=FakeClock())


@pytest.fixture(params=["sync", "async"])
def finish(request, provider, monkeypatch):
    """``handle_authentication_result`` of either world, connected to the provider."""
    monkeypatch.setattr(steps, "_sync_world", lambda: SyncWorld(SyncHttp(provider.sync_client(), trust_env=False)))
    monkeypatch.setattr(steps, "_async_world", lambda: AsyncWorld(AsyncHttp(provider.client(), trust_env=False)))
    if request.param == "sync":
        return steps.handle_authentication_result
    return lambda *args, **options: asyncio.run(steps.handle_authentication_result_async(*args, **options))


def start(provider, **changes):
    options = {**SENT, **changes}
    return steps.start_authentication(provider.metadata()["authorization_endpoint"], "openid email", provider.client_id, CALLBACK, **options)


def client(provider):
    return Client(provider.client_id, provider.client_secret, "client_secret_basic")


def endpoint(provider):
    return provider.metadata()["token_endpoint"]


def test_the_whole_way(provider, finish):
    current_url = provider.authorize(start(provider))
    tokens = finish(
        current_url, endpoint(provider), client(provider), state=SENT["state"], code_verifier=VERIFIER, code_challenge=SENT["code_challenge"]
    )
    assert tokens.token_type == "Bearer"
    keys = process_jwks(json_response(provider.jwks()))
    expected = ExpectedIDToken(provider.issuer, provider.client_id, SENT["nonce"], access_token=tokens.access_token)
    assert verify_id_token(tokens.id_token, expected, key_set=keys, now=provider.clock.now()).subject == provider.user["sub"]
    assert provider.complaints == []


def test_every_parameter_of_start_authentication_is_sent(provider):
    url = start(provider, prompt=["login", "consent"], max_age=60, display="popup", ui_locales="de en", login_hint="ada", acr_values="a b",
                claims={"userinfo": {"email": None}}, id_token_hint="a.b.c")  # fmt: skip
    query = {name: value for name, [value] in parse_qs(urlsplit(url).query).items()}
    assert query == {
        "response_type": "code", "client_id": "app", "redirect_uri": CALLBACK, "scope": "openid email", **SENT, "prompt": "login consent",
        "max_age": "60", "display": "popup", "ui_locales": "de en", "login_hint": "ada", "acr_values": "a b", "claims": '{"userinfo":{"email":null}}',
        "id_token_hint": "a.b.c",
    }  # fmt: skip


def test_what_is_left_out_is_not_sent(provider):
    url = steps.start_authentication("https://op.example/authorize?tenant=x", "openid", "app", CALLBACK, login_hint=None, max_age=None)
    assert parse_qs(urlsplit(url).query) == {
        "tenant": ["x"], "response_type": ["code"], "client_id": ["app"], "redirect_uri": [CALLBACK], "scope": ["openid"],
    }  # fmt: skip


@pytest.mark.row("ST-18", "PK-02")
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"prompt": ["none", "login"]}, "authorize_params"),
        ({"prompt": ["perhaps"]}, "authorize_params"),
        ({"max_age": -1}, "authorize_params"),
        ({"display": "hologram"}, "authorize_params"),
        ({"code_challenge_method": "plain"}, "code_challenge_method"),
        ({"code_challenge": None}, "code_challenge_method"),
        ({"response_type": "token"}, "authorize_params"),
        ({"client_secret": "x"}, "authorize_params"),
    ],
)
def test_what_cannot_be_asked_is_told_by_name(provider, changes, problem):
    with pytest.raises(ConfigError) as caught:
        start(provider, **changes)
    assert [text.split(":")[0] for text in caught.value.problems] == [problem]


def test_openid_is_needed(provider):
    with pytest.raises(ConfigError, match="openid"):
        steps.start_authentication("https://op.example/authorize", "email", "app", CALLBACK)


@pytest.mark.row("ST-04", "MX-01", "ST-10", "ST-15")
@pytest.mark.parametrize(
    ("edits", "options", "code"),
    [
        ({"state": "another"}, {}, "state_mismatch"),
        ({}, {"state": None}, "state_mismatch"),
        ({"iss": "https://evil.example"}, {"issuer": "https://op.example"}, "iss_mismatch"),
        ({"error": "access_denied", "code": REMOVE}, {}, "access_denied"),
        ({"error": "server_error", "code": REMOVE}, {}, "provider_refused"),
    ],
)
def test_a_response_that_does_not_fit_costs_no_request(provider, finish, edits, options, code):
    current_url = provider.authorize(start(provider), **edits)
    with pytest.raises(LoginError) as caught:
        finish(current_url, endpoint(provider), client(provider), **{"state": SENT["state"], "code_verifier": VERIFIER, **options})
    assert caught.value.code == code
    assert provider.received("token") == []


@pytest.mark.row("CI-01", "PK-03")
def test_a_wrong_verifier_is_the_providers_to_refuse_and_a_wrong_pair_ours(provider, finish):
    current_url = provider.authorize(start(provider))
    with pytest.raises(ConfigError, match="code_verifier"):
        finish(current_url, endpoint(provider), client(provider), state=SENT["state"], code_verifier="w" * 43, code_challenge=SENT["code_challenge"])
    with pytest.raises(ConfigError, match="code_verifier"):
        finish(current_url, endpoint(provider), client(provider), state=SENT["state"], code_challenge=SENT["code_challenge"])
    with pytest.raises(ConfigError, match="S256"):
        finish(current_url, endpoint(provider), client(provider), state=SENT["state"], code_verifier=VERIFIER, code_challenge_method="plain")
    assert provider.received("token") == []
    with pytest.raises(LoginError) as caught:
        finish(current_url, endpoint(provider), client(provider), state=SENT["state"], code_verifier="w" * 43)
    assert caught.value.code == "code_refused"


def test_the_redirect_uri_is_worked_out_or_given(provider, finish):
    current_url = provider.authorize(start(provider)) + "#fragment"
    finish(current_url, endpoint(provider), client(provider), "auto", SENT["state"], VERIFIER)
    assert provider.received("token")[-1].form["redirect_uri"] == CALLBACK
    for part in ({"scheme": "", "netloc": ""}, {"scheme": ""}, {"netloc": ""}):
        with pytest.raises(LoginError, match="bad_request_target"):
            finish(urlsplit(current_url)._replace(**part).geturl(), endpoint(provider), client(provider), state=SENT["state"])
    assert len(provider.received("token")) == 1
    other = provider.authorize(start(provider))
    with pytest.raises((LoginError, ProviderError)):
        finish(other, endpoint(provider), client(provider), "https://app.example.com/other", SENT["state"], VERIFIER)


def test_an_exchange_needs_a_judged_response(provider):
    with pytest.raises(TypeError):
        steps.ValidatedCallback("code", object())
    judged = steps.validate_authentication_response(provider.authorize(start(provider)), state=SENT["state"])
    assert "code" not in repr(judged)


def test_the_worlds_are_made_once():
    assert steps._sync_world() is steps._sync_world()
    assert steps._async_world() is steps._async_world()


def test_the_package_offers_the_steps_by_name():
    for name in steps.__all__:
        if name in oidc_middleware.__all__:
            assert getattr(oidc_middleware, name) is getattr(steps, name)
    assert {"start_authentication", "handle_authentication_result", "exchange_code_for_tokens"} <= set(oidc_middleware.__all__)
