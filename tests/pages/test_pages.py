"""The pages: what they show, what they can never show, and what the browser is told about them."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from oidc_middleware import pages
from oidc_middleware.errors import CODES
from oidc_middleware.pages import Page
from oidc_middleware.pages.wording import mends

PLAIN: dict[str, tuple[Callable[..., Page], dict[str, Any]]] = {
    "error": (
        pages.render_error,
        {
            "code": "no_transaction",
            "status": 400,
            "public": CODES["no_transaction"][1],
            "title": "Sales",
            "correlation_id": "7f3a9c2e",
            "retry_url": "/oidc/login?return_to=/a",
            "home_url": "/",
        },
    ),
    "denied": (
        pages.render_denied,
        {
            "reason": "No rule admits this account.",
            "who": "Ada Lovelace",
            "action": "/oidc/login",
            "fields": {"csrf_token": "token"},
            "title": "Sales",
            "correlation_id": "7f3a9c2e",
            "home_url": "/",
        },
    ),
    "signed_out": (pages.render_signed_out, {"title": "Sales", "login_url": "/oidc/login"}),
    "confirm_logout": (
        pages.render_confirm_logout,
        {"title": "Sales", "action": "/oidc/logout", "csrf_token": "token", "return_to": "/a", "who": "Ada"},
    ),
    "login_loop": (pages.render_login_loop, {"title": "Sales", "correlation_id": "7f3a9c2e", "retry_url": "/oidc/login"}),
}

ATTACKS = [
    "<script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "' autofocus onfocus='alert(1)",
    "</title><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "//evil.example/",
    "/\\evil.example/",
    "{{ 7 * 7 }}{% raw %}",
    "\u202eexe.fdp\u2066",
    "\ud800",
    "\x00\x1b[31m\r\nSet-Cookie: a=b",
    "A" * 5000,
]


class Outline(HTMLParser):
    """The elements of a page, in order: (tag, attributes)."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]

    def attributes(self, *names: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.elements for name in names if name in attrs]


def render(name: str, **changes: object) -> Page:
    function, values = PLAIN[name]
    return function(**(values | changes))


def arguments() -> list[tuple[str, str]]:
    return [(page, argument) for page, (_, values) in PLAIN.items() for argument, value in values.items() if isinstance(value, (str, dict))]


@pytest.mark.row("ER-01", "ER-02", "ER-04")
@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(("name", "argument"), arguments())
def test_hostile_text_stays_text(name: str, argument: str, attack: str) -> None:
    plain, values = Outline(render(name)), PLAIN[name][1]
    hostile: object = {attack: attack, "csrf_token": attack} if isinstance(values[argument], dict) else attack
    page = render(name, **{argument: hostile})
    outline = Outline(page)

    skeleton = ("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "ol", "li")
    assert set(outline.tags()) <= set(plain.tags())  # a paragraph or a link may vanish; nothing new appears
    assert [tag for tag in outline.tags() if tag in skeleton] == [tag for tag in plain.tags() if tag in skeleton]
    assert not [key for _, attrs in outline.elements for key in attrs if key.startswith("on") or key in ("style", "autofocus", "src")]
    for url in outline.attributes("href", "action"):
        assert re.match(r"/(?![/\\])", url), url
    assert "<script" not in page.body.decode().lower()
    assert page.csp == plain_csp()


@pytest.mark.row("ER-01")
@pytest.mark.parametrize("name", ["denied", "confirm_logout"])
def test_a_name_is_shown_escaped_and_isolated(name: str) -> None:
    html = render(name, who="<b>Ada</b> & \u202eevil").body.decode()
    assert "<bdi>&lt;b&gt;Ada&lt;/b&gt; &amp; evil</bdi>" in html


@pytest.mark.row("ER-01", "ER-03")
@pytest.mark.parametrize("code", sorted(CODES))
def test_the_error_page_shows_sentence_code_and_reference(code: str) -> None:
    status, public = CODES[code]
    page = render("error", code=code, status=status, public=public, correlation_id="c0ffee")
    outline = Outline(page)
    assert public in outline.text
    assert code in outline.text
    assert "c0ffee" in outline.text
    assert outline.attributes("href") == (["/oidc/login?return_to=/a", "/"] if mends(code) else ["/"])


def test_signing_in_again_is_offered_only_where_it_helps() -> None:
    for code in ("not_found", "method_not_allowed", "cross_site_request"):
        text = Outline(render("error", code=code, status=400, public=CODES[code][1])).text
        assert "Sign in again" not in text
        assert "start again" not in text
        assert "Go to the application" in text
    assert "Sign in again" in Outline(render("error")).text
    assert "Try again" in Outline(render("error", code="provider_timeout", status=503)).text


def test_the_page_that_was_asked_for_is_promised_only_when_it_is_known() -> None:
    assert "the page you asked for" in Outline(render("error")).text
    unknown = Outline(render("error", retry_url="/oidc/login")).text
    assert "start again" in unknown
    assert "the page you asked for" not in unknown


@pytest.mark.row("AZ-05")
def test_the_page_without_access_says_whom_to_ask() -> None:
    text = Outline(render("denied")).text
    assert "No rule admits this account. If you need access, ask whoever runs this application, and pass on the reference below." in text
    assert "reference" not in Outline(render("denied", correlation_id="")).text.lower()


@pytest.mark.row("CK-05")
def test_a_session_that_is_too_large_names_the_size_and_the_setting() -> None:
    text = Outline(render("error", code="session_too_large", public=CODES["session_too_large"][1])).text
    assert "5.5 kB" in text
    assert "session_claims" in text
    assert "start again" not in text  # it would not help


def test_the_error_page_without_links_has_none() -> None:
    outline = Outline(render("error", retry_url=None, home_url=None))
    assert "a" not in outline.tags()
    assert "start again" not in outline.text
    assert "no_transaction" in outline.text


def plain_csp() -> str:
    return pages.render_signed_out(title="", login_url=None).csp


@pytest.mark.row("ER-01", "ER-04")
@pytest.mark.parametrize("name", PLAIN)
def test_the_policy_allows_the_style_of_the_page_and_nothing_else(name: str) -> None:
    page = render(name)
    match = re.search(rb"<style>(.*?)</style>", page.body, re.DOTALL)
    assert match
    digest = base64.b64encode(hashlib.sha256(match[1]).digest()).decode()
    assert page.csp == (f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
    assert "\r" not in match[1].decode()  # a browser hashes what is left after newline normalisation
    assert not re.search(rb"@import|url\(", match[1])


@pytest.mark.row("ER-01", "ER-04")
@pytest.mark.parametrize("name", ["denied", "confirm_logout"])
def test_form_targets_are_added_to_the_policy_only_if_they_are_origins(name: str) -> None:
    good = ["https://login.example.com", "http://localhost:9000", "https://[::1]:8443", "https:"]
    bad = ["*", "'unsafe-inline'", "https://a; script-src *", "https://a,b", "javascript:", "https://a/path", "data:", "", "https://a\n"]
    page = render(name, form_origins=[*good, *bad])
    directive = next(part for part in page.csp.split("; ") if part.startswith("form-action"))
    assert directive == "form-action 'self' " + " ".join(good)
    assert page.csp.count(";") == 4


def test_forms_post_exactly_their_hidden_fields() -> None:
    denied = Outline(render("denied", fields={"csrf_token": "t1", "prompt": "select_account"}))
    assert [attrs for tag, attrs in denied.elements if tag == "form"] == [{"method": "post", "action": "/oidc/login"}]
    fields = {str(attrs["name"]): attrs["value"] for tag, attrs in denied.elements if tag == "input"}
    assert fields == {"csrf_token": "t1", "prompt": "select_account"}

    confirm = Outline(render("confirm_logout", return_to=""))
    assert [attrs["name"] for tag, attrs in confirm.elements if tag == "input"] == ["csrf_token"]
    assert "a" not in confirm.tags()


@pytest.mark.parametrize("name", PLAIN)
def test_every_page_is_accessible_html(name: str) -> None:
    page = render(name)
    outline = Outline(page)
    assert page.body.startswith(b"<!doctype html>")
    assert ("html", {"lang": "en"}) in outline.elements
    assert outline.tags().count("h1") == outline.tags().count("main") == outline.tags().count("title") == 1
    assert not {"script", "link", "img", "iframe", "object"} & set(outline.tags())
    assert all(attrs.get("aria-hidden") == "true" or tag != "svg" or "viewbox" in attrs for tag, attrs in outline.elements)
    assert "Sales" in outline.text


def test_the_title_may_be_missing() -> None:
    html = render("signed_out", title="").body.decode()
    assert '<p class="brand"></p>' in html
    assert "<title>You are signed out</title>" in html


def test_the_template_engine_is_loaded_with_the_first_page_only() -> None:
    code = (
        "import sys, oidc_middleware.pages as pages; before = 'jinja2' in sys.modules; "
        "pages.render_signed_out(title='', login_url=None); print(before, 'jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
