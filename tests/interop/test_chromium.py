"""A person with a browser at both demo dashboards: in, around, and out again. Leaves a picture of every page in var/screenshots."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from benchmarks.loopback import free_port
from tests.interop.chromium import Window, photograph
from tests.interop.conftest import settings
from tests.interop.programs import ROOT, Program, app_server
from tests.interop.providers import Ada, Own

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class Demo:
    sales: str
    operations: str
    provider: str

    @property
    def origins(self) -> set[str]:
        return {self.sales, self.operations, self.provider}


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with Program([sys.executable, "examples/demo/run.py"], cwd=ROOT) as program:
        demo = None
        while demo is None and program.running:
            found = {
                name: re.search(pattern, program.log)
                for name, pattern in (
                    ("sales", r"Sales +(http\S+)"),
                    ("operations", r"Operations +(http\S+)"),
                    ("provider", r"provider at (http[^ ,]+)"),
                )
            }
            if all(found.values()):
                demo = Demo(**{name: match.group(1) for name, match in found.items() if match})
        assert demo, program.log
        yield demo
        assert program.running, program.log
        assert "Traceback" not in program.log, program.log


@pytest.fixture
def window(chromium, demo) -> Iterator[Window]:
    window = Window(chromium, demo.origins)
    yield window
    window.close()


def sign_in(page, demo, user: str = "ada") -> None:
    """On the provider's page: choose somebody."""
    assert page.url.startswith(demo.provider), page.url
    with page.expect_navigation():
        page.click(f'button[value="{user}"]')


def sign_out(page, demo) -> None:
    """By the menu, and at the provider, should it ask."""
    page.click("details.user summary")
    page.click("details.user button")
    page.wait_for_load_state()
    if page.url.startswith(demo.provider):
        photograph(page, "provider sign out")
        page.click('button[value="sign-out"]')
        page.wait_for_load_state()


@pytest.mark.parametrize(("name", "deep_link"), [("sales", "/regions/north?weeks=52"), ("operations", "/services/search?weeks=12")])
def test_in_around_and_out(window, demo, name, deep_link):
    base_url, page = getattr(demo, name), window.tab()
    page.goto(base_url + deep_link)
    photograph(page, "provider sign in")
    sign_in(page, demo)
    assert page.url == base_url + deep_link
    for text in (Ada.name, Ada.email, *Ada.groups):
        assert text in page.content()
    photograph(page, f"{name} dashboard")
    cookies = {cookie["name"]: cookie for cookie in window.context.cookies(base_url) if cookie["name"].startswith("oidc_")}
    assert cookies
    assert all(cookie["httpOnly"] and cookie["sameSite"] == "Lax" and cookie["path"] == "/" for cookie in cookies.values())
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("fetch('/api/summary').then(answer => answer.status)") == 200

    page.click("nav a >> nth=1")
    assert page.url.startswith(base_url)
    sign_out(page, demo)
    assert page.url.startswith(f"{base_url}/oidc/signed-out")
    photograph(page, "signed out")
    assert window.context.request.get(f"{base_url}/api/summary", headers={"Accept": "application/json"}).status == 401

    page.click("text=Sign in again")
    assert page.url.startswith(demo.provider)  # which asks, too


def test_one_sign_in_for_both(window, demo):
    page = window.tab()
    page.goto(demo.sales)
    sign_in(page, demo, "grace")
    page.goto(f"{demo.operations}/services/search")
    assert page.url == f"{demo.operations}/services/search"
    assert "Grace Hopper" in page.content()


def test_five_tabs_at_once(window, demo):
    """All begun before anyone signed in; each ends where it began."""
    links = [f"{demo.sales}/regions/north?weeks={weeks}" for weeks in (12, 26, 52)] + [f"{demo.sales}/", f"{demo.operations}/"]
    tabs = [window.tab() for _ in links]
    for tab, link in zip(tabs, links, strict=True):
        tab.evaluate("link => { location.href = link }", link)  # not waited for: they are under way at once
    for tab in tabs:
        tab.wait_for_url(f"{demo.provider}/**")
        tab.wait_for_selector('button[value="ada"]')
    for number in (2, 0, 4, 1, 3):
        sign_in(tabs[number], demo)
        assert tabs[number].url == links[number], tabs[number].inner_text("main")
        assert Ada.name in tabs[number].content()
    for tab, link in zip(tabs, links, strict=True):
        tab.reload()
        assert tab.url == link


def test_the_back_button_after_sign_in(window, demo):
    page, link = window.tab(), f"{demo.sales}/regions/north?weeks=12"
    page.goto(f"{demo.sales}/healthz")
    page.goto(link)
    sign_in(page, demo)
    assert page.url == link
    page.go_back()  # to the provider's form, or past it: never to a used-up answer of the provider
    assert "/oidc/callback" not in page.url
    if page.url.startswith(demo.provider) and page.locator('button[value="ada"]').count():
        sign_in(page, demo)
    page.goto(link)
    assert (page.url, Ada.name in page.content()) == (link, True)


def test_the_back_button_after_sign_out_shows_nothing(window, demo):
    page = window.tab()
    page.goto(f"{demo.operations}/services/search")
    sign_in(page, demo)
    sign_out(page, demo)
    assert page.url.startswith(f"{demo.operations}/oidc/signed-out")
    page.go_back()
    for _ in range(2):
        assert "What this app was told" not in page.content()
        page.go_back()


def test_the_address_of_a_used_answer_opened_again(window, demo):
    """A reload of the callback, or a bookmark of it."""
    page, seen = window.tab(), []
    page.on("request", lambda request: seen.append(request.url) if "/oidc/callback" in request.url else None)
    page.goto(f"{demo.sales}/regions/north")
    sign_in(page, demo)
    page.goto(seen[0])
    assert page.url == f"{demo.sales}/"  # signed in already: nothing to complain about
    window.context.clear_cookies()
    assert page.goto(seen[0]).status == 400
    photograph(page, "error 400")
    page.click("text=Sign in again")
    sign_in(page, demo)
    assert page.url.startswith(demo.sales)
    assert Ada.name in page.content()


def test_somebody_who_may_not_come_in(window, demo):
    page = window.tab()
    page.goto(f"{demo.sales}/regions/north")
    sign_in(page, demo, "alan")
    assert "You have no access here" in page.content()
    assert "Alan Turing" in page.content()
    photograph(page, "no access")
    page.click("text=Sign in as someone else")
    assert page.url.startswith(demo.provider)
    sign_in(page, demo, "grace")
    assert page.url.startswith(demo.sales)
    assert "Grace Hopper" in page.content()


def test_a_foreign_link_to_sign_out_asks_first(window, demo):
    page = window.tab()
    page.goto(f"{demo.sales}/")
    sign_in(page, demo)
    page.goto(f"{demo.sales}/oidc/logout")
    assert "Sign out?" in page.content()
    photograph(page, "confirm sign out")
    page.goto(f"{demo.sales}/")
    assert Ada.name in page.content()
    page.goto(f"{demo.sales}/oidc/logout")
    page.click("button:has-text('Sign out')")
    page.wait_for_url(f"{demo.sales}/oidc/signed-out*")


def test_somebody_who_cancels(window, demo):
    """What the provider answered is at no address that the browser was at, and the page can be reloaded and come back to (catalogue CI-03)."""
    page, was_at, asked = window.tab(), [], []
    page.on("framenavigated", lambda frame: was_at.append(frame.url))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{demo.sales}/regions/north")
    page.click('button[value="cancel"]')
    assert page.url.startswith(f"{demo.sales}/oidc/error?of=")
    assert "Sign-in was not completed" in page.content()
    photograph(page, "cancelled")
    shown = page.content()
    assert page.reload().status == 403
    assert page.content() == shown
    page.go_back()
    assert page.url.startswith(demo.provider), "what was before it is the provider's own page"
    page.go_forward()
    assert page.content() == shown
    assert [url for url in asked if "/oidc/callback?" in url and "state=" in url]
    assert not [url for url in was_at if "/oidc/callback" in url or ("state=" in url and not url.startswith(demo.provider))]
    page.click("text=Sign in again")
    sign_in(page, demo)
    assert page.url == f"{demo.sales}/regions/north"


def test_a_browser_that_loses_the_session(window, demo):
    """After a few rounds a page that says what may be wrong, instead of a loop."""
    page = window.tab()
    page.goto(f"{demo.sales}/")
    sign_in(page, demo)
    for _ in range(6):
        for cookie in window.context.cookies(demo.sales):
            if cookie["name"].startswith("oidc_") and "round" not in cookie["name"] and not cookie["name"].endswith("_r"):
                window.context.clear_cookies(name=cookie["name"])
        page.goto(f"{demo.sales}/")
        if "Signed in, but not for long" in page.content():
            break
    assert "Signed in, but not for long" in page.content()
    photograph(page, "login loop")


@pytest.mark.parametrize(("name", "deep_link"), [("sales", "/regions/north?weeks=52"), ("operations", "/services/search?weeks=12")])
def test_a_page_that_outlives_the_session(window, demo, name, deep_link):
    """The dashboard's own script gets 401, the middleware's says so, and a small window leads back in; the page stays as it is."""
    page, link = window.tab(), getattr(demo, name) + deep_link
    page.goto(link)
    sign_in(page, demo)
    page.evaluate("() => document.fonts.ready")  # loaded, with its scripts
    page.evaluate("window.mine = 'still here'")
    with page.expect_response("**/oidc/session"):
        page.evaluate("document.dispatchEvent(new Event('oidc-session-check'))")
    window.context.clear_cookies()
    page.evaluate("refresh()")
    page.wait_for_selector("oidc-session-bar a")
    photograph(page, f"{name} session ended")
    with page.expect_popup() as opened:
        page.click("oidc-session-bar a")
    popup = opened.value
    popup.wait_for_url(f"{demo.provider}/**")
    with popup.expect_event("close"):
        popup.click('button[value="ada"]')
    page.wait_for_selector("oidc-session-bar a", state="hidden")
    assert (page.url, page.evaluate("window.mine")) == (link, "still here")
    assert page.evaluate("fetch('/api/summary').then(answer => answer.status)") == 200


def test_a_provider_that_is_away(chromium):
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    nobody = Own(None, free_port())
    window = Window(chromium, {base_url})
    with app_server("uvicorn", port, settings(nobody, base_url)) as program:
        page = window.tab()
        answer = page.goto(f"{base_url}/reports/north")
        assert (answer.status, "retry-after" in answer.headers) == (503, True)
        photograph(page, "provider away")
        assert "Traceback" not in program.log
        window.close()
