"""oidcc-client-test-discovery-openid-config: the configuration is fetched from its well-known place, once, and not before somebody signs in."""

import pytest


@pytest.mark.row("F-OP-01", "JW-08")
def test_fetched_when_needed_and_once(party):
    browser = party.browser()
    assert browser.fetch("/").status == 401
    assert party.provider.requests == []
    browser.start_login("/")
    assert [(request.method, request.url) for request in party.provider.requests] == [("GET", "https://op.example/.well-known/openid-configuration")]
    party.accepts()
    assert party.count("discovery") == 1


def test_an_issuer_with_a_path(party):
    party.restart(registration={"issuer": "https://op.example/tenant/a"})
    party.accepts()
    assert party.provider.requests[0].url == "https://op.example/tenant/a/.well-known/openid-configuration"


def test_an_issuer_with_a_trailing_slash(party):
    party.restart(registration={"issuer": "https://op.example/tenant/"})
    party.accepts()
    assert party.provider.requests[0].url == "https://op.example/tenant/.well-known/openid-configuration"
