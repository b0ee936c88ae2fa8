"""F-PR-05: a server is told to end while users are on their way in, or their tokens are being renewed."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.catalogue.helpers import login_url
from tests.catalogue.real import SERVERS, Running, browser_at, free_port, provider_on_a_port, settings, until

pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.row("F-PR-05")]


class Scene:
    """A server, its provider, and a store that outlives both."""

    def __init__(self, server, provider, port, folder):
        self.server, self.provider, self.port, self.shift = server, provider, port, folder / "shift"
        self.shift.write_text("0")
        self.base_url = f"http://127.0.0.1:{port}"
        more = {"OIDC_STORE": f"sqlite:///{folder}/sessions.db", "OIDC_KEEP_TOKENS": "true", "SHIFT_FILE": str(self.shift)}
        self.environ = settings(provider, self.base_url, **more)

    def running(self, *more):
        return Running(self.server, self.port, self.environ, *more)

    def signed_in(self):
        browser = browser_at(self.base_url, self.provider)
        page = browser.login(login_url("/api"))
        assert page.status == 200, page.body
        return browser, browser.fetch("/token").json()["token"]

    def refreshes(self):
        return [request for request in self.provider.received("token") if request.form.get("grant_type") == "refresh_token"]


@pytest.fixture(params=SERVERS)
def scene(request, tmp_path):
    port = free_port()
    with provider_on_a_port(f"http://127.0.0.1:{port}") as provider:
        provider.refresh_tokens, provider.expires_in = True, 300
        yield Scene(request.param, provider, port, tmp_path)


@contextlib.contextmanager
def told_to_end_during(scene, program, step):
    """*step()* is on its way to the provider's token endpoint when the program is told to end; then the provider answers. Its result."""
    gate, asked = threading.Event(), len(scene.provider.received("token"))
    scene.provider.script("token", gate=gate, times=1)
    result = []
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(step)
        until(lambda: len(scene.provider.received("token")) > asked, "nobody came to the token endpoint")
        program.ask_to_end()
        until(lambda: not answers(scene), "it still takes new connections")
        gate.set()
        result.append(future.result(60))
    yield result[0]


def answers(scene):
    """Whether a new request gets an answer."""
    import httpx

    try:
        httpx.get(f"{scene.base_url}/health", timeout=0.3, trust_env=False)
    except httpx.TransportError:
        return False
    return True


def test_f_pr_05_a_callback_under_way_is_finished(scene):
    with scene.running().ready() as program:
        browser = browser_at(scene.base_url, scene.provider)
        answer = scene.provider.respond(browser.start_login("/api"))
        with told_to_end_during(scene, program, lambda: browser.deliver(answer, follow=False)) as page:
            assert (page.status, page.header("location")) == (303, "/api")
        assert program.ended() in (0, -15), program.log
        assert "Traceback" not in program.log
    with scene.running().ready():
        assert browser.fetch("/api").json()["sub"] == scene.provider.user["sub"]
    assert scene.provider.complaints == []
    assert len(scene.provider.received("token")) == 1


def test_f_pr_05_a_refresh_under_way_is_finished_and_kept(scene):
    with scene.running().ready() as program:
        browser, first = scene.signed_in()
        scene.shift.write_text("290")
        with told_to_end_during(scene, program, lambda: browser.fetch("/token").json()) as told:
            assert told["token"] != first
        assert program.ended() in (0, -15), program.log
        assert "Traceback" not in program.log
    with scene.running().ready():
        assert browser.fetch("/token").json() == told
    assert scene.provider.complaints == []
    assert len(scene.refreshes()) == 1


@pytest.mark.parametrize("scene", ["uvicorn"], indirect=True)
def test_f_pr_05_so_is_one_that_nobody_waits_for_any_more(scene):
    """The request gave up, so the server knows of nothing to wait for. A rotated refresh token that is lost would be the end of the session.

    Under WSGI nobody can give up: a thread goes on until it is done.
    """
    with scene.running().ready() as program:
        browser, first = scene.signed_in()
        scene.shift.write_text("290")
        gate = threading.Event()
        scene.provider.script("token", gate=gate, times=1)
        assert browser.fetch("/token-nobody-waits-for").json() == {"given up": True}
        assert len(scene.refreshes()) == 1
        program.ask_to_end()
        until(lambda: not answers(scene), "it still takes new connections")
        assert program.running
        gate.set()
        assert program.ended() in (0, -15), program.log
        assert "Traceback" not in program.log
    with scene.running().ready():
        assert browser.fetch("/token").json()["token"] not in (first, None)
    assert scene.provider.complaints == []
    assert len(scene.refreshes()) == 1
