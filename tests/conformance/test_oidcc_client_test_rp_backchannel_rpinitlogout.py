"""oidcc-client-test-rp-backchannel-rpinitlogout: a valid logout token ends the session, also after the user signed out already."""

import pytest

from tests.conformance.backchannel import assert_done, lives, send_logout, signs_in


@pytest.mark.row("LT-04", "LT-14", "LO-02")
def test_the_session_ends_after_the_sign_out_that_caused_it(logout_party):
    party = logout_party
    _, browser = party.accepts()
    second, stranger = signs_in(party, party.provider.user["sub"], party.provider.sid), signs_in(party, "somebody-else", "another-session")
    assert browser.post_form("/oidc/logout").status == 200
    assert len(party.provider.signed_out) == 1
    assert [lives(who) for who in (browser, second, stranger)] == [False, True, True]
    assert_done(send_logout(party, party.provider.logout_token()))  # its header has no typ, and an unknown claim is in it
    assert [lives(who) for who in (browser, second, stranger)] == [False, False, True]
    assert_done(send_logout(party, party.provider.logout_token()))
    party.clock.advance(1)
    party.accepts(browser)
    assert lives(stranger)
