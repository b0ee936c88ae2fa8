"""Below a mount path, twice over, and two applications on one host."""

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.apps.kit import BASE_URL, Diary, Place, asgi_routes
from tests.conformance.party import assert_strict

MOUNTED = f"{BASE_URL}/tools/board"


def mounted(framework, **options):
    place = Place(framework, base_url=MOUNTED, **options)
    place.provider.redirect_uris = [f"{MOUNTED}/oidc/callback"]
    place.provider.post_logout_redirect_uris = [f"{MOUNTED}/oidc/signed-out"]
    return place


@pytest.mark.row("PA-09", "CI-06")
def test_root_path_and_script_name(framework):
    place = mounted(framework, public=["/public/*"])
    browser = place.browser({MOUNTED: place.app})
    page = browser.login("/deep/x?y=1")
    assert (page.status, page.url) == (200, f"{MOUNTED}/deep/x?y=1")
    assert page.json()["mount"] == "/tools/board"
    assert browser.fetch("/oidc/session").status == 200
    stranger = browser.stranger()
    assert stranger.fetch("/public/x").status == 200
    assert stranger.fetch("/tools/board/public/x").status == 401
    assert stranger.fetch("/who").json()["login_url"] == f"{MOUNTED}/oidc/login"
    page = browser.post_form("/oidc/logout")
    assert (page.status, page.url.partition("?")[0]) == (200, f"{MOUNTED}/oidc/signed-out")
    assert browser.fetch("/who").status == 401


@pytest.mark.row("PA-09")
def test_an_asgi_app_mounted_by_its_framework():
    """Starlette's own ``Mount``: ``root_path`` grows on the way in, ``path`` stays whole."""
    place = mounted("starlette")
    inner = place.protect(Starlette(routes=asgi_routes(place.diary)), base_url=MOUNTED)
    outer = Starlette(routes=[Mount("/tools", routes=[Mount("/board", app=inner)])])
    browser = place.browser({BASE_URL: outer})
    page = browser.login("/tools/board/deep/x")
    assert (page.status, page.url) == (200, f"{MOUNTED}/deep/x")
    assert page.json()["sub"] == "user-subject-1234531"
    assert browser.navigate("/tools/other").status == 404


@pytest.mark.row("CK-20", "CK-19", "CF-02")
def test_two_apps_on_one_host_do_not_know_each_other(framework):
    place = Place(framework)
    urls = [f"{BASE_URL}/one", f"{BASE_URL}/two"]
    place.provider.redirect_uris = [f"{url}/oidc/callback" for url in urls]
    place.provider.post_logout_redirect_uris = [f"{url}/oidc/signed-out" for url in urls]
    diaries = [Diary(), Diary()]
    apps = {url: place.build(diary, base_url=url) for url, diary in zip(urls, diaries, strict=True)}
    browser = place.browser(apps)
    assert browser.login(f"{urls[0]}/who").status == 200
    assert browser.fetch(f"{urls[1]}/who").status == 401
    assert diaries[1].calls == []
    assert browser.login(f"{urls[1]}/who").status == 200
    assert browser.fetch(f"{urls[0]}/who").status == 200
    browser.post_form(f"{urls[0]}/oidc/logout", follow=False)
    assert browser.fetch(f"{urls[0]}/who").status == 401
    assert browser.fetch(f"{urls[1]}/who").status == 200


@pytest.mark.row("CK-19")
def test_the_same_secret_does_not_make_sessions_common(framework):
    """Session cookies renamed to the other app's names open nothing there, although both may keep their sessions in one store."""
    place = Place(framework)
    other = Place(framework)
    other.provider.client_id = "other"
    other.clock.random(1)  # or both draw the same ids
    other.kept = place.kept
    other.app = other.build()
    ours, theirs = place.signed_in(), other.signed_in()
    name = next(cookie.name for cookie in theirs.cookies if cookie.name.endswith("_s"))
    stolen = next(cookie for cookie in ours.cookies if cookie.name.endswith("_s"))
    assert stolen.name != name
    theirs.cookies.clear()
    stolen.name = name
    theirs.cookies.put(stolen)
    assert theirs.fetch("/who").status == 401


@pytest.mark.row("CF-02")
def test_wrapped_twice_with_the_same_settings(framework):
    place = Place(framework)
    protected = place.protect(place.app)
    browser = place.browser(protected)
    page = browser.login("/deep/x")
    assert (page.status, page.url) == (200, f"{BASE_URL}/deep/x")
    assert page.json()["sub"] == "user-subject-1234531"
    assert browser.fetch("/who").status == 200
    assert browser.stranger().fetch("/who").status == 401
    browser.post_form("/oidc/logout", follow=False)
    assert browser.fetch("/who").status == 401


@pytest.mark.row("CF-02")
def test_the_inner_one_does_not_believe_the_outer_one(framework):
    """Two registrations, one inside the other: being known to the outer is not being known to the inner."""
    place = Place(framework)
    inner = place.build(client_id="inner", prefix="/inner")
    browser = place.browser(place.protect(inner))
    location = browser.start_login("/who")
    page = browser.finish_login(location, follow=False)
    page = browser.navigate(page.location, follow=False)
    assert (page.status, "client_id=inner" in page.location) == (302, True)
    assert browser.fetch("/who").status == 401
    assert place.diary.calls == []


@pytest.mark.row("CA-01", "ER-04")
def test_every_answer_of_ours_carries_the_strict_headers(place):
    browser = place.browser()
    answers = [browser.navigate("/who", follow=False), browser.fetch("/who")]
    for path in (
        "login",
        "callback",
        "callback?code=x&state=y",
        "error?of=x",
        "logout",
        "signed-out",
        "session",
        "initiate",
        "nothing",
        "backchannel-logout",
        "",
    ):
        answers += [browser.navigate(f"/oidc/{path}", follow=False), browser.fetch(f"/oidc/{path}"), browser.post_form(f"/oidc/{path}", follow=False)]
        answers += [browser.fetch(f"/oidc/{path}", method="DELETE"), browser.fetch(f"/oidc/{path}", method="HEAD")]
    for page in answers:
        assert_strict(page)
        assert "Cookie" in page.header("vary")
        assert page.status < 500
        assert page.sent.method != "HEAD" or page.body == b""
    assert place.diary.calls == []
    assert browser.fetch("/who").status == 401
