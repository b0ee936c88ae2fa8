"""oidcc-client-test-client-secret-basic: the client authenticates with HTTP Basic; id and secret are form-urlencoded first (RFC 6749 2.3.1)."""

import pytest


@pytest.mark.row("FD-04")
def test_basic_header_and_nothing_in_the_body(party):
    party.accepts()
    request = party.provider.received("token")[0]
    assert request.headers["authorization"].startswith("Basic ")
    assert "client_secret" not in request.form


@pytest.mark.row("FD-04")
def test_special_characters_survive(party):
    party.restart(registration={"client_id": "https://app.example.com/:id", "client_secret": "canary %:+&= é–secret-of-the-client"})
    party.accepts()


@pytest.mark.row("FD-04")
@pytest.mark.parametrize("method", ["client_secret_post", "none"])
def test_other_registrations_are_found_in_the_metadata(party, method):
    party.restart(registration={"client_auth": method})
    party.accepts()
    assert "authorization" not in party.provider.received("token")[0].headers


@pytest.mark.row("DI-09")
def test_a_rejected_client_is_the_operators_problem(party):
    def bend(provider):
        provider.client_secret = "another-secret-than-was-configured-here"

    party.refuses(bend, code="client_rejected", complaints=True)
