"""F-PR-18: a front that speaks HTTP/2, where every cookie may come in a field of its own (RFC 9113 8.2.3)."""

import httpx
import pytest

from oidc_middleware.testing import Page
from tests.catalogue.helpers import login_url
from tests.catalogue.real import APPS, Running, browser_at, free_port, provider_on_a_port, settings

#: hypercorn and its "prior knowledge" of HTTP/2 without TLS (RFC 9113 3.3).
HYPERCORN = ("-m", "hypercorn", f"{APPS}/asgi_app:app", "--bind", "127.0.0.1:{port}")


class Http2:
    """A browser's wire: HTTP/2 alone, each cookie in a field of its own, as all browsers send them."""

    def __init__(self):
        self.client = httpx.Client(http1=False, http2=True, trust_env=False, timeout=60)
        self.fields = 0

    def __call__(self, sent):
        pairs = [(name, value) for name, value in sent.headers if name not in ("host", "cookie")]
        crumbs = [("cookie", crumb) for name, value in sent.headers if name == "cookie" for crumb in value.split("; ")]
        self.fields = max(self.fields, len(crumbs))
        answer = self.client.request(sent.method, sent.url, headers=[*pairs, *crumbs], content=sent.body)
        assert answer.http_version == "HTTP/2"
        return Page(answer.status_code, [(name.lower(), value) for name, value in answer.headers.multi_items()], [answer.content], sent)


@pytest.mark.row("F-PR-18", "CK-12")
@pytest.mark.interop
@pytest.mark.slow
def test_f_pr_18_a_session_in_parts_over_http_2(monkeypatch):
    monkeypatch.setitem(Running.__init__.__globals__["SERVERS"], "hypercorn", HYPERCORN)
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    with provider_on_a_port(base_url) as provider:
        provider.user = {**provider.user, "groups": [f"{number:08x}-1f2e-4d3c-9b8a-5d6e7f8a9b0c" for number in range(80)]}
        with Running("hypercorn", port, settings(provider, base_url)) as program:
            program.ready()
            browser = browser_at(base_url, provider)
            browser._sites = [(base_url, Http2())]
            for number in range(4):
                browser.start_login(f"/tab/{number}")
            assert browser.login(login_url("/api")).status == 200, program.log
            for _ in range(5):
                assert browser.fetch("/api").json()["sub"] == provider.user["sub"]
                browser.start_login(login_url("/api"))
            assert browser._sites[0][1].fields >= 5, "parts of the session, logins under way, the loop guard"
            assert browser.post_form("/oidc/logout", follow=False).status == 303
            assert browser.fetch("/api").status == 401
            assert "Traceback" not in program.log
        browser._sites[0][1].client.close()
        assert provider.complaints == []
