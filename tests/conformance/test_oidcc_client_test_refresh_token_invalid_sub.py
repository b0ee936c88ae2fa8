"""oidcc-client-test-refresh-token-invalid-sub: the ID token of the refresh names another sub; the client must not go on (OIDC Core 12.2)."""

import pytest

from tests.conformance.tokens import LIFE, REFUSED, keeps_tokens, signed_in, token_of


@pytest.mark.row("RF-08")
def test_the_session_ends(party):
    keeps_tokens(party)
    browser, _ = signed_in(party)
    other, _ = signed_in(party)
    party.clock.advance(LIFE)
    party.provider.refreshed_id_token_claims["sub"] = "somebody-else"
    assert token_of(browser) == REFUSED
    assert [record.code for record in party.caplog.records if record.levelname == "WARNING"] == ["id_token_subject"]
    assert browser.fetch("/api").status == 401
    party.provider.refreshed_id_token_claims.clear()
    assert token_of(browser) == {"status": 401}, "nothing brings it back"
    assert "token" in token_of(other)
