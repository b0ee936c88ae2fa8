"""Identity headers and proxy headers (catalogue 1.11)."""

import tracemalloc

import pytest

from oidc_middleware.testing import run_async
from tests.catalogue.helpers import BASE_URL, Stage, assert_strict, codes_on, raw_request
from tests.catalogue.probe import probe, send, signed_in

SPOOFS = [
    ("Remote-User", "root"), ("X-Forwarded-User", "root"), ("X-Remote-User", "root"), ("OIDC-Claim-Sub", "root"), ("X-Forwarded-Email", "root@evil"),
    ("X-Forwarded-Groups", "admins"), ("X-Auth-Request-User", "root"), ("X-WebAuth-User", "root"),
]  # fmt: skip
VARIANTS = [
    ("X_Forwarded_User", "root"),
    ("x-forwarded_user", "root"),
    ("X-FORWARDED-USER", "root"),
    ("x_remote-user", "root"),
    ("OIDC_access_token", "root"),
]


def assert_clean(call):
    assert "root" not in str(call.headers.values())
    assert "admins" not in str(call.headers.values())


@pytest.mark.row("HD-01", "HD-03", "PA-14")
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST", "HEAD"])
def test_hd_01_identity_headers_of_a_client_never_reach_the_app(stage, method):
    calls = probe(stage, public=["/static/*"])
    browser = signed_in(stage)
    calls.clear()
    send(browser, "/page", method=method, headers=SPOOFS)
    send(browser, "/static/x.css", method=method, headers=SPOOFS)
    send(stage.browser(), "/static/x.css", method=method, headers=SPOOFS)
    assert [call.user.is_authenticated for call in calls] == [True, True, False]
    for call in calls:
        assert_clean(call)
        assert call.headers["accept"] == "text/html", "everything else stays"


@pytest.mark.row("HD-02")
def test_hd_02_in_no_spelling(stage):
    calls = probe(stage, public=["/open"])
    send(stage.browser(), "/open", headers=[*VARIANTS, ("X-Forwarded-User", "root"), ("x-forwarded-user", "admins")])
    assert_clean(calls[0])


@pytest.mark.row("F-PR-11", "HD-02")
def test_hd_02_names_that_clients_make_up_are_not_hoarded(stage):
    calls = probe(stage, public=["/open"])
    browser = stage.browser()
    tracemalloc.start()
    try:
        send(browser, "/open")
        before = tracemalloc.get_traced_memory()[0]
        for number in range(3_000):
            send(browser, "/open", headers=[(f"x{number}-{'a' * 20_000}", "v"), (f"x-{number}", "v")])
            calls.clear()
            browser.history.clear()
        assert tracemalloc.get_traced_memory()[0] - before < 2_000_000
    finally:
        tracemalloc.stop()
    send(browser, "/open", headers=[*SPOOFS, ("accept", "text/html")])
    assert_clean(calls[0])
    assert calls[0].headers["accept"] == "text/html"


@pytest.mark.row("HD-02", "CK-12")
@pytest.mark.parametrize("name", [b"Cookie", b"COOKIE", b"cOOKIE"])
def test_hd_02_a_server_may_write_names_in_any_case(caplog, name):
    stage = Stage("asgi", caplog)
    calls = probe(stage)
    browser = signed_in(stage)
    cookie = browser.cookies.header(BASE_URL + "/x", stage.clock.now()).encode()
    half = cookie.index(b";") if b";" in cookie else len(cookie)
    scope = dict(
        calls[-1].raw, headers=[(name, b"a=1"), (name, cookie[:half]), (b"cookie", cookie[half:].lstrip(b"; ")), (b"X-Remote_User", b"root")]
    )
    run_async(stage.app({key: value for key, value in scope.items() if key not in ("user", "auth")}, None, _drop))
    assert calls[-1].user.identity == stage.provider.user["sub"]
    assert [name for name, _ in calls[-1].raw["headers"] if b"emote" in name] == []


async def _drop(message):
    """Nobody reads this answer."""


@pytest.mark.row("HD-04", "ID-21")
@pytest.mark.parametrize("name", ["a\r\nSet-Cookie: x=y", "Gr\u00e4fin \u03a9 \U0001f600", "x" * 3000, "a,b;c=d", "\x00", "<b>"])
def test_hd_04_a_claim_never_becomes_a_header(stage, name):
    stage.provider.claims_in_id_token = True
    calls = probe(stage)
    stage.provider.claims_in_id_token = True
    stage.provider.user["name"] = name
    browser = signed_in(stage)
    assert calls[-1].user.display_name == name
    assert name not in str(calls[-1].headers)
    assert send(browser, "/x").status == 200


@pytest.mark.row("HD-05")
def test_hd_05_only_we_say_who_the_remote_user_is(stage):
    calls = probe(stage, public=["/open"])
    browser = signed_in(stage)
    if stage.shell == "wsgi":
        server = browser._sites[0][1]
        plain = server.environ
        server.environ = lambda request: {**plain(request), "REMOTE_USER": "root", "AUTH_TYPE": "Basic", "oidc_middleware.user": "root"}
    send(browser, "/page")
    send(stage.browser(), "/open", cookie="")
    send(browser, "/open", cookie="", headers=[("Remote-User", "root")])
    known, *unknown = calls[-3:]
    if stage.shell == "wsgi":
        assert (known.raw["REMOTE_USER"], known.raw["AUTH_TYPE"]) == (stage.provider.user["sub"], "oidc")
        for call in unknown:
            assert not {"REMOTE_USER", "AUTH_TYPE", "HTTP_REMOTE_USER"} & set(call.raw) or call.raw.get("REMOTE_USER") != "root"
    assert known.user.is_authenticated
    assert [call.user.is_authenticated for call in unknown] == [False, False]


@pytest.mark.row("HD-06", "HD-08", "HD-09")
@pytest.mark.parametrize(
    "spoof",
    [
        ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Prefix", "/public"),
        ("Forwarded", "for=127.0.0.1;host=evil.example"), ("X-Forwarded-Uri", "/public"), ("X-Original-URL", "/public"), ("X-Rewrite-URL", "/public"),
        ("X-HTTP-Method-Override", "OPTIONS"), ("User-Agent", "GoogleHC/1.0"), ("User-Agent", "kube-probe/1.30"), ("X-Middleware-Subrequest", "1"),
    ],
)  # fmt: skip
def test_hd_06_no_header_of_a_stranger_opens_a_door(stage, spoof):
    calls = probe(stage, public=["/public"])
    page = send(stage.browser(), "/page", headers=[spoof])
    assert (page.status, calls) == (302, [])
    assert "redirect_uri=https%3A%2F%2Fapp.example.com%2Foidc%2Fcallback" in page.location
    assert "evil" not in page.location


@pytest.mark.row("HD-10", "AS-04")
def test_hd_10_identity_lives_where_no_client_can_write(stage):
    calls = probe(stage, public=["/open"])
    send(stage.browser(), "/open", headers=[("oidc_middleware.user", "root"), ("user", "root"), ("auth", "authenticated")])
    assert not calls[0].user.is_authenticated
    with pytest.raises(AttributeError):
        calls[0].user.identity = "root"


@pytest.mark.row("HD-11", "WS-06")
def test_hd_11_an_authorization_header_is_no_login(stage):
    calls = probe(stage)
    for value in ("Bearer eyJhbGciOiJub25lIn0.e30.", "Basic cm9vdDpyb290"):
        assert send(stage.browser(), "/page", headers=[("Authorization", value)]).status == 302
        page = send(stage.browser(), "/page", headers=[("Authorization", value), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")])
        assert page.status == 401
    assert calls == []
    browser = signed_in(stage)
    send(browser, "/page", headers=[("Authorization", "Bearer of-the-app")])
    assert calls[-1].headers["authorization"] == "Bearer of-the-app", "with a session it is the application's business"


@pytest.mark.row("HD-12")
@pytest.mark.parametrize(
    "hosts", [["app.example.com", "evil.example"], [""], ["app example"], ["[::1"], ["app.example.com, evil.example"], ["evil.example"]]
)
def test_hd_12_a_host_that_is_none_of_ours_gets_400_and_never_500(stage, hosts):
    calls = probe(stage, base_url=None, allowed_hosts=["app.example.com"], public=["/health"])
    headers = [("Host", host) for host in hosts]
    page = send(stage.browser(), "/page", headers=headers)
    assert (page.status, codes_on(page), calls) == (400, ["host_not_allowed"], [])
    assert_strict(page)
    assert send(stage.browser(), "/health", headers=headers).status == 200, "a health check may come by any name"
    good = raw_request(stage.browser(), "/page")
    assert (good.status, "https%3A%2F%2Fapp.example.com%2Foidc" in good.location) == (302, True)
