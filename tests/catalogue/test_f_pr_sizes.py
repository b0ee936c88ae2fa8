"""F-PR-15 and F-PR-18: accounts with a great deal to say, and servers and proxies that will not hear all of it."""

import json

import pytest

from oidc_middleware.testing import Page, Sent
from tests.catalogue.helpers import BASE_URL, codes_on, landed, login_url
from tests.catalogue.probe import probe, send

GROUPS = [100, 500, 1_000, 5_000]


def groups(count):
    return [f"{number:08x}-1f2e-4d3c-9b8a-5d6e7f8a9b0c" for number in range(count)]


def headers_of_the_app(call):
    """What the application was told outside of the user object."""
    return {name: value for name, value in call.headers.items() if name not in ("cookie", "referer")}


# -- F-PR-15 ------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-PR-15")
@pytest.mark.parametrize("in_id_token", [True, False])
@pytest.mark.parametrize("count", GROUPS)
def test_f_pr_15_too_many_groups_for_a_cookie_end_on_a_page_that_names_size_and_setting(stage, count, in_id_token):
    """Both names are on the page, the exact size is in the log; whoever was signed in before still is, and nothing is cut."""
    stage.provider.claims_in_id_token = in_id_token
    names = groups(count) if count < 5_000 or not in_id_token else [f"group-{number:05}" for number in range(count)]  # or the token is too long
    inside, outside = stage.visitor(signed_in=True), stage.visitor()
    stage.provider.user = {**stage.provider.user, "groups": names}
    for browser, subject in ((inside, stage.provider.user["sub"]), (outside, None)):
        location = browser.start_login(login_url("/deep"))
        page, retry = stage.assert_refused(
            lambda browser=browser, location=location: browser.finish_login(location), browser, code="session_too_large", status=400, subject=subject
        )
        assert "5.5 kB" in page.text
        assert all(name in page.text for name in ("session_claims", "store"))
        assert retry.endswith("return_to=%2Fdeep")
        assert browser.cookies.rejected == []
        stage.clock.advance(1)
    needed = [record.getMessage() for record in stage.caplog.records if getattr(record, "code", "") == "session_too_large"]
    assert len(needed) == 2
    sizes = [int(line.partition("takes ")[2].partition(" bytes")[0]) for line in needed]
    length = 4 / 3 * len(json.dumps(names, separators=(",", ":")))
    assert all(length < size < length + 1_500 for size in sizes)


@pytest.mark.row("F-PR-15")
@pytest.mark.parametrize("count", GROUPS)
def test_f_pr_15_the_claims_that_are_configured_fit_whatever_else_there_is(stage, count):
    stage.restart(session_claims=["name", "email"])
    stage.provider.user = {**stage.provider.user, "groups": groups(count)}
    claims, browser = stage.accepts()
    assert {"name", "email"} <= set(claims)
    assert "groups" not in claims
    assert len(browser.cookies.header(BASE_URL, stage.clock.now())) < 2_000


@pytest.mark.row("F-PR-15")
def test_f_pr_15_what_nobody_asked_for_gives_way_by_itself(stage):
    stage.provider.user = {**stage.provider.user, "groups": groups(60), "entitlements": groups(5_000)}
    claims, browser = stage.accepts()
    assert claims["groups"] == groups(60)
    assert "entitlements" not in claims
    assert len(browser.cookies.header(BASE_URL, stage.clock.now())) <= 6_000


@pytest.mark.row("F-PR-15")
@pytest.mark.parametrize("mode", [{}, {"store": "memory://"}], ids=["cookie", "store"])
def test_f_pr_15_an_id_token_of_100_kb(stage, mode):
    stage.restart(session_claims=["name", "email"], **mode)
    stage.provider.id_token_claims["padding"] = "x" * 74_000
    claims, browser = stage.accepts()
    assert len(stage.provider.issued_id_tokens[-1]) > 98_000
    assert "padding" not in claims
    assert len(browser.cookies.header(BASE_URL, stage.clock.now())) <= 6_000
    stage.provider.id_token_claims["padding"] = "x" * 100_000
    location = stage.browser().start_login(login_url("/x"))
    other = stage.browser()
    other.cookies = stage.browsers[-2].cookies
    stage.assert_refused(lambda: other.finish_login(location), other, code="id_token_malformed", status=502)


@pytest.mark.row("F-PR-15")
@pytest.mark.parametrize("size", [20_000, 980_000])
def test_f_pr_15_on_the_server_there_is_room_for_a_megabyte(stage, store, size):
    """Every claim is there, at every request; the cookie is as small as ever."""
    stage.provider.user = {**stage.provider.user, "groups": groups(size // 39)}
    claims, browser = stage.accepts()
    assert claims["groups"] == groups(size // 39)
    for _ in range(3):
        stage.clock.advance(901)  # and written again
        assert browser.fetch("/api").json()["claims"]["groups"] == claims["groups"]
    assert len(browser.cookies.header(BASE_URL, stage.clock.now())) < 400
    assert browser.post_form("/oidc/logout").status == 200
    assert stage.who(browser) is None
    stage.provider.user["groups"] = groups(30_000)
    page = stage.browser().login(login_url("/x"))
    assert (page.status, codes_on(page)) == (502, ["response_too_large"]), "more than a megabyte is not even read"


@pytest.mark.row("F-PR-15", "HD-05")
@pytest.mark.parametrize("mode", [{"session_claims": ["name"]}, {"store": "memory://"}], ids=["cookie", "store"])
def test_f_pr_15_what_the_application_is_told_beside_the_user_does_not_grow(stage, mode):
    calls = probe(stage, **mode)
    seen = []
    for count in (0, 5_000):
        stage.provider.user = {**stage.provider.user, "sub": "s" * 255, "groups": groups(count)}
        browser = stage.browser()
        assert landed(browser.login(login_url("/x"))) == "/x"
        seen.append((headers_of_the_app(calls[-1]), calls[-1].raw.get("REMOTE_USER"), calls[-1].raw.get("AUTH_TYPE")))
    assert seen[0] == seen[1]
    assert len(json.dumps(seen[0])) < 2_000
    if stage.shell == "wsgi":
        assert seen[0][1:] == ("s" * 255, "oidc")


@pytest.mark.row("F-PR-15")
def test_f_pr_15_a_subject_that_would_be_a_long_header_is_refused(stage):
    stage.refuses_tokens(lambda provider: provider.id_token_claims.update(sub="s" * 256), code="id_token_subject")


# -- F-PR-18 ------------------------------------------------------------------------------------------------------------------------------------


class Front:
    """A proxy in front of the application that takes no header line of more than *limit* bytes, in either direction (as nginx counts them)."""

    def __init__(self, server, limit, *, split=False):
        self.server, self.limit, self.split = server, limit, split

    def __call__(self, sent):
        pairs = list(sent.headers)
        if any(len(name) + len(value) + 4 > self.limit for name, value in pairs):
            return Page(431, [("content-type", "text/plain")], [b"too large"], sent)
        if self.split:  # RFC 9113 8.2.3: each cookie in a field of its own
            cookies = [("cookie", crumb) for name, value in pairs if name == "cookie" for crumb in value.split("; ")]
            pairs = [item for item in pairs if item[0] != "cookie"] + cookies
        page = self.server(Sent(sent.method, sent.url, tuple(pairs), sent.body, sent.mount, sent.peer))
        if any(len(name) + len(value) + 4 > self.limit for name, value in page.headers):
            return Page(502, [("content-type", "text/plain")], [b"too large"], sent)
        return page


def behind(stage, limit, **options):
    browser = stage.browser()
    browser._sites = [(browser.base_url, Front(browser._sites[0][1], limit, **options))]
    return browser


def largest(stage):
    """The most groups that a session in cookies has room for."""
    for count in range(95, 0, -1):
        stage.provider.user["groups"] = groups(count)
        if stage.browser().login(login_url("/x")).status == 200:
            return count
    raise AssertionError


@pytest.mark.row("F-PR-18", "CK-05", "CK-12")
@pytest.mark.parametrize("split", [False, True], ids=["one field", "a field each"])
def test_f_pr_18_the_largest_session_there_is_passes_a_proxy_that_allows_8_kb(stage, split):
    """With logins under way in other tabs beside it, and 1.5 kB of the application's own cookies."""
    count = largest(stage)
    browser = behind(stage, 8_192, split=split)
    browser.cookies.receive(BASE_URL, [f"app{number}={'x' * 480}; Path=/" for number in range(3)], stage.clock.now())
    for number in range(6):
        browser.start_login(f"/tab/{number}?{'q' * 900}")
        stage.clock.advance(1)
    assert landed(browser.login(login_url("/deep"))) == "/deep"
    sizes = []
    for number in range(8):
        page = browser.fetch("/api")
        assert page.json()["claims"]["groups"] == groups(count)
        browser.start_login(login_url(f"/tab/{number}?{'q' * 900}"))
        sizes.append(sum(len(cookie.name) + len(cookie.value) + 3 for cookie in browser.cookies if "oidc_" in cookie.name))
        stage.clock.advance(400)
    assert max(sizes) <= 6_000
    assert browser.post_form("/oidc/logout").status == 200
    assert {page.status for page in browser.history} <= {200, 302, 303}


@pytest.mark.row("F-PR-18", "CK-12")
@pytest.mark.parametrize("split", [False, True], ids=["one field", "a field each"])
@pytest.mark.parametrize("mode", [{}, {"revocation": "memory://"}, {"store": "memory://"}], ids=["cookie", "revocation", "store"])
def test_f_pr_18_an_ordinary_session_passes_a_proxy_that_allows_4_kb(stage, mode, split):
    """Twenty groups in a cookie, any number on the server."""
    stage.restart(**mode)
    stage.provider.user["groups"] = groups(2_000 if "store" in mode else 20)
    browser = behind(stage, 4_096, split=split)
    browser.start_login("/other/tab")
    assert landed(browser.login(login_url("/deep"))) == "/deep"
    for _ in range(4):
        assert len(browser.fetch("/api").json()["claims"]["groups"]) in (20, 2_000)
        stage.clock.advance(1_000)
    assert browser.post_form("/oidc/logout").status == 200
    assert {page.status for page in browser.history} <= {200, 302, 303}


@pytest.mark.row("F-PR-18", "CK-12")
def test_f_pr_18_parts_in_fields_of_their_own_and_in_any_order_are_one_session(stage):
    order = [slice(None), slice(None, None, -1)]  # under WSGI the server joins them: PEP 3333 has no way to pass two
    stage.provider.user["groups"] = groups(80)
    browser = stage.visitor(signed_in=True)
    crumbs = [f"{name}={value}" for name, value in stage.session_of(browser).items()]
    assert len(crumbs) > 1
    for step in order:
        fields = [("cookie", crumb) for crumb in ["a=b", *crumbs, "c=d"][step]]
        page = send(browser, "/api", headers=fields, cookie="")
        assert page.status == 200
        assert page.json()["claims"]["groups"] == groups(80)
