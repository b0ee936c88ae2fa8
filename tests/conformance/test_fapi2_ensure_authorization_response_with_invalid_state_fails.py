"""fapi2-security-profile-final-client-test-ensure-authorization-response-with-invalid-state-fails."""

import pytest

from tests.conformance.party import DEEP_LINK


@pytest.mark.row("ST-03", "ST-11")
@pytest.mark.parametrize("state", ["A" * 43, "é", "\x00", "", "x" * 5000])
def test_refused_and_the_login_under_way_stays_usable(party, state):
    _, signed_in = party.accepts()
    browser = party.browser()
    location = browser.start_login(DEEP_LINK)
    tokens = party.count("token")
    wrong = party.provider.respond(location, state=state)
    for visitor in (browser, signed_in):
        visitor.deliver(wrong, follow=False)
        assert party.count("token") == tokens
    assert browser.fetch("/api").status == 401
    assert signed_in.fetch("/api").status == 200
    page = browser.finish_login(location)
    assert (page.status, page.url) == (200, "https://app.example.com" + DEEP_LINK)


@pytest.mark.row("ST-03")
def test_what_the_user_sees(party):
    browser = party.browser()
    answer = party.provider.respond(browser.start_login(DEEP_LINK), state="A" * 43)
    party.assert_refused(lambda: browser.deliver(answer), browser, code="no_transaction", status=400)


@pytest.mark.row("ST-02")
def test_another_browsers_answer_is_refused(party):
    """Login CSRF: the attacker's own code and state, opened in the victim's browser."""
    attacker, victim = party.browser(), party.browser()
    answer = party.provider.respond(attacker.start_login(DEEP_LINK))
    victim.start_login(DEEP_LINK)
    party.assert_refused(lambda: victim.deliver(answer), victim, code="no_transaction", status=400)
    assert party.count("token") == 0
