"""Public paths need no login, know who is there all the same, and never let a made-up identity through."""

import pytest

from tests.apps.kit import BASE_URL, Place


@pytest.fixture
def place(framework):
    return Place(framework, public=["/public/*", "/mail"])


@pytest.mark.row("PA-14")
def test_open_to_everybody_and_identity_is_optional(place):
    browser = place.browser()
    page = browser.navigate("/public/info")
    assert page.status == 200
    who = page.json()
    assert (who["sub"], who["authenticated"], who["scopes"]) == ("", False, [])
    assert page.all("set-cookie") == []
    assert place.provider.requests == []
    browser.login("/who")
    who = browser.navigate("/public/info").json()
    assert (who["sub"], who["authenticated"]) == ("user-subject-1234531", True)


@pytest.mark.row("PA-02", "PA-03", "PA-04", "PA-05", "PA-06", "PA-08", "PA-01")
@pytest.mark.parametrize(
    "target",
    [
        "/publicx",
        "/public-secret/x",
        "/PUBLIC/info",
        "//public/info",
        "/public//../who",
        "/public/../who",
        "/public/..;/who",
        "/public/%2e%2e/who",
        "/public/..%2fwho",
        "/public/%5c..%5cwho",
        "/public/info%00",
        "/public/info%0a",
        "/public/%ff",
        "/who?x=/public/info",
        "/who%23/public/info",
        "/who%3f/public/info",
        "/./public/info",
        "/mail/",
        "/mailx",
    ],
)
def test_what_only_looks_public_is_not(place, target):
    page = place.browser().fetch(target)
    assert page.status in (400, 401)
    assert place.diary.calls == []


@pytest.mark.row("PA-01", "HD-06", "HD-08", "HD-10", "HD-12")
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "app.example.com/public/info?"},
        {"host": "evil.example"},
        {"x-forwarded-uri": "/public/info", "x-original-url": "/public/info", "x-rewrite-url": "/public/info"},
        {"x-http-method-override": "GET", "x-forwarded-host": "evil.example", "x-forwarded-proto": "http", "forwarded": "host=evil.example"},
        {"user-agent": "kube-probe/1.30"},
        {"user-agent": "GoogleHC/1.0"},
        {"x-middleware-subrequest": "middleware"},
    ],
)
def test_no_header_opens_a_protected_path(place, headers):
    browser = place.browser()
    page = browser.fetch("/who", headers=headers)
    assert page.status in (400, 401)
    assert place.diary.calls == []
    location = browser.start_login("/who", headers=headers)
    assert "evil" not in location
    assert "redirect_uri=https%3A%2F%2Fapp.example.com%2Foidc%2Fcallback" in location


LIES = {
    "remote-user": "admin",
    "X-Forwarded-User": "admin",
    "x-remote-user": "admin",
    "x-forwarded-email": "admin@example.com",
    "X_Forwarded_User": "admin",
    "x-forwarded_user": "admin",
    "oidc-sub": "admin",
    "x-auth-request-user": "admin",
}


@pytest.mark.row("HD-01", "HD-02", "HD-05", "HD-10")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_identity_headers_of_the_client_never_arrive(place, method):
    browser = place.browser()
    page = browser.fetch("/public/info", headers=LIES)
    assert page.status == 200
    assert "admin" not in page.text.replace("admins", "")
    browser.login("/who")
    page = browser.fetch("/who", headers={**LIES, "x-harmless": "yes"})
    assert page.json()["sub"] == "user-subject-1234531"
    assert "admin" not in page.text.replace("admins", "")
    assert page.json()["headers"]["x-harmless"] == "yes"


@pytest.mark.row("PA-14")
def test_a_broken_cookie_does_not_close_public_paths(place):
    browser = place.signed_in()
    for cookie in browser.cookies:
        cookie.value = cookie.value[:-4] + "AAAA"
    assert browser.navigate("/public/info").json()["authenticated"] is False
    assert browser.fetch("/who").status == 401
    page = browser.login("/deep/x")
    assert (page.status, page.url) == (200, BASE_URL + "/deep/x")
