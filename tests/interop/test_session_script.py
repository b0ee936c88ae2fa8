"""The script for front ends in a real browser: a session ends, somebody signs in again in a small window, and what was typed is still there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop import providers
from tests.interop.chromium import SCREENSHOTS, Window, photograph
from tests.interop.pages import opened

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TYPED = "an hour's work"


class Place:
    """The page with the form, its provider, and a browser profile."""

    def __init__(self, base_url: str, provider: providers.Provider, window: Window) -> None:
        self.base_url, self.provider, self.window = base_url, provider, window

    def opened(self, path: str):
        """The page, signed in to; it writes down the events that the script tells of."""
        page = self.window.tab()
        page.add_init_script("window.told = []; document.addEventListener('oidc-session', event => told.push(event.detail))")
        page.goto(self.base_url + path)
        self.sign_in(page)
        page.wait_for_url(self.base_url + path)
        until(page, "told.length > 0")
        page.fill("textarea", TYPED)
        return page

    def sign_in(self, page, user: str = "ada") -> None:
        page.wait_for_url(f"{self.provider.issuer}/**")
        page.click(f'button[value="{user}"]')

    def forget(self) -> None:
        """The session ends, here and at the provider."""
        self.window.context.clear_cookies()


@pytest.fixture
def place(request, chromium) -> Iterator[Place]:
    """Parametrized with settings of the middleware."""
    with opened(chromium, "form_page", **getattr(request, "param", {})) as parts:
        yield Place(*parts)


def states(page) -> list[str]:
    return page.evaluate("told.map(each => each.state)")


def until(page, expression: str) -> None:
    """As ``wait_for_function``, which needs a ``script-src`` that allows ``eval``."""
    for _ in range(150):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError((expression, page.evaluate("told")))


def text_of(page) -> str:
    """What the bar says, if it is there."""
    box = page.locator("oidc-session-bar .box")
    return box.locator("p").inner_text() if box.count() and box.is_visible() else ""


def notices(page) -> None:
    """The page finds out now rather than in some minutes."""
    page.evaluate("document.dispatchEvent(new Event('oidc-session-check'))")


@pytest.mark.parametrize("place", [{"OIDC_SESSION_LIFETIME": "8"}], indirect=True)
def test_a_session_that_ends_by_itself_is_announced_and_renewed_in_a_small_window(place):
    page = place.opened("/form?warn=5")
    assert (states(page), text_of(page)) == (["active"], "")
    until(page, "told.at(-1).state === 'ending'")
    assert text_of(page) == "Your session ends in a minute."
    photograph(page, "session ends soon")
    assert page.evaluate("told[0].expires_at === told[1].expires_at"), "asking prolongs nothing"
    until(page, "told.at(-1).state === 'ended'")
    assert text_of(page) == "Your session has ended. What is on this page stays."
    assert page.evaluate("fetch('/who').then(answer => answer.status)") == 401
    with page.expect_popup() as opened:
        page.click("oidc-session-bar a")
    popup = opened.value
    if not popup.is_closed():
        popup.wait_for_event("close")  # by itself: the provider knew who it was
    until(page, "told.length > 3")
    assert states(page)[:4] == ["active", "ending", "ended", "active"]
    assert page.evaluate("fetch('/who').then(answer => answer.status)") == 200
    assert page.input_value("textarea") == TYPED
    assert len(place.window.context.pages) == 1


def test_the_small_window_asks_who_it_is_where_the_provider_does_not_know(place):
    page = place.opened("/form")
    place.forget()
    notices(page)
    page.wait_for_selector("oidc-session-bar a")
    photograph(page, "session ended")
    with page.expect_popup() as opened:
        page.click("oidc-session-bar a")
    popup = opened.value
    with popup.expect_event("close"):
        place.sign_in(popup)
    until(page, "told.at(-1).state === 'active'")
    assert (text_of(page), page.input_value("textarea")) == ("", TYPED)


def test_somebody_else_is_told_apart(place):
    page = place.opened("/form")
    place.forget()
    notices(page)
    with page.expect_popup() as opened:
        page.click("oidc-session-bar a")
    with opened.value.expect_event("close"):
        place.sign_in(opened.value, "grace")
    until(page, "told.at(-1).state === 'changed'")
    assert text_of(page) == "Someone else is signed in now: Grace Hopper."
    assert page.input_value("textarea") == TYPED
    page.click("oidc-session-bar a")
    until(page, "told.length === 1 && told[0].state === 'active'")


def test_a_browser_that_opens_no_small_window_opens_a_tab(place):
    page = place.opened("/form")
    place.forget()
    page.evaluate("window.open = () => null")
    notices(page)
    with place.window.context.expect_page() as opened:
        page.click("oidc-session-bar a")
    tab = opened.value
    with tab.expect_event("close"):
        place.sign_in(tab)
    until(page, "told.at(-1).state === 'active'")
    assert page.input_value("textarea") == TYPED


def test_an_application_may_say_it_itself_and_a_person_later(place):
    page = place.opened("/form")
    page.evaluate("window.own = event => event.preventDefault(); document.addEventListener('oidc-session', own)")
    cookies = place.window.context.cookies()
    place.forget()
    notices(page)
    until(page, "told.at(-1).state === 'ended'")
    assert text_of(page) == ""
    page.evaluate("document.removeEventListener('oidc-session', own)")
    place.window.context.add_cookies(cookies)
    notices(page)
    until(page, "told.at(-1).state === 'active'")
    place.forget()
    notices(page)
    page.wait_for_selector("oidc-session-bar a")
    page.keyboard.press("Tab")
    page.focus("oidc-session-bar button")
    page.keyboard.press("Enter")
    assert text_of(page) == ""
    assert page.input_value("textarea") == TYPED


def test_a_fault_is_no_end(place):
    page = place.opened("/form")
    page.route("**/oidc/session", lambda route: route.fulfill(status=503, body="{}"))
    with page.expect_response("**/oidc/session"):
        notices(page)
    assert (states(page), text_of(page)) == (["active"], "")
    page.unroute("**/oidc/session")
    place.forget()
    notices(page)
    until(page, "told.at(-1).state === 'ended'")


@pytest.mark.parametrize("place", [{"OIDC_PUBLIC": "/health, /form"}], indirect=True)
def test_a_page_that_nobody_signed_in_to_stays_quiet(place):
    page = place.window.tab()
    page.add_init_script("window.told = []; document.addEventListener('oidc-session', event => told.push(event.detail))")
    page.goto(f"{place.base_url}/form")
    until(page, "told.length > 0")
    assert page.evaluate("told") == [{"state": "anonymous", "expires_at": None}]
    assert page.locator("oidc-session-bar").count() == 0


def test_without_script_the_small_window_says_that_it_may_be_closed(chromium, place):
    window = Window(chromium, {place.base_url, place.provider.issuer}, java_script_enabled=False)
    page = window.tab()
    page.goto(f"{place.base_url}/oidc/login?return_to=/oidc/signed-in")
    place.sign_in(page)
    page.wait_for_url(f"{place.base_url}/oidc/signed-in")
    assert page.inner_text("h1") == "You can close this window"
    page.screenshot(path=str(SCREENSHOTS / "signed-in.png"))
    page.click("text=To the application")
    assert page.url == f"{place.base_url}/"
    window.close()


@pytest.mark.row("WS-03", "WS-09")
@pytest.mark.parametrize(
    "place",
    [{"OIDC_END_LONG_RESPONSES": "true"}, {"OIDC_END_LONG_RESPONSES": "true", "OIDC_STORE": "memory://"}],
    indirect=True,
    ids=["cookie", "store"],
)
def test_a_page_is_told_when_somebody_signs_out_in_another_tab(place):
    """Its WebSocket is closed with 4401, its event stream ends for good, and after a sign-in in a small window it goes on as it was."""
    page = place.opened("/live")
    until(page, "heard.length === 1 && events > 0")
    assert page.evaluate("[heard, codes, streamEnded]") == [["hello, ada"], [], 0]
    other = place.window.tab()
    other.goto(f"{place.base_url}/oidc/logout")
    other.click("button:has-text('Sign out')")
    other.wait_for_url(f"{place.base_url}/oidc/signed-out*")
    until(page, "codes.length === 1 && streamEnded === 1")
    until(page, "told.at(-1).state === 'ended'")
    seen = page.evaluate("events")
    assert page.evaluate("codes") == [4401]
    assert text_of(page) == "Your session has ended. What is on this page stays."
    photograph(page, "signed out in another tab")
    with page.expect_popup() as opened:
        page.click("oidc-session-bar a")
    popup = opened.value
    with popup.expect_event("close"):
        place.sign_in(popup)
    until(page, "told.at(-1).state === 'active'")
    until(page, "heard.length === 2")
    until(page, f"events > {seen}")
    assert page.evaluate("[heard, codes, streamEnded]") == [["hello, ada", "hello, ada"], [4401], 1]
    assert (page.input_value("textarea"), text_of(page)) == (TYPED, "")
