"""oidcc-client-test-refresh-token: the client uses its refresh token and takes the ID token that comes with the answer."""

import pytest

from tests.conformance.tokens import LIFE, keeps_tokens, refreshes, signed_in, token_of


@pytest.mark.row("RF-08", "RF-09")
@pytest.mark.parametrize("rotation", [True, False])
def test_new_tokens_in_the_place_of_old_ones(party, rotation):
    keeps_tokens(party)
    party.provider.refresh_rotation = rotation
    browser, first = signed_in(party)
    seen = {first}
    for number in range(1, 4):
        assert token_of(browser)["token"] in seen, "a token that is good is not refreshed"
        party.clock.advance(LIFE)
        seen.add(token_of(browser)["token"])
        assert (len(seen), refreshes(party)) == (number + 1, number)
    assert party.provider.complaints == []
    assert party.provider.received("token")[-1].form["grant_type"] == "refresh_token"
    assert browser.fetch("/api").status == 200
