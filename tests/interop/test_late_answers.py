"""A real browser takes an answer after the sign-out in another tab: its cookie is there again, and nobody is let in by it (SF-05, SF-03)."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.interop import providers
from tests.interop.chromium import Window
from tests.interop.pages import opened

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TOUCH_DUE = 901


class Place:
    """Two tabs of one browser profile, signed in, and the application's own switches."""

    def __init__(self, base_url: str, provider: providers.Provider, window: Window) -> None:
        self.base_url, self.provider, self.window = base_url, provider, window
        self.first, self.second = window.tab(), window.tab()

    def tell(self, path: str) -> object:
        answer = httpx.get(self.base_url + path, trust_env=False)
        assert answer.status_code == 200
        return answer.text

    def sign_in(self, page, path: str, user: str) -> None:
        page.goto(self.base_url + path)
        page.wait_for_url(f"{self.provider.issuer}/**")
        page.click(f'button[value="{user}"]')
        page.wait_for_url(self.base_url + "/")

    def ask_and_wait(self) -> None:
        """The first tab asks for what takes long, at a time when the answer to it prolongs the session."""
        self.tell(f"/public/ahead?seconds={TOUCH_DUE}")
        self.first.evaluate("() => { window.slow = fetch('/slow').then(answer => answer.json()); }")
        for _ in range(300):
            if self.tell("/health") == "1":
                break
            time.sleep(0.1)
        else:
            raise AssertionError("the request never arrived")
        self.tell("/public/ahead?seconds=0")

    def cookies(self, part: str) -> list[str]:
        return [cookie["value"] for cookie in self.window.context.cookies(self.base_url) if cookie["name"][len("oidc_12345678") :].startswith(part)]

    def status(self, page, path: str) -> int:
        return page.evaluate("path => fetch(path, {headers: {Accept: 'application/json'}}).then(answer => answer.status)", path)


@pytest.fixture
def place(chromium) -> Iterator[Place]:
    with opened(chromium, "late_answers", OIDC_PUBLIC="/health /public/*") as parts:
        yield Place(*parts)


@pytest.mark.row("SF-05", "LO-09")
def test_a_browser_that_has_signed_out_is_given_the_session_again_and_is_nobody(place):
    place.sign_in(place.first, "/", "ada")
    place.ask_and_wait()
    before = place.cookies("_s")
    place.second.goto(place.base_url + "/oidc/logout")
    with place.second.expect_response(lambda answer: answer.url == f"{place.base_url}/oidc/logout" and answer.request.method == "POST") as answered:
        place.second.click("button")
    assert answered.value.status == 303
    place.second.wait_for_load_state()
    assert (place.cookies("_s"), place.cookies("_e_")) == ([], ["1"])
    place.tell("/public/release")
    assert place.first.evaluate("slow"), "the answer was for somebody who was signed in when they asked"
    (late,) = place.cookies("_s")
    assert late not in before, "the browser has taken the cookie that came late"
    for path in ("/who", "/oidc/session"):
        assert place.status(place.first, path) == 401
    place.first.goto(place.base_url + "/")
    assert place.first.url.startswith(place.provider.issuer)


@pytest.mark.row("SF-05", "SF-03")
def test_a_browser_in_which_somebody_else_signed_in_is_not_the_first_one_again(place):
    place.sign_in(place.first, "/", "ada")
    ada = place.first.evaluate("fetch('/who').then(answer => answer.json())")
    place.ask_and_wait()
    place.sign_in(place.second, "/oidc/login?return_to=/&prompt=login", "grace")
    grace = place.second.evaluate("fetch('/who').then(answer => answer.json())")
    assert ada != grace
    place.tell("/public/release")
    assert place.first.evaluate("slow") == ada
    for page in (place.first, place.second):
        assert place.status(page, "/who") == 401
    assert len(place.cookies("_e_")) == 1
