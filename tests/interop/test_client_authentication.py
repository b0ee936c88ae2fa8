"""Each way to authenticate at the token endpoint, against a provider that accepts only the registered one."""

from __future__ import annotations

import pytest

from tests.interop import programs
from tests.interop.conftest import SECRET_KEY, Site, settings
from tests.interop.providers import AWKWARD, CLIENT_SECRET, Ada

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("server", ["uvicorn", "waitress"])
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none", "awkward characters"])
def test_client_authentication(server, method, ports, running, browser):
    provider, base_url = running["npm"], f"http://127.0.0.1:{ports[server]}"
    environ = settings(provider, base_url) | {"OIDC_CLIENT_ID": method, "OIDC_CLIENT_AUTH": method}
    if method == "none":
        del environ["OIDC_CLIENT_SECRET"]
    if method == "awkward characters":
        environ |= {"OIDC_CLIENT_ID": AWKWARD[0], "OIDC_CLIENT_SECRET": AWKWARD[1]}
        del environ["OIDC_CLIENT_AUTH"]  # chosen from the provider's metadata
    with programs.app_server(server, ports[server], environ) as program:
        site = Site(server, program, provider, base_url)
        site.sign_in(browser, "/reports/north")
        assert browser.fetch(f"{base_url}/api/me").json()["email"] == Ada.email
        for secret in (CLIENT_SECRET, SECRET_KEY, AWKWARD[1]):
            assert secret not in program.log


@pytest.mark.parametrize("server", ["hypercorn", "gunicorn"])
def test_a_wrong_secret_is_the_operators_problem(server, ports, running, browser):
    provider, base_url = running["npm"], f"http://127.0.0.1:{ports[server]}"
    with programs.app_server(server, ports[server], settings(provider, base_url, OIDC_CLIENT_SECRET="wrong-0123456789-0123456789-wrong")) as program:
        browser.visit(f"{base_url}/")
        provider.sign_in(browser)
        assert browser.page.status_code == 502, browser.trail
        assert "wrong-0123456789" not in browser.page.text + program.log
        assert "client_rejected" in program.log
        assert browser.fetch(f"{base_url}/api/me").status_code == 401
