"""Configuration, and several middlewares side by side (catalogue 1.18: CF)."""

import pytest

from oidc_middleware import ConfigError
from oidc_middleware.testing import Browser, FakeClock, ScriptedProvider
from tests.catalogue.helpers import BASE_URL

OPTIONS = {"issuer": "https://op.example", "client_id": "app", "secret_key": "canary-secret-key-0123456789-abcdefghijklm", "base_url": BASE_URL}


@pytest.mark.row("CF-01", "CK-17", "F-PR-04", "DI-02")
def test_cf_01_all_mistakes_are_told_at_once_and_by_name(stage):
    mistakes = {
        "issuer": "http://op.example", "client_id": "", "secret_key": "hunter2", "base_url": "http://app.example.com", "public": ["/"],
        "leeway": "300x",
        "prefix": "oidc", "scopes": ["profile"], "response_mode": "fragment", "surprise": 1,
    }  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        stage.restart(**mistakes)
    assert {problem.split(":")[0] for problem in caught.value.problems} == set(mistakes)
    assert "hunter2" not in str(caught.value)


@pytest.mark.row("CF-02", "CK-19", "CK-20", "SF-04")
def test_cf_02_two_applications_on_one_host_do_not_disturb_each_other(stage):
    clock = FakeClock()
    providers = [ScriptedProvider(clock=clock, issuer=f"https://op{n}.example", redirect_uris=[f"{BASE_URL}/app{n}/oidc/callback"]) for n in (1, 2)]
    apps = {}
    for number, provider in enumerate(providers, 1):
        client = {"http_client": provider.client() if stage.shell == "asgi" else provider.sync_client()}
        kind = type(stage.app)
        inner = stage._asgi_probe if stage.shell == "asgi" else stage._wsgi_probe
        apps[f"{BASE_URL}/app{number}"] = kind(inner, clock=clock, **provider.options(), **client, secret_key=OPTIONS["secret_key"],
                                               base_url=f"{BASE_URL}/app{number}")  # fmt: skip
    browser = Browser(apps, provider=providers[0], clock=clock)
    for number, provider in enumerate(providers, 1):
        provider.user["sub"] = f"user-{number}"
        browser.provider = provider
        assert browser.login(f"{BASE_URL}/app{number}/x").json()["sub"] == f"user-{number}"
    for number in (1, 2, 1):
        assert browser.fetch(f"{BASE_URL}/app{number}/x").json()["sub"] == f"user-{number}"
    browser.post_form(f"{BASE_URL}/app1/oidc/logout")
    assert browser.fetch(f"{BASE_URL}/app1/x").status == 401
    assert browser.fetch(f"{BASE_URL}/app2/x").json()["sub"] == "user-2", "the other one lives on"


@pytest.mark.row("CF-02")
def test_cf_02_an_app_wrapped_twice_works_as_once(stage):
    provider = stage.restart()
    client = {"http_client": provider.client() if stage.shell == "asgi" else provider.sync_client()}
    twice = type(stage.app)(stage.app, clock=stage.clock, **provider.options(), **client, secret_key=OPTIONS["secret_key"], base_url=BASE_URL)
    browser = Browser(twice, provider=provider, clock=stage.clock)
    page = browser.login("/deep?x=1")
    assert (page.status, page.json()["sub"]) == (200, provider.user["sub"])
    stage.clock.advance(1800)
    page = browser.navigate("/deep")
    assert page.status == 200
    browser.post_form("/oidc/logout")
    assert browser.fetch("/x").status == 401


@pytest.mark.row("CF-03")
def test_cf_03_conveniences_for_development_end_at_loopback(stage):
    for options in (
        {"base_url": "http://dash.example.com"},
        {"issuer": "http://op.example"},
        {"response_mode": "form_post", "base_url": "http://x.example"},
    ):
        with pytest.raises(ConfigError):
            stage.restart(**options)
