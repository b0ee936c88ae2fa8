"""The whole round trip of the demo, as a browser would do it, told line by line."""

from __future__ import annotations

import re
from html import escape, unescape
from urllib.parse import urlsplit

import httpx
from browsing import Browser, origin_of

USER = "ada"
NAME, EMAIL, GROUPS = "Ada Lovelace", "ada@example.com", ("admins", "engineering")


class Wrong(Exception):
    """Something is not as it should be."""


def check(provider: str, sales: str, operations: str) -> int:
    """Go round once. 0 if everything was as it should be, else 1."""
    browser = Browser()
    try:
        _no_session(browser, sales, operations)
        _sign_in(browser, provider, f"{sales}/regions/north?weeks=52")
        _dashboard(browser, "Sales")
        _second_dashboard(browser, provider, f"{operations}/services/search?weeks=12")
        _sign_out(browser, provider, sales)
        _asks_again(browser, provider, sales)
        _not_allowed(browser, sales)
    except (Wrong, httpx.HTTPError, RuntimeError) as error:
        print(f"  WRONG  {error}", flush=True)
        return 1
    finally:
        browser.close()
    print("  Everything was as it should be.", flush=True)
    return 0


def _saw(sentence: str) -> None:
    print(f"  ok     {sentence}", flush=True)


def _expect(condition: object, sentence: str) -> None:
    if not condition:
        raise Wrong(sentence)


def _no_session(browser: Browser, *dashboards: str) -> None:
    for dashboard in dashboards:
        answer = browser.fetch(f"{dashboard}/api/summary")
        _expect(answer.status_code == 401, f"fetch without a session was answered {answer.status_code}, not 401")
        _expect("login_url" in answer.json(), "the 401 does not say where to sign in")
        _expect("set-cookie" not in answer.headers, "the 401 sets a cookie")
        _saw(f"{dashboard}/api/summary fetched without a session: 401, with the address of the sign-in")


def _sign_in(browser: Browser, provider: str, deep_link: str, user: str = USER) -> None:
    browser.visit(deep_link)
    _expect(origin_of(browser.url) == provider, f"{deep_link} led to {browser.url}, not to the provider")
    _saw(f"{deep_link} without a session: on to the provider's sign-in page at {provider}{urlsplit(browser.url).path}")
    choices = [(form, name) for form in browser.forms for name, value in form.buttons if value == user]
    _expect(choices, f"the sign-in page does not offer {user}")
    form, button = choices[0]
    browser.submit(form, **{button: user})
    _expect(browser.url == deep_link, f"after sign-in the browser is at {browser.url}, not at {deep_link}")
    _saw(f"signed in as {user}: back on the deep link, with status {browser.page.status_code}")


def _dashboard(browser: Browser, title: str) -> None:
    page = browser.page
    _expect(page.status_code == 200, f"{title} answered {page.status_code}")
    for text in (NAME, EMAIL, *GROUPS):
        _expect(text in page.text, f"{title} does not show {text}")
    _expect("<svg" in page.text and title in page.text, f"{title} does not look like a dashboard")
    _expect("no-store" in page.headers.get("cache-control", ""), f"{title} may be cached: {page.headers.get('cache-control')}")
    _saw(f"{title} shows {NAME}, {EMAIL} and the groups {', '.join(GROUPS)}")
    _fresh_figures(browser, title)


def _fresh_figures(browser: Browser, title: str) -> None:
    """What the page's script does every few seconds."""
    (source,) = re.findall(r'data-summary="([^"]+)"', browser.page.text)
    answer = browser.fetch(str(browser.page.url.join(unescape(source))))
    _expect(answer.status_code == 200 and answer.json()["user"] == NAME, f"{title} was fetched with {answer.status_code}")
    tiles = answer.json()["tiles"].values()
    _expect(all(escape(value) in browser.page.text for value in tiles), f"the figures of {title} changed under the page: {list(tiles)}")
    _saw(f"{title} fetches its figures with the session: 200")


def _second_dashboard(browser: Browser, provider: str, deep_link: str) -> None:
    browser.visit(deep_link)
    _expect(browser.url == deep_link, f"the second dashboard led to {browser.url}")
    _expect(any(origin_of(url) == provider for _, url in browser.trail), "the second dashboard did not ask the provider")
    _saw("the second dashboard asked the provider, which knew the user already: nothing to fill in")
    _dashboard(browser, "Operations")


def _sign_out(browser: Browser, provider: str, dashboard: str) -> None:
    browser.visit(f"{dashboard}/")
    (form,) = (form for form in browser.forms if form.action.endswith("/oidc/logout"))
    browser.submit(form)
    _expect(any(origin_of(url) == provider for _, url in browser.trail), "sign-out did not reach the provider")
    if origin_of(browser.url) == provider:  # it may ask whether that is really wanted
        browser.submit(browser.forms[0], **dict(browser.forms[0].buttons[:1]))
    _expect(browser.url.startswith(f"{dashboard}/oidc/signed-out"), f"after sign-out the browser is at {browser.url}")
    _expect("signed out" in browser.page.text, "the page after sign-out does not say so")
    _saw("signed out here and at the provider, and back on the public page that says so")


def _asks_again(browser: Browser, provider: str, dashboard: str) -> None:
    answer = browser.fetch(f"{dashboard}/api/summary")
    _expect(answer.status_code == 401, f"fetch after sign-out was answered {answer.status_code}, not 401")
    browser.visit(f"{dashboard}/")
    _expect(origin_of(browser.url) == provider and browser.forms, f"after sign-out the dashboard led to {browser.url}, not to the sign-in page")
    _saw("the dashboard asks for a sign-in again, and so does the provider")


def _not_allowed(browser: Browser, dashboard: str) -> None:
    form, button = next((form, name) for form in browser.forms for name, value in form.buttons if value == "alan")
    browser.submit(form, **{button: "alan"})
    _expect(browser.page.status_code == 403, f"alan, who is not in the group, got {browser.page.status_code}, not 403")
    _expect("Alan Turing" in browser.page.text and "Revenue" not in browser.page.text, "the 403 page is not the one it should be")
    _saw(f"alan, who is not in the group: 403 at {urlsplit(browser.url).path} of {dashboard}, with a way to sign in as someone else")
