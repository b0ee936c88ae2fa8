"""A logout token with both ``sid`` and ``sub``: both have to fit, and with sessions on the server the provider is told when they do not (LT-12)."""

import pytest

from tests.catalogue.helpers import codes_on, login_url, shown
from tests.catalogue.helpers_stores import held, record_of
from tests.conformance.backchannel import assert_done, assert_refused, lives, send_logout, signs_in


@pytest.mark.row("LT-12", "LT-08", "LT-14")
def test_lt_12_a_sid_of_somebody_else_is_refused_as_long_as_that_session_lives(stage, store):
    sub, token = stage.provider.user["sub"], stage.provider.logout_token
    wrong = token(sub="bob", sid="session-1")
    assert_done(send_logout(stage, wrong))  # nobody's yet: it may be about a sign-in that is under way
    stage.clock.advance(1)
    one, bobs = signs_in(stage, sub, "session-1"), signs_in(stage, "bob", "session-2")
    records = [record_of(stage, store, browser) for browser in (one, bobs)]
    for _ in range(2):
        assert_refused(send_logout(stage, wrong))
        assert "belongs to another sub" in stage.caplog.text
    assert [record_of(stage, store, browser) for browser in (one, bobs)] == records
    assert [lives(browser) for browser in (one, bobs)] == [True, True]
    right = token(sid="session-1")
    stage.clock.advance(1)
    newer = signs_in(stage, sub, "session-1")
    for _ in range(2):  # the second time there is nothing left to end, and what lives under the sid is hers
        assert_done(send_logout(stage, right))
        assert [lives(browser) for browser in (one, newer, bobs)] == [False, True, True]
    assert newer.post_form("/oidc/logout").status == 200
    assert_done(send_logout(stage, wrong))  # nobody's any more
    assert lives(bobs)
    stage.assert_nothing_leaked()


@pytest.mark.row("LT-12", "LT-16")
def test_lt_12_who_is_signing_in_under_the_sid_of_somebody_else_is_signed_out_all_the_same(stage, store):
    """A provider that gives two people one ``sid``: the refusal lets nobody stay whose logout it was."""
    sub = stage.provider.user["sub"]
    other, stage.provider.sid = signs_in(stage, "bob", "session-1"), "session-1"
    browser = stage.visitor()
    answer = stage.provider.respond(browser.start_login(login_url("/racing")))
    with held(store, "create", lambda: browser.deliver(answer, follow=False)) as pages:
        stage.clock.advance(1)
        assert_refused(send_logout(stage, stage.provider.logout_token(sub=sub)))
    _, page = shown(pages[0], browser)
    assert (page.status, codes_on(page)) == (400, ["signed_out_meanwhile"])
    assert [lives(who) for who in (browser, other)] == [False, True]
    stage.clock.advance(1)
    stage.accepts(browser)


@pytest.mark.row("LT-12", "LT-18")
def test_lt_12_a_store_that_cannot_say_whose_it_is_is_asked_again(stage, store):
    browser = signs_in(stage, "bob", "session-1")
    token = stage.provider.logout_token(sid="session-1")
    store.down["holds"] = "store_unavailable"
    assert_refused(send_logout(stage, token), code="store_unavailable", retry=True)
    store.down.clear()
    assert_refused(send_logout(stage, token))
    assert lives(browser)
