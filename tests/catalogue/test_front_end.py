"""What front ends are given: the session's state, the script that asks for it, and the page at which a login in a small window ends."""

import base64
import hashlib
import re

import pytest

from tests.catalogue.helpers import BASE_URL, assert_strict, codes_on, login_url
from tests.catalogue.probe import send

PLACES = {"cookie": {}, "revocation": {"revocation": "memory://"}, "store": {"store": "memory://"}}


@pytest.mark.row("CA-01", "PA-01")
def test_the_script_is_for_everybody_and_the_same_for_everybody(stage):
    stage.restart(title="Sales of <Ada>")
    stage.browser_in = stage.visitor(signed_in=True)
    bodies = set()
    for browser in (stage.visitor(), stage.browser_in):
        page = browser.fetch("/oidc/session.js", headers={"sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"})
        assert (page.status, page.header("content-type"), page.all("set-cookie")) == (200, "text/javascript; charset=utf-8", [])
        assert page.all("content-security-policy") == ["default-src 'none'; frame-ancestors 'none'"]
        assert_strict(page)
        bodies.add(page.body)
    [body] = bodies
    text = body.decode()
    for word in ("Ada", stage.provider.issuer, "app.example.com", "innerHTML", "eval(", "document.cookie", "localStorage"):
        assert word not in text
    stage.assert_nothing_leaked(page)
    head = send(stage.browser_in, "/oidc/session.js", method="HEAD")
    assert (head.status, head.header("content-length")) == (200, str(len(body)))


def test_other_names_are_not_there(stage):
    browser = stage.visitor()
    for name in (
        "session.mjs",
        "session.js/",
        "session.js.map",
        "Session.js",
        "static/session.js",
        "signed-in.js",
        "signed_in",
        "session.js%00",
        "../session.js",
    ):
        page = send(browser, f"/oidc/{name}")
        assert (page.status, codes_on(page)) == (404, ["not_found"]), name
        stage.clock.advance(1)
    for name in ("session.js", "signed-in"):
        page = send(browser, f"/oidc/{name}", method="POST")
        assert (page.status, page.header("allow")) == (405, "GET, HEAD")


@pytest.mark.row("ER-04")
def test_the_page_that_closes_a_window_runs_its_own_two_lines_and_nothing_else(stage):
    stage.restart(title="<script>alert(1)</script>")
    page = stage.visitor().navigate("/oidc/signed-in")
    policy = dict(part.strip().partition(" ")[::2] for part in page.header("content-security-policy").split(";"))
    [script] = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy["script-src"] == f"'sha256-{digest}'"
    assert (policy["default-src"], policy["frame-ancestors"], policy["base-uri"]) == ("'none'", "'none'", "'none'")
    assert "&lt;script&gt;alert(1)" in page.text
    assert (page.status, page.all("cache-control"), page.all("set-cookie")) == (200, ["no-store"], [])
    assert "You can close this window" in page.text
    assert stage.provider.requests == [], "it starts no login by itself"


@pytest.mark.row("RD-16")
def test_a_login_in_a_small_window_ends_there(stage):
    browser = stage.visitor()
    page = browser.login(login_url("/oidc/signed-in"))
    assert (page.status, page.url) == (200, f"{BASE_URL}/oidc/signed-in")
    assert stage.who(browser) == stage.provider.user["sub"]


def test_so_it_does_below_a_mount(stage):
    stage.restart(base_url=f"{BASE_URL}/dash", registration={"redirect_uris": [f"{BASE_URL}/dash/oidc/callback"]})
    site = stage.rp.sites.fixed
    assert site.after_login("/dash/oidc/signed-in") == "/dash/oidc/signed-in"
    assert site.after_login("/dash/oidc/logout") == "/dash/"
    assert site.return_path("/dash/oidc/signed-in") == "/dash/"


@pytest.mark.row("CK-07")
@pytest.mark.parametrize("place", PLACES)
def test_asking_for_the_session_does_not_prolong_it(stage, place):
    """A page that asks for ever would keep itself signed in for ever."""
    stage.restart(idle_timeout=1_000, **PLACES[place])
    browser = stage.visitor(signed_in=True)
    ends = browser.fetch("/oidc/session").json()["expires_at"]
    for _ in range(9):
        stage.clock.advance(100)
        page = browser.fetch("/oidc/session")
        assert (page.status, page.json()["expires_at"], page.all("set-cookie")) == (200, ends, [])
        assert browser.fetch("/oidc/session.js").all("set-cookie") == []
    stage.clock.advance(101)
    page = browser.fetch("/oidc/session")
    assert (page.status, page.json()["login_url"]) == (401, f"{BASE_URL}/oidc/login")
    assert browser.fetch("/api").status == 401


@pytest.mark.parametrize("place", PLACES)
def test_use_of_the_application_prolongs_it(stage, place):
    stage.restart(idle_timeout=1_000, **PLACES[place])
    browser = stage.visitor(signed_in=True)
    before = browser.fetch("/oidc/session").json()["expires_at"]
    stage.clock.advance(400)
    assert browser.fetch("/api").status == 200
    assert browser.fetch("/oidc/session").json()["expires_at"] == before + 400
