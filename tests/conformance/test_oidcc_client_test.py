"""oidcc-client-test: the normal flow, UserInfo included."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.conformance.party import DEEP_LINK, assert_strict


@pytest.mark.row("PK-01", "CI-06", "UI-07", "CA-04", "ST-19")
def test_the_whole_flow(party):
    claims, browser = party.accepts()
    assert claims["email"] == "user@example.com"
    assert claims["email_verified"] is False
    assert [request.endpoint for request in party.provider.requests] == ["discovery", "jwks", "token", "userinfo"]
    assert party.provider.received("userinfo")[0].headers["authorization"].startswith("Bearer ")
    to_provider, callback, landed, *_ = browser.history
    assert (to_provider.status, callback.status, landed.status) == (302, 303, 200)
    assert_strict(to_provider)
    assert_strict(callback)
    assert callback.header("location") == DEEP_LINK


@pytest.mark.row("PK-01", "PK-04", "PK-05")
def test_every_login_has_its_own_state_nonce_and_verifier(party):
    requests = [parse_qs(urlsplit(party.browser().start_login("/")).query) for _ in range(20)]
    for name in ("state", "nonce", "code_challenge"):
        values = {request[name][0] for request in requests}
        assert len(values) == 20
        assert all(re.fullmatch(r"[A-Za-z0-9\-_]{43}", value) for value in values)
    assert all(request["code_challenge_method"] == ["S256"] and "code_verifier" not in request for request in requests)


def test_two_people_do_not_meet(party):
    _, first = party.accepts()
    party.provider.user = {**party.provider.user, "sub": "somebody-else", "email": "else@example.com"}
    claims, _ = party.accepts()
    assert claims["email"] == "else@example.com"
    assert first.fetch("/api").json()["claims"]["email"] == "user@example.com"
