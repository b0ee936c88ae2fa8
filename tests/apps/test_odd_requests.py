"""Requests as no browser sends them, but servers pass on: nobody gets in by them, and nothing breaks."""

import pytest

from oidc_middleware.testing import run_async
from oidc_middleware.testing.servers import server_for
from tests.apps.kit import Place
from tests.conformance.party import shown


def send_raw(place, browser, *, path=None, raw=None, cookies=None, headers=()):
    """A request of *browser*'s, altered below the level of a browser; the status, and how often the app was called for it."""
    sent, server, before = browser.fetch("/public/x").sent, server_for(place.app), len(place.diary.calls)
    if not place.asgi:
        environ = server.environ(sent)
        environ |= {} if path is None else {"PATH_INFO": path.encode("utf-8", "surrogateescape").decode("latin-1")}
        environ |= {} if raw is None else {"REQUEST_URI": raw.decode("latin-1")}
        environ |= {} if cookies is None else {"HTTP_COOKIE": b"; ".join(cookies(environ.get("HTTP_COOKIE", "").encode())).decode("latin-1")}
        environ |= {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers}
        statuses = []
        list(place.app(environ, lambda status, headers, exc_info=None: statuses.append(int(status[:3]))))
        return statuses[0], len(place.diary.calls) - before
    scope = server.scope(sent)
    scope |= {} if path is None else {"path": path}
    scope |= {} if raw is None else {"raw_path": raw}
    if cookies is not None:
        own = next((value for name, value in scope["headers"] if name == b"cookie"), b"")
        scope["headers"] = [item for item in scope["headers"] if item[0] != b"cookie"] + [(b"cookie", value) for value in cookies(own)]
    scope["headers"] += [(name.encode(), value.encode("latin-1")) for name, value in headers]
    messages = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        messages.append(message)

    run_async(place.app(scope, receive, send))
    return messages[0]["status"], len(place.diary.calls) - before


@pytest.fixture
def place(framework):
    return Place(framework, public=["/public/*"])


@pytest.mark.in_process
@pytest.mark.row("RD-13", "PA-15", "PA-05")
@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("http://evil.example/public/x", b"http://evil.example/public/x"),
        ("*", b"*"),
        ("public/x", b"public/x"),
        ("/public/\udcff", b"/public/%ff"),
        ("/public/x\n", b"/public/x%0a"),
        ("/public/../who", b"/public/..%2fwho"),
        ("/public/x", b"/public/..%2f../public/x"),
        ("//public/x", b"//public/x"),
    ],
)
def test_odd_targets_open_nothing(place, path, raw):
    status, calls = send_raw(place, place.browser(), path=path, raw=raw)
    assert status in (400, 401)
    assert calls == 0


@pytest.mark.in_process
@pytest.mark.row("CK-12", "F-PR-18")
def test_cookies_in_several_headers_are_one(place):
    assert send_raw(place, place.signed_in(), path="/who", raw=b"/who", cookies=lambda own: [b"a=1", *own.split(b"; "), b"z=2"]) == (200, 1)


@pytest.mark.in_process
@pytest.mark.row("CK-11", "CK-10")
def test_cookies_of_others_may_be_anything(place):
    odd = [b"\xa0a=\xff", b"=nameless", b'$Version="1"', b'q="; x=', b"=", b"", b";;;", b"a" * 4000]
    assert send_raw(place, place.signed_in(), path="/who", raw=b"/who", cookies=lambda own: [*odd, own]) == (200, 1)


@pytest.mark.in_process
@pytest.mark.row("CK-08")
def test_two_cookies_of_our_name_are_none(place):
    assert send_raw(place, place.signed_in(), path="/who", raw=b"/who", cookies=lambda own: [own, own]) == (401, 0)


@pytest.mark.in_process
@pytest.mark.row("CK-09", "CK-10")
@pytest.mark.parametrize("before", [b"\xa0", b"\x85", b"\x1c", b"\x0b", b"=", b"x", b'"', b"\\137"])
def test_names_that_only_look_like_ours_are_not(place, before):
    assert send_raw(place, place.signed_in(), path="/who", raw=b"/who", cookies=lambda own: [before + own.split(b"; ")[0]])[1] == 0


@pytest.mark.in_process
@pytest.mark.row("CK-01", "CK-03")
def test_every_kind_of_damage_means_signed_out(place):
    browser = place.signed_in()
    session = next(cookie for cookie in browser.cookies if cookie.name.endswith("_s"))
    name, value = session.name.encode(), session.value.encode()
    damaged = [value[:cut] for cut in range(0, len(value), 97)] + [value[:at] + b"A" + value[at + 1 :] for at in range(0, len(value) - 1, 61)]
    damaged += [value + b"A", value[::-1], b"\xff" * 20, b"A" * 20_000, value.replace(b".", b"")]
    for bad in damaged:
        if bad != value:
            assert send_raw(place, browser, path="/who", raw=b"/who", cookies=lambda own, bad=bad: [name + b"=" + bad]) == (401, 0)
    chunks = [b"%s%s=%s" % (name, suffix, value) for suffix in (b".0", b".1", b"_0", b"0", b"-1", b".99999999", b".1e9")]
    assert send_raw(place, browser, path="/who", raw=b"/who", cookies=lambda own: chunks) == (401, 0)
    assert browser.fetch("/who").status == 200


@pytest.mark.in_process
@pytest.mark.row("HD-12")
def test_hosts_that_are_odd_change_nothing_with_a_base_url(place):
    for host in ("", "evil.example", "app.example.com, evil.example", "[::1", "a b"):
        status, calls = send_raw(place, place.browser(), path="/who", raw=b"/who", headers=[("host", host)])
        assert (status, calls) in ((401, 0), (400, 0))


@pytest.mark.row("ER-06", "ST-11", "ST-12", "RD-21")
@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/oidc/login?return_to=%ff", 302),
        ("/oidc/login?return_to=%", 302),
        ("/oidc/login?return_to=/a&return_to=//evil", 302),
        ("/oidc/login?" + "a=b&" * 500, 302),
        ("/oidc/callback", 400),
        ("/oidc/callback?&", 400),
        ("/oidc/callback?state=%ff", 400),
        ("/oidc/callback?state=%zz&code=x", 400),
        ("/oidc/signed-out?state=%ff&state=", 200),
        ("/oidc/logout?return_to=%ff", 200),
    ],
)
def test_odd_queries_to_our_endpoints(place, target, status):
    browser = place.browser()
    browser.start_login("/who")
    _, page = shown(browser.navigate(target, follow=False), browser)
    assert page.status == status
    assert place.provider.received("token") == []
    assert "evil" not in page.text
    if status == 302:
        assert browser.finish_login(page.location, follow=False).header("location") == "/"


@pytest.mark.in_process  # real servers refuse these by themselves
@pytest.mark.row("ER-06", "ST-11")
@pytest.mark.parametrize("query", ["state=" + "x" * 100_000, "code=x&" + "a=b&" * 2000], ids=["long", "many"])
def test_queries_longer_than_servers_take(place, query):
    browser = place.browser()
    browser.start_login("/who")
    _, page = shown(browser.navigate(f"/oidc/callback?{query}", follow=False), browser)
    assert page.status == 400
    assert place.provider.received("token") == []
