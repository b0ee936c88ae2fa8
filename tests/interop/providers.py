"""The other side: our own development provider as a program, npm's oidc-provider, and Canaille. Each knows how a person signs in and out there."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import pytest

from benchmarks.loopback import free_port
from examples.demo.browsing import Browser, Form
from tests.interop.canaille_provider import PASSWORD
from tests.interop.programs import HERE, ROOT, Program
from tests.needs import require

CLIENT_ID = "dashboard"
CLIENT_SECRET = "interoperability-tests-only-0123456789"
#: Characters that must be form-encoded before they go into a Basic header (RFC 6749 2.3.1).
AWKWARD = ("a:b c%/+", "p:q r%+&=/?0123456789-0123456789-x")


@dataclass(frozen=True)
class Ada:
    """Who signs in everywhere."""

    name: str = "Ada Lovelace"
    email: str = "ada@example.com"
    groups: tuple[str, ...] = ("admins", "engineering")


class Provider(Protocol):
    """A running provider."""

    name: str
    issuer: str
    program: Program
    #: Further settings of the middleware that this provider needs.
    settings: Mapping[str, str]

    def sign_in(self, browser: Browser) -> None:
        """The browser shows the sign-in page, and is back at the app afterwards."""

    def sign_out(self, browser: Browser) -> None:
        """The browser was sent here to sign out, and is back at the app afterwards."""


def form_with(browser: Browser, text: str) -> Form:
    """The form of the page whose fields, buttons or address mention *text*."""
    for form in browser.forms:
        if text in form.action or text in form.fields or any(text in button for button in form.buttons):
            return form
    raise AssertionError(f"no form with {text!r} at {browser.url} ({browser.page.status_code}):\n{browser.page.text[:3000]}")


class Own:
    """``python -m oidc_middleware.provider``."""

    name = "own"
    settings = MappingProxyType[str, str]({})

    def __init__(self, program: Program, port: int) -> None:
        self.program, self.issuer = program, f"http://127.0.0.1:{port}"

    def sign_in(self, browser: Browser) -> None:
        browser.submit(form_with(browser, "ada"), user="ada")

    def sign_out(self, browser: Browser) -> None:
        if "/logout" in browser.url and browser.forms:
            browser.submit(form_with(browser, "sign-out"), action="sign-out")


class Node:
    """npm's ``oidc-provider`` with its own pages for development."""

    name = "npm"
    settings = MappingProxyType[str, str]({})

    def __init__(self, program: Program, port: int) -> None:
        self.program, self.issuer = program, f"http://localhost:{port}"

    def sign_in(self, browser: Browser, person: str = "ada") -> None:
        browser.submit(form_with(browser, "login"), login=person, password="any")
        if "/interaction/" in browser.url:
            browser.submit(form_with(browser, "prompt"))

    def sign_out(self, browser: Browser) -> None:
        browser.submit(form_with(browser, "xsrf"), logout="yes")

    def end_session(self, browser: Browser) -> None:
        """Sign out here, without any app having asked for it."""
        browser.visit(f"{self.issuer}/session/end")
        self.sign_out(browser)


class Canaille:
    """A complete identity server in Python: RS512, times as floats, its own pages with CSRF tokens."""

    name = "canaille"
    settings = MappingProxyType({"OIDC_ID_TOKEN_ALGS": "RS512"})

    def __init__(self, program: Program, port: int) -> None:
        self.program, self.issuer = program, f"http://localhost:{port}"

    def sign_in(self, browser: Browser) -> None:
        browser.submit(form_with(browser, "login"), login="ada")
        browser.submit(form_with(browser, "password"), password=PASSWORD)
        if browser.url.startswith(self.issuer):
            browser.submit(form_with(browser, "answer"), answer="accept")

    def sign_out(self, browser: Browser) -> None:
        if browser.url.startswith(self.issuer):
            browser.submit(form_with(browser, "answer"), answer="logout")


def client(base_urls: Sequence[str], **more: Any) -> dict[str, Any]:
    """A client as it is registered, in the words of dynamic registration."""
    return {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [f"{url}/oidc/callback" for url in base_urls],
        "post_logout_redirect_uris": [f"{url}/oidc/signed-out" for url in base_urls],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        **more,
    }


def auth_method_clients(base_urls: Sequence[str]) -> list[dict[str, Any]]:
    """A client for each way to authenticate at the token endpoint; its identifier is the method's name."""
    methods = ("client_secret_basic", "client_secret_post", "none")
    clients = [client(base_urls, client_id=method, token_endpoint_auth_method=method) for method in methods]
    clients[-1].pop("client_secret")
    awkward = client(base_urls, client_id=AWKWARD[0], client_secret=AWKWARD[1])
    return [*clients, awkward]


@contextlib.contextmanager
def own(base_urls: Sequence[str]) -> Iterator[Own]:
    port = free_port()
    command = [sys.executable, "-m", "oidc_middleware.provider", "--port", str(port), "--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET]
    for url in base_urls:
        command += [f"--redirect-uri={url}/oidc/callback", f"--post-logout-redirect-uri={url}/oidc/signed-out"]
    with Program(command) as program:
        provider = Own(program, port)
        program.wait_for(f"{provider.issuer}/.well-known/openid-configuration")
        yield provider


@contextlib.contextmanager
def npm(base_urls: Sequence[str], clients: Sequence[dict[str, Any]] = ()) -> Iterator[Node]:
    node = require("node")
    folder = HERE / "node"
    if not (folder / "node_modules" / "oidc-provider").is_dir():
        pytest.skip("npm's oidc-provider is not installed: run `npm ci` in tests/interop/node")
    port = free_port()
    registered = [client(base_urls), *auth_method_clients(base_urls), *clients]
    with Program([node, "provider.mjs", str(port), json.dumps(registered)], cwd=folder) as program:
        provider = Node(program, port)
        program.wait_for(f"{provider.issuer}/.well-known/openid-configuration")
        yield provider


@contextlib.contextmanager
def canaille(base_urls: Sequence[str]) -> Iterator[Canaille]:
    python = ROOT / ".venv-canaille" / "bin" / "python"
    if not python.exists():
        pytest.skip("Canaille is not installed: python -m venv .venv-canaille && .venv-canaille/bin/pip install -r tests/interop/canaille.txt")
    port = free_port()
    values = client(
        base_urls,
        client_name="Dashboard",
        client_uri="https://dashboard.example.com",
        scope=["openid", "profile", "email", "groups"],
        token_endpoint_auth_method="client_secret_basic",
    )
    with Program(
        [str(python), str(Path(__file__).with_name("canaille_provider.py")), str(port), json.dumps([values])], {"PYTHONPATH": ""}
    ) as program:
        provider = Canaille(program, port)
        program.wait_for(f"{provider.issuer}/.well-known/openid-configuration")
        yield provider


PROVIDERS = {"own": own, "npm": npm, "canaille": canaille}
