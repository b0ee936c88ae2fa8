"""Catalogue 1.1, RD: return paths that come from elsewhere than the login link: the request itself, its headers, forms, repeated parameters."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from oidc_middleware.testing import REMOVE
from tests.catalogue.helpers import BASE_URL, assert_strict, codes_on, landed, login_url, quoted
from tests.catalogue.helpers_redirects import as_target, comes_home, links_on, origin_for_browsers, sample, stays_at_home


@pytest.mark.row("RD-12")
@pytest.mark.parametrize(
    "path", ["//evil.example/x", "///evil.example", "//evil.example/%2e%2e", "/%2fevil.example", "/%5cevil.example", "/.//evil.example"]
)
def test_rd_12(stage, path):
    browser = stage.browser()
    assert landed(browser.login(path)) == "/"
    stays_at_home(stage, browser)


@pytest.mark.row("RD-13")
@pytest.mark.parametrize("signed_in", [False, True])
@pytest.mark.parametrize("path", ["http://evil.example/x", "https://evil.example", "evil.example/x", "*"])
def test_rd_13(stage, path, signed_in):
    """uvicorn and hypercorn hand over an absolute-form request target as the path."""
    browser = stage.visitor(signed_in=signed_in)
    server, calls = browser._sites[0][1], len(stage.seen)
    if stage.shell == "asgi":
        scope = server.scope
        server.scope = lambda request, kind="http": {**scope(request, kind), "path": path, "raw_path": path.encode()}
    else:
        server._called, environ = server.app, server.environ  # the PEP 3333 checker would refuse the path before we do
        server.environ = lambda request: {**environ(request), "PATH_INFO": path, "REQUEST_URI": path}
    page = browser.navigate("/", follow=False)
    assert page.all("location") == []
    assert page.all("set-cookie") == []
    if signed_in:
        assert (page.status, len(stage.seen)) == (200, calls + 1)
    else:
        assert (page.status, codes_on(page), len(stage.seen)) == (400, ["bad_request_target"], calls)
        assert_strict(page)
        assert all(origin_for_browsers(link) == BASE_URL for link in links_on(page.body))


@pytest.mark.row("RD-14")
@pytest.mark.parametrize(
    "host", ["evil.example", "app.example.com.evil.example", "app.example.com@evil.example", "app.example.com:80:80", "", "[::1", "a b"]
)
def test_rd_14(stage, host):
    """Without ``base_url`` the Host header decides, and only the allowed ones do. What comes in ``X-Forwarded-*`` from a stranger never does."""
    stage.restart(base_url=None, allowed_hosts=["app.example.com"])
    browser = stage.browser()
    page = browser.navigate("/", headers={"host": host}, follow=False)
    assert (page.status, codes_on(page)) == (400, ["host_not_allowed"])
    assert page.all("set-cookie") == page.all("location") == []
    assert_strict(page)
    assert host not in page.text or not host
    assert stage.provider.requests == []
    spoofed = {"x-forwarded-host": host or "evil.example", "forwarded": f"host={host or 'evil.example'}", "x-original-url": "//evil.example"}
    location = browser.start_login("/deep", headers=spoofed)
    assert parse_qs(urlsplit(location).query)["redirect_uri"] == [f"{BASE_URL}/oidc/callback"]
    assert landed(browser.finish_login(location)) == "/deep"


@pytest.mark.row("RD-14")
def test_rd_14_with_a_base_url_nothing_of_the_request_counts(stage):
    browser = stage.browser()
    spoofed = {"host": "evil.example", "x-forwarded-host": "evil.example", "x-forwarded-proto": "http"}
    location = browser.start_login("/deep", headers=spoofed)
    assert parse_qs(urlsplit(location).query)["redirect_uri"] == [f"{BASE_URL}/oidc/callback"]
    assert landed(browser.finish_login(location)) == "/deep"
    stays_at_home(stage, browser)


@pytest.mark.row("RD-15")
@pytest.mark.parametrize(
    "value", ["/ok\r\nSet-Cookie: a=b", "/ok%0d%0aSet-Cookie:%20a=b", "/ok\nLocation: https://evil.example", "/ok\r\n\r\n<script>"]
)
def test_rd_15(stage, value):
    browser = stage.browser()
    comes_home(stage, value)
    assert landed(browser.login(as_target(quoted(value).replace("%2F", "/")))) == "/"
    for page in browser.history:
        assert not [text for name, text in page.headers if "\r" in text or "\n" in text]
    assert {cookie.name for cookie in browser.cookies if not cookie.name.startswith("__Host-oidc_")} == set()


@pytest.mark.row("RD-16")
@pytest.mark.parametrize(
    "value",
    [
        "/oidc",
        "/oidc/",
        "/oidc/callback?code=x&state=y",
        "/oidc/logout",
        "/oidc/login?return_to=/x",
        "/%6fidc/logout",
        "/oidc%2flogout",
        "/x/../oidc/logout",
    ],
)
def test_rd_16(stage, value):
    comes_home(stage, value)
    _, browser = stage.accepts()
    browser.login(login_url(value))
    assert stage.who(browser) == stage.provider.user["sub"], "the way back signed the user out"


@pytest.mark.row("RD-16")
def test_rd_16_only_our_own_endpoints_are_meant(stage):
    comes_home(stage, "/oidcx/logout", expected="/oidcx/logout")


SIGNED_IN = "/oidc/signed-in"


@pytest.mark.row("RD-16", "RD-20")
def test_rd_16_but_for_the_page_that_closes_a_window(stage):
    """It does nothing, so a login may end there; a sign-out and a link of the provider may not."""
    browser = stage.browser()
    assert landed(browser.login(login_url(SIGNED_IN))) == SIGNED_IN
    location = browser.start_login(login_url(SIGNED_IN))
    denied = browser.finish_login(location, code=REMOVE, error="access_denied")
    assert (denied.status, links_on(denied.body)[0]) == (403, f"/oidc/login?{urlencode({'return_to': SIGNED_IN})}")
    _, signed_in = stage.accepts()
    assert signed_in.post_form("/oidc/logout", {"return_to": SIGNED_IN}).url.partition("?")[0] == f"{BASE_URL}/oidc/signed-out"
    location = browser.start_login(f"/oidc/initiate?{urlencode({'iss': stage.provider.issuer, 'target_link_uri': BASE_URL + SIGNED_IN})}")
    assert landed(browser.finish_login(location)) == "/"


@pytest.mark.row("RD-16")
@pytest.mark.parametrize(
    "value",
    [
        SIGNED_IN + "/", SIGNED_IN + "?x", SIGNED_IN + "#x", SIGNED_IN + "/../logout", SIGNED_IN + "%2f..%2flogout", SIGNED_IN + " ", " " + SIGNED_IN,
        SIGNED_IN + "\n", SIGNED_IN + "\t", "\x00" + SIGNED_IN, "/oidc/%73igned-in", "/oidc//signed-in", "//oidc/signed-in",
        "/x/.." + SIGNED_IN, "//evil.example" + SIGNED_IN, "https://evil.example" + SIGNED_IN, BASE_URL + SIGNED_IN, "/oidc/signed-out",
    ],
)  # fmt: skip
def test_rd_16_and_that_page_to_the_letter(stage, value):
    comes_home(stage, value)


@pytest.mark.row("RD-17")
@pytest.mark.parametrize(("length", "kept"), [(1_000, True), (2_049, False), (16_384, False), (100_000, False)])
def test_rd_17(stage, length, kept):
    value = "/" + "x" * (length - 1)
    browser = stage.browser()
    browser.start_login(login_url(value))
    assert all(len(cookie.name) + len(cookie.value) < 4_000 for cookie in browser.cookies)
    assert len(browser.cookies.header(BASE_URL, stage.clock.now())) < 6_000
    assert browser.cookies.rejected == []
    comes_home(stage, value, expected=value if kept else "/")
    assert landed(stage.browser().login(value)) == (value if kept else "/")


@pytest.mark.row("RD-18")
def test_rd_18(stage):
    """The documented parameter in the query is read, nothing else that others use for it."""
    browser = stage.browser()
    posted = browser.post_form("/oidc/login?return_to=/asked", {"return_to": "/body", "rd": "/body"}, follow=False)
    assert landed(browser.finish_login(posted.location)) == "/asked"
    others = {
        "rd": "/other",
        "next": "/other",
        "returnTo": "/other",
        "return_to[]": "/other",
        "redirect_uri": "https://evil.example",
        "RETURN_TO": "/other",
    }
    headers = {"x-auth-request-redirect": "/other", "x-original-uri": "/other", "x-rewrite-url": "/other", "referer": "https://evil.example/"}
    location = browser.start_login(f"/oidc/login?{urlencode(others)}", headers=headers)
    assert parse_qs(urlsplit(location).query)["redirect_uri"] == [f"{BASE_URL}/oidc/callback"]
    assert landed(browser.finish_login(location)) == "/"
    assert landed(stage.browser().login("/deep?next=/other")) == "/deep?next=/other"


@pytest.mark.row("RD-19")
@pytest.mark.parametrize(
    "value", ["//evil.example", "https://evil.example", "/\\evil.example", "https://app.example.com.evil.example", "javascript:alert(1)"]
)
def test_rd_19(stage, value):
    """To the provider goes exactly the configured address, whatever the request asks for; from there the same rule as everywhere."""
    stage.restart(registration={"end_session": True})
    for parameter in ("return_to", "post_logout_redirect_uri", "redirect_uri", "state"):
        _, browser = stage.accepts()
        page = browser.post_form("/oidc/logout", {parameter: value}, follow=False)
        assert stage.who(browser) is None
        back = browser.navigate(stage.provider.end_session(page.location), initiator=stage.provider.issuer, follow=False)
        assert stage.provider.signed_out[-1]["post_logout_redirect_uri"] == f"{BASE_URL}/oidc/signed-out"
        assert (back.status, back.header("location")) == (200, "")
        stays_at_home(stage, browser)


@pytest.mark.row("RD-20")
def test_rd_20(stage):
    """A sample of each group of payloads, through every endpoint that takes a return path."""
    stage.restart(registration={"end_session": True})
    for number, (_, value) in enumerate(sample()):
        browser = stage.browser()
        if number % 4 == 0:
            page = browser.login(login_url(value))
        elif number % 4 == 1:
            page = browser.login(f"/oidc/initiate?iss={quoted(stage.provider.issuer)}&target_link_uri={quoted(BASE_URL + value)}")
        elif number % 4 == 2:
            browser.login("/")
            page = browser.post_form("/oidc/logout", {"return_to": value})
        else:
            page = browser.login("/" + as_target(value.removeprefix("/")).partition("?")[0].partition("#")[0])
        assert page.url.startswith(BASE_URL + "/")
        stays_at_home(stage, browser)


@pytest.mark.row("RD-21")
@pytest.mark.parametrize(
    "query",
    [
        "return_to=/a&return_to=//evil.example",
        "return_to=/a&return_to=/b",
        "return_to[]=//evil.example",
        "return_to=%ff/a",
        "return_to=/a%ff",
        "return_to",
        "&&",
    ],
)
def test_rd_21(stage, query):
    browser = stage.browser()
    assert landed(browser.login(f"/oidc/login?{query}")) == "/"
    signed_out = browser.navigate(f"/oidc/logout?{query}", initiator=BASE_URL)
    assert signed_out.url == f"{BASE_URL}/oidc/signed-out"
    stays_at_home(stage, browser)


@pytest.mark.row("RD-22")
def test_rd_22(stage):
    """No page of ours sends anybody on; what one repeats of a return path is text in an attribute."""
    value = "/a\"'onmouseover=alert(1)//".replace("//", "/") + "<svg/onload=alert(1)>"
    _, browser = stage.accepts()
    page = browser.navigate(f"/oidc/logout?return_to={quoted(value)}", initiator="https://evil.example")
    assert page.status == 200
    assert value in links_on(page.body)
    assert value not in page.text
    assert "<svg/" not in page.text
    assert "'onmouseover" not in page.text
    assert "http-equiv" not in page.text.lower()
    redirects = [entry for entry in browser.history if entry.is_redirect]
    assert redirects
    assert [entry.body for entry in redirects] == [b""] * len(redirects)
