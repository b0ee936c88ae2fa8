"""``memory://`` and several workers: nobody is told that something ended which did not, and the log says what is wrong (F-ST-15, LT-17)."""

import sys

import pytest

from oidc_middleware import ConfigError
from oidc_middleware.stores import open_sync, several_announced
from oidc_middleware.testing import WsgiServer, run_async
from tests.catalogue.helpers import codes_on, landed
from tests.catalogue.probe import send
from tests.conformance.backchannel import send_logout

WORKERS = 4


def several(stage, monkeypatch):
    """From now on servers say that there are others beside this process: to ASGI by the command line, to WSGI with each request."""
    monkeypatch.setattr(sys, "argv", ["/usr/bin/uvicorn", "app:app", "--workers", str(WORKERS)])
    alone = WsgiServer.environ
    monkeypatch.setattr(WsgiServer, "environ", lambda self, request: {**alone(self, request), "wsgi.multiprocess": True})
    stage.monkeypatch = monkeypatch


def told(stage, event):
    return [record for record in stage.caplog.records if record.getMessage().startswith(event)]


class RoundRobin:
    """A load balancer that knows nothing of sessions."""

    def __init__(self, stage, workers):
        self.shell, self.servers, self.turn = stage.shell, [stage.browser(worker)._sites[0][1] for worker in workers], 0

    def __call__(self, request):
        self.turn += 1
        return self.servers[self.turn % len(self.servers)](request)


@pytest.mark.row("F-ST-15")
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
def test_people_get_a_page_and_the_operator_the_reason_instead_of_a_loop(stage, monkeypatch, announced):
    if announced:
        several(stage, monkeypatch)
    stage.restart(store="memory://")
    workers = [stage.app, *(stage.worker(store="memory://") for _ in range(WORKERS - 1))]
    browser = stage.browser()
    browser._sites[0] = (browser._sites[0][0], RoundRobin(stage, workers))
    stage.clock.advance(1)
    page = browser.navigate("/report")
    rounds = 0
    while page.status == 200 and rounds < 10:  # by luck the worker that has the session; people open the next page
        page = browser.navigate("/report")
        rounds += 1
    assert (page.status, codes_on(page)) == (400, ["login_loop"])
    assert stage.count("token") <= 3
    (first, *_) = told(stage, "session.other_worker")
    assert first.levelname == "WARNING"
    assert "memory:// is for one process" in first.getMessage()
    assert "redis://" in first.getMessage()
    assert len(told(stage, "store.not_shared")) == (WORKERS if announced else 0)
    stage.assert_nothing_leaked(page)


@pytest.mark.row("F-ST-15")
def test_a_worker_that_was_started_anew_says_so_and_people_sign_in_again(stage):
    stage.restart(store="memory://")
    browser = stage.visitor(signed_in=True)
    new = stage.browser(stage.worker(store="memory://"))
    new.cookies = browser.cookies
    assert landed(new.navigate("/report")) == "/report"
    (line,) = told(stage, "session.other_worker")
    assert "started anew" in line.getMessage()
    assert new.fetch("/api").status == 200
    assert len(told(stage, "session.other_worker")) == 1


@pytest.mark.row("F-ST-15")
def test_a_session_that_ended_is_no_other_workers(stage):
    stage.restart(store="memory://")
    browser = stage.visitor(signed_in=True)
    twin = browser.twin()
    twin.cookies = type(browser.cookies)()
    kept = stage.session_of(browser)
    assert browser.post_form("/oidc/logout", {}, follow=False).status == 303
    (name,) = kept
    assert stage.session_name == name
    assert send(twin, "/api", cookie=f"{name}={kept[name]}", headers=[("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")]).status == 401
    assert told(stage, "session.other_worker") == []
    for foreign in (kept[name][:43] + ".0123456789ab", kept[name][:43], "A" * 43 + ".0123456789ab", "A" * 43 + ".other"):
        assert send(twin, "/api", cookie=f"{name}={foreign}", headers=[("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")]).status == 401
    assert len(told(stage, "session.other_worker")) == 2


@pytest.mark.row("F-ST-15", "CK-24")
@pytest.mark.parametrize("place", ["memory", "sqlite"])
def test_only_a_memory_names_itself_in_the_cookie(stage, place, tmp_path):
    stage.restart(store="memory://" if place == "memory" else f"sqlite:///{tmp_path}/sessions.db")
    browser = stage.visitor(signed_in=True)
    (value,) = stage.session_of(browser).values()
    assert value[43:] == (f".{stage.app._world.store.instance}" if place == "memory" else "")


@pytest.mark.row("F-ST-15")
def test_a_store_of_other_people_that_is_not_shared_needs_no_name(stage):
    store = open_sync("memory://")
    store.instance = "something else; of theirs"
    stage.restart(store=store)
    assert stage.visitor(signed_in=True).fetch("/api").status == 200


# -- what ends -------------------------------------------------------------------------------------------------------------------------------


def everywhere(stage, subject):
    done = stage.app.sign_out_everywhere(subject)
    return run_async(done) if stage.shell == "asgi" else done


@pytest.mark.row("LT-17", "F-ST-15")
@pytest.mark.parametrize("setting", ["store", "revocation"])
def test_a_logout_that_reaches_one_of_several_memories_is_not_called_done(stage, monkeypatch, setting):
    several(stage, monkeypatch)
    stage.restart(**{setting: "memory://"})
    stage.provider.sid = "session-1"
    browser = stage.visitor(signed_in=True)
    stage.clock.advance(1)
    page = send_logout(stage, stage.provider.logout_token())
    assert page.status == 400
    assert stage.caplog.records[-1].levelname == "ERROR"
    assert "memory:// is for one process" in stage.caplog.text
    assert browser.fetch("/api").status == 401, "what is here ended all the same"
    stage.clock.advance(61)
    again = stage.visitor(signed_in=True)
    stage.clock.advance(1)
    with pytest.raises(ConfigError, match="memory:// is for one process"):
        everywhere(stage, stage.provider.user["sub"])
    assert again.fetch("/api").status == 401
    assert len(told(stage, "store.not_shared")) == 1, "once, not with every request"


@pytest.mark.row("LT-17", "F-ST-15")
@pytest.mark.parametrize("setting", ["store", "revocation"])
def test_with_one_worker_or_a_place_for_all_it_is_done(stage, monkeypatch, tmp_path, setting):
    for number, place in enumerate(("memory://", f"sqlite:///{tmp_path}/place.db")):
        if number:
            several(stage, monkeypatch)
        stage.restart(**{setting: place})
        stage.provider.sid = "session-1"
        browser = stage.visitor(signed_in=True)
        stage.clock.advance(1)
        assert send_logout(stage, stage.provider.logout_token()).status == 200
        assert browser.fetch("/api").status == 401
        assert everywhere(stage, stage.provider.user["sub"]) == 0
    assert told(stage, "store.not_shared") == []


@pytest.mark.row("F-ST-15")
@pytest.mark.parametrize(
    ("argv", "environ", "several"),
    [
        (["uvicorn", "app:app"], {}, False),
        (["uvicorn", "app:app", "--workers", "4"], {}, True),
        (["uvicorn", "app:app", "--workers=4"], {}, True),
        (["uvicorn", "app:app", "--workers", "1"], {"WEB_CONCURRENCY": "4"}, False),
        (["gunicorn", "-w", "4", "app:app"], {}, True),
        (["gunicorn", "-w4", "app:app"], {}, True),
        (["gunicorn", "app:app"], {"WEB_CONCURRENCY": "4"}, True),
        (["gunicorn", "app:app"], {"WEB_CONCURRENCY": "1"}, False),
        (["gunicorn", "app:app"], {"WEB_CONCURRENCY": "many"}, False),
        (["granian", "--workers"], {}, False),
        (["tool", "--workers", "x"], {}, False),
        (["tool", "--worker-class", "4"], {}, False),
        ([], {}, False),
    ],
)
def test_what_is_known_of_other_workers(argv, environ, several):
    assert several_announced(argv, environ) is several
