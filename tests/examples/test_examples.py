"""Each example is started as a program, signed in to, and asked what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from browsing import Browser

pytestmark = pytest.mark.slow  # programs are started

Start = Callable[..., str]


@pytest.fixture
def browser() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.close()


def sign_in(browser: Browser, url: str, issuer: str, user: str = "ada") -> None:
    """Open *url*, choose *user* at the provider, and be back where the way began."""
    browser.visit(url)
    assert browser.url.startswith(f"{issuer}/authorize"), browser.url
    form, button = next((form, name) for form in browser.forms for name, value in form.buttons if value == user)
    browser.submit(form, **{button: user})
    assert browser.url == url
    assert browser.page.status_code == 200, browser.page.text


def asks_for_sign_in(browser: Browser, url: str) -> bool:
    answer = browser.fetch(url)
    return answer.status_code == 401 and "login_url" in answer.json() and "set-cookie" not in answer.headers


def test_one_line(start: Start, browser: Browser, issuer: str) -> None:
    app = start("one_line.py")
    assert asks_for_sign_in(browser, f"{app}/")
    sign_in(browser, f"{app}/any/path?q=1", issuer)
    assert "Hello Ada Lovelace, also known as ada" in browser.page.text


def test_plain_asgi(start: Start, browser: Browser, issuer: str) -> None:
    app = start("plain_asgi.py")
    assert asks_for_sign_in(browser, f"{app}/")
    sign_in(browser, f"{app}/", issuer)
    assert browser.page.text == f"Hello Ada Lovelace of {issuer}"


def test_starlette(start: Start, browser: Browser, issuer: str) -> None:
    app = start("starlette_app.py")
    assert asks_for_sign_in(browser, f"{app}/")
    assert "stranger" in browser.fetch(f"{app}/about").text
    sign_in(browser, f"{app}/", issuer, user="grace")
    assert browser.page.json() == {"sub": "grace", "name": "Grace Hopper", "email": "grace@example.com"}
    assert "Grace Hopper" in browser.fetch(f"{app}/about").text


def test_fastapi(start: Start, browser: Browser, issuer: str) -> None:
    app = start("fastapi_app.py")
    for path in ("/", "/admin", "/docs", "/openapi.json", "/nothing-here"):
        assert asks_for_sign_in(browser, f"{app}{path}")
    sign_in(browser, f"{app}/", issuer, user="grace")
    assert browser.page.json() == {"name": "Grace Hopper", "email": "grace@example.com"}
    assert browser.fetch(f"{app}/admin").status_code == 403
    assert browser.fetch(f"{app}/openapi.json").status_code == 200


def test_fastapi_lets_administrators_in(start: Start, browser: Browser, issuer: str) -> None:
    app = start("fastapi_app.py")
    sign_in(browser, f"{app}/admin", issuer)
    assert browser.page.json() == {"groups": ["admins", "engineering"]}


def test_flask_and_its_sign_out_button(start: Start, browser: Browser, issuer: str) -> None:
    app = start("flask_app.py")
    assert asks_for_sign_in(browser, f"{app}/")
    sign_in(browser, f"{app}/reports/spring?year=2026", issuer)
    assert "Hello Ada Lovelace (ada@example.com)" in browser.page.text
    (sign_out,) = browser.forms
    browser.submit(sign_out)
    if browser.url.startswith(issuer):  # the provider may ask whether that is really wanted
        browser.submit(browser.forms[0], **dict(browser.forms[0].buttons[:1]))
    assert browser.url.startswith(f"{app}/oidc/signed-out")
    assert asks_for_sign_in(browser, f"{app}/")


def test_dash_callbacks(start: Start, browser: Browser, issuer: str) -> None:
    app = start("dash_app.py")
    assert asks_for_sign_in(browser, f"{app}/_dash-layout")
    change = {
        "output": "text.children",
        "outputs": {"id": "text", "property": "children"},
        "inputs": [{"id": "region", "property": "value", "value": "south"}],
        "changedPropIds": ["region.value"],
    }
    refused = browser.post_json(f"{app}/_dash-update-component", change)
    assert refused.status_code == 401
    assert "login_url" in refused.json()
    sign_in(browser, f"{app}/", issuer)
    assert "<title>Sales</title>" in browser.page.text
    answer = browser.post_json(f"{app}/_dash-update-component", change)
    assert answer.json()["response"]["text"]["children"] == "south, as Ada Lovelace may see it"


def test_django(start: Start, browser: Browser, issuer: str) -> None:
    app = start("django_app.py")
    assert asks_for_sign_in(browser, f"{app}/")
    sign_in(browser, f"{app}/", issuer)
    assert browser.page.text == "Django user ada is Ada Lovelace"


def test_own_views(start: Start, browser: Browser, issuer: str) -> None:
    app = start("own_views.py")
    browser.visit(f"{app}/")
    form, button = next((form, name) for form in browser.forms for name, value in form.buttons if value == "ada")
    browser.submit(form, **{button: "ada"})
    assert browser.page.text in ("Hello Ada Lovelace", "Hello ada")
    browser.visit(f"{app}/callback?code=stolen&state=made-up")
    assert browser.page.status_code == 400
    assert "not started in this browser" in browser.page.text
    browser.visit(f"{app}/")
    assert browser.page.text.startswith("Hello")
