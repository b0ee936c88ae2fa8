"""Sign-in, use, refresh, sign-out, back-channel logout and sign-out-everywhere race in tabs, browsers and workers; Hypothesis chooses the order.

What must hold in every order (catalogue SF-01, SF-05, SF-07, LT-16, RF-02, F-PR-08): nobody is let in after a logout was completed, nobody gets
another one's session, what was deleted or replaced never comes back, a refresh token is used once and nobody is signed out by it, and a token that
somebody was given replaces the older ones for all who ask later.
"""

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from oidc_middleware.errors import LoginError, Unavailable
from oidc_middleware.flows.messages import PassThrough
from oidc_middleware.flows.stored import store_key
from oidc_middleware.flows.stored_tokens import token_key
from tests.catalogue.race_machine import Races


class RacesWithList(Races):
    """Sessions in cookies, and a list of ended ones that all workers share."""

    shared = ("revocation",)


class RacesInStore(Races):
    """Sessions and tokens in a store that all workers share."""

    shared = ("store",)
    options = {"keep_tokens": True}  # noqa: RUF012  # as above

    def access_token(self, browser, worker):
        self._ask("page with a token", worker, self._request("/token", browser=browser), lambda task: self._opened_with_token(browser, worker, task))

    def more_kinds(self, browser, worker):
        return [lambda: self.access_token(browser, worker)] * 4

    def rest(self):
        super().rest()
        now = self.clock.now()
        for session in self.sessions.values():
            if any(end.ends(session) for end in self.ends):
                keys = [store_key(value) for value in session.cookies]
                left = [key for key in (*keys, *map(token_key, keys)) if self.store.get(key, now) is not None]
                assert left == [], "something of a session came back that had ended"

    def _opened_with_token(self, browser, worker, task):
        self._opened(browser, task)
        if not isinstance(task.result, PassThrough):
            return
        session = self.sessions[task.result.user.claims["sid"]]
        newest = session.newest_token
        asking = self._begin("token", worker, task.result.user.access_token(), None, before_fetch=lambda: self._known_as(session))

        def done(answered):
            if answered.error is not None:
                self._no_token(session, answered)
                return
            tokens = list(self.provider.tokens)
            assert answered.result in tokens, "a token that the provider never gave, or has taken back"
            given = tokens.index(answered.result)
            assert given >= newest, "a token was given out that is older than one which somebody had before"
            assert not [end for end in self.ends if end.ends(session) and end.tick < asking.began], "a token of a session that had ended"
            session.newest_token = max(session.newest_token, given)

        asking.done = done

    def _known_as(self, session):
        self.provider.user, self.provider.sid = {**self.provider.user, "sub": session.person}, session.sid

    def _no_token(self, session, answered):
        if isinstance(answered.error, LoginError):
            assert any(threat(session) for threat in self.threats), "a refresh signed somebody out"
        else:
            assert isinstance(answered.error, Unavailable)


@pytest.mark.row("F-PR-08", "SF-05")
@pytest.mark.hypothesis
@pytest.mark.parametrize("machine", [Races, RacesWithList, RacesInStore])
def test_no_order_of_things_lets_anybody_in_who_was_signed_out(machine):
    run_state_machine_as_test(machine, settings=settings(max_examples=2 * settings.default.max_examples, stateful_step_count=15))
