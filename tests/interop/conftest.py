"""A protected dashboard behind a real server, signed in at a real provider."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from benchmarks.loopback import free_port
from examples.demo.browsing import Browser
from tests.interop import programs, providers
from tests.interop.chromium import ARGUMENTS
from tests.needs import require, require_module

SECRET_KEY = "interop-sessions-0123456789-abcdefghijk"


@dataclass
class Site:
    """One running combination."""

    server: str
    program: programs.Program
    provider: providers.Provider
    base_url: str

    def sign_in(self, browser: Browser, path: str = "/") -> None:
        """Open *path* without a session, sign in at the provider, and come back."""
        browser.visit(self.base_url + path)
        assert browser.url.startswith(self.provider.issuer), (browser.trail, browser.page.text[:1000], self.program.log)
        self.provider.sign_in(browser)
        assert browser.url == self.base_url + path, (browser.trail, browser.page.text[:2000], self.program.log, self.provider.program.log)


def settings(provider: providers.Provider, base_url: str, **more: str) -> dict[str, str]:
    """The dashboard's environment."""
    return {
        "OIDC_ISSUER": provider.issuer,
        "OIDC_CLIENT_ID": providers.CLIENT_ID,
        "OIDC_CLIENT_SECRET": providers.CLIENT_SECRET,
        "OIDC_SECRET_KEY": SECRET_KEY,
        "OIDC_BASE_URL": base_url,
        "OIDC_SCOPES": "openid profile email groups",
        "OIDC_PUBLIC": "/health",
        "OIDC_TITLE": "Reports",
        **provider.settings,
        **more,
    }


@pytest.fixture(scope="session")
def ports() -> dict[str, int]:
    """One port for each server, known before any provider starts: redirect URIs are registered exactly."""
    return {server: free_port() for server in programs.SERVERS}


@pytest.fixture(scope="session")
def running(ports) -> Iterator[dict[str, providers.Provider]]:
    """The providers that were needed so far."""
    base_urls = [f"http://127.0.0.1:{port}" for port in ports.values()]
    with contextlib.ExitStack() as stack:

        class Running(dict[str, providers.Provider]):
            def __missing__(self, name: str) -> providers.Provider:
                self[name] = stack.enter_context(providers.PROVIDERS[name](base_urls))
                return self[name]

        yield Running()


@pytest.fixture
def browser() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture(scope="module")  # and no longer: Playwright runs an event loop, and whoever calls asyncio.run() meanwhile is told off
def chromium():
    """A Chromium without a window, for :class:`~tests.interop.chromium.Window`."""
    playwright = require_module("playwright.sync_api")
    path = require("/usr/bin/chromium", "chromium")
    with playwright.sync_playwright() as manager:
        browser = manager.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


COMBINATIONS = [(server, provider) for provider in ("own", "npm") for server in programs.SERVERS]
COMBINATIONS += [("uvicorn", "canaille"), ("gunicorn", "canaille")]


@pytest.fixture(scope="module", params=COMBINATIONS, ids="-".join)
def site(request, ports, running) -> Iterator[Site]:
    server, provider_name = request.param
    provider, base_url = running[provider_name], f"http://127.0.0.1:{ports[server]}"
    with programs.app_server(server, ports[server], settings(provider, base_url)) as program:
        yield Site(server, program, provider, base_url)
        assert program.running, program.log
        assert "Traceback" not in program.log, program.log
        assert SECRET_KEY not in program.log
        assert providers.CLIENT_SECRET not in program.log
