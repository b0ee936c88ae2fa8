"""F-PR-10: clocks that disagree, are set back, or are years ahead."""

import pytest

from oidc_middleware.testing import REMOVE
from oidc_middleware.testing.servers import server_for
from tests.catalogue.helpers import codes_on, landed, login_url
from tests.conformance.tokens import LIFE, keeps_tokens, refreshes, signed_in, token_of

pytestmark = pytest.mark.row("F-PR-10")

HOUR, YEARS = 3_600, 10 * 365 * 86_400
#: Where sessions live; every mode has times of its own to compare.
MODES = {"cookie": {}, "revocation": {"revocation": "sqlite:///{folder}/ended.db"}, "store": {"store": "sqlite:///{folder}/sessions.db"}}


class Skewed:
    """The clock of one worker: *by* seconds ahead of everybody's."""

    def __init__(self, clock, by):
        self.clock, self.by, self.random = clock, by, clock.random

    def now(self):
        return self.clock.now() + self.by


@pytest.fixture(params=MODES)
def mode(request, stage, tmp_path):
    stage.kept = {name: url.format(folder=tmp_path) for name, url in MODES[request.param].items()}
    stage.restart()
    return request.param


def loud(stage):
    return [record.getMessage() for record in stage.caplog.records if record.levelname in ("WARNING", "ERROR")]


@pytest.mark.parametrize("skew", [-60, -1, 1, 60])
def test_f_pr_10_workers_whose_clocks_differ_by_a_minute_are_one_site(stage, mode, skew):
    """Every step of a session at another worker than the one before: nobody notices anything, and the log has nothing to say."""
    subject = stage.provider.user["sub"]
    right, wrong = (server_for(stage.worker(clock=Skewed(stage.clock, by))) for by in (0, skew))
    for first, second in ((right, wrong), (wrong, right)):
        browser = stage.browser()

        def at(server, browser=browser):
            browser._sites = [(browser.base_url, server)]

        at(first)
        location = browser.start_login(login_url("/deep"))
        at(second)
        assert landed(browser.finish_login(location)) == "/deep"
        for _ in range(4):  # used, and written down as used, by one after the other
            for server in (first, second):
                at(server)
                assert stage.who(browser) == subject
                stage.clock.advance(901)
        at(first)
        question = browser.navigate("/oidc/logout")
        token = question.text.partition('name="csrf_token" value="')[2].partition('"')[0]
        at(second)
        headers = {"sec-fetch-site": "", "origin": ""}
        assert browser.post_form("/oidc/logout", {"csrf_token": token}, initiator=None, headers=headers).url.endswith("/oidc/signed-out")
        at(first)
        assert stage.who(browser) is None
    assert loud(stage) == []


def test_f_pr_10_an_hour_back_signs_nobody_out(stage, mode):
    clock = Skewed(stage.clock, 0)
    app = stage.worker(clock=clock)
    browser = stage.browser(app)
    assert landed(browser.login(login_url("/deep"))) == "/deep"
    clock.by = -HOUR
    for _ in range(20):
        assert stage.who(browser) == stage.provider.user["sub"]
        stage.clock.advance(600)
    assert loud(stage) == []


@pytest.mark.parametrize("uses", [True, False])
def test_f_pr_10_nor_does_it_let_anybody_in_for_ever(stage, mode, uses):
    """A session lasts longer by as much as the clock went back, and no more, whether it is used or not."""
    clock = Skewed(stage.clock, 0)
    browser = stage.browser(stage.worker(clock=clock))
    assert landed(browser.login(login_url("/deep"))) == "/deep"
    began, settings = stage.clock.now(), stage.rp.settings
    limit = settings.session_lifetime if uses else settings.idle_timeout
    clock.by = -HOUR
    replayed = [(cookie.name, cookie.value) for cookie in browser.cookies]
    while uses and stage.clock.now() < began + limit - 600:
        stage.clock.advance(599)
        assert stage.who(browser) == stage.provider.user["sub"]
        replayed = [(cookie.name, cookie.value) for cookie in browser.cookies]
    stage.clock.set(began + limit + HOUR)
    for name, value in replayed:  # by a program that knows no Max-Age
        browser.cookies.receive(browser.base_url, [f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax"], stage.clock.now())
    assert stage.who(browser) is None


def test_f_pr_10_ten_years_ahead_and_back_again(stage, mode):
    """What was signed in is over while the clock is wrong; what was signed in by the wrong clock does not live for ten years."""
    subject = stage.provider.user["sub"]
    browser = stage.visitor(signed_in=True)
    before = stage.session_of(browser)
    now = stage.clock.now()
    stage.clock.advance(YEARS)
    twin = browser.twin()
    for name, value in before.items():
        twin.cookies.receive(twin.base_url, [f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax"], stage.clock.now())
    assert stage.who(twin) is None
    assert stage.session_of(twin) == before, "deleted by a clock that is wrong"
    ahead = stage.visitor(signed_in=True)
    stage.clock.set(now + 60)
    if mode == "store":  # which keeps nothing that is over
        assert landed(browser.login(login_url("/x"))) == "/x"
    assert stage.who(browser) == subject
    assert stage.who(ahead) is None, "it would live until 2037"
    assert landed(ahead.login(login_url("/again"))) == "/again"
    assert stage.who(ahead) == subject


@pytest.mark.parametrize("step", [-HOUR, -YEARS, YEARS])
def test_f_pr_10_a_failure_of_the_provider_is_not_remembered_for_longer(stage, step):
    stage.provider.script("discovery", status=500, body=b"", times=1)
    page = stage.browser().navigate("/x", follow=False)
    assert (page.status, codes_on(page)) == (503, ["provider_unavailable"])
    stage.clock.advance(step)
    assert landed(stage.browser().login(login_url("/x"))) == "/x"


def test_f_pr_10_what_the_provider_published_is_not_believed_for_longer(stage):
    stage.accepts()
    asked = stage.count("discovery"), stage.count("jwks")
    stage.clock.advance(-HOUR)
    stage.accepts()
    assert (stage.count("discovery"), stage.count("jwks")) == (asked[0] + 1, asked[1] + 1)


def test_f_pr_10_an_access_token_does_not_pass_for_good_for_longer(stage, tmp_path):
    clock = Skewed(stage.clock, 0)
    keeps_tokens(stage, store=f"sqlite:///{tmp_path}/sessions.db", clock=clock)
    browser, first = signed_in(stage)
    stage.provider.refresh_edits["id_token"] = REMOVE  # one from the future would be refused
    clock.by = -HOUR
    stage.clock.advance(LIFE - 1)
    assert token_of(browser)["token"] != first, "nobody knows how old it is"
    assert token_of(browser) == token_of(browser)
    assert refreshes(stage) == 1


def test_f_pr_10_workers_whose_clocks_differ_do_not_refresh_twice(stage, tmp_path):
    keeps_tokens(stage, store=f"sqlite:///{tmp_path}/sessions.db")
    browser, _ = signed_in(stage)
    behind, ahead = (
        server_for(stage.worker(store=f"sqlite:///{tmp_path}/sessions.db", keep_tokens=True, clock=Skewed(stage.clock, by))) for by in (-60, 60)
    )
    stage.clock.advance(LIFE)
    token = token_of(browser, ahead)["token"]
    assert [token_of(browser, server)["token"] for server in (behind, ahead, behind)] == [token] * 3
    assert refreshes(stage) == 1
