"""UserInfo: what an access token shows, and how it may be sent."""

import pytest


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ("openid", set()),
        ("openid email", {"email", "email_verified"}),
        ("openid groups", {"groups"}),
        ("openid phone", {"phone_number", "phone_number_verified"}),
        ("openid address", {"address"}),
        ("openid profile", {"name", "given_name", "family_name", "preferred_username", "birthdate", "zoneinfo", "locale", "updated_at"}),
    ],
)
def test_claims_follow_the_scopes(desk, scope, names):
    claims = desk.userinfo(desk.tokens(scope=scope)).json()
    assert set(claims) == names | {"sub", "department"}  # a claim that no scope covers is shown to everybody
    assert claims["sub"] == "ada"


def test_claims_by_name(desk):
    tokens = desk.tokens(scope="openid", claims='{"userinfo": {"email": {"essential": true}, "nonsense": null}}')
    assert desk.userinfo(tokens).json() == {"sub": "ada", "department": "analytical engines", "email": "ada@example.com"}


def test_unverified_and_missing_things_stay_so(desk):
    everything = "openid profile email groups"
    assert desk.userinfo(desk.tokens("alan", scope=everything)).json()["email_verified"] is False
    assert "groups" not in desk.userinfo(desk.tokens("sofja", scope=everything, prompt="login")).json()
    assert desk.userinfo(desk.tokens("svc-anonymous", scope=everything, prompt="login")).json() == {"sub": "svc-anonymous"}
    assert len(desk.userinfo(desk.tokens("katherine", scope=everything, prompt="login")).json()["groups"]) == 200


def test_every_way_that_is_allowed(desk):
    token = desk.tokens()["access_token"]
    header = {"Authorization": f"Bearer {token}"}
    for response in (
        desk.browser.get("/userinfo", headers=header),
        desk.browser.get("/userinfo", headers={"Authorization": f"bEARER {token}"}),
        desk.browser.post("/userinfo", headers=header),
        desk.browser.post("/userinfo", data={"access_token": token}),
    ):
        assert response.status_code == 200
        assert response.json()["sub"] == "ada"
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "no-store"


def test_every_way_that_is_not(desk):
    token = desk.tokens()["access_token"]
    header = {"Authorization": f"Bearer {token}"}
    nothing = desk.browser.get("/userinfo")
    assert (nothing.status_code, nothing.headers["www-authenticate"], nothing.text) == (401, "Bearer", "")
    for wrong in ("x", token + "x", token[:-1], ""):
        response = desk.browser.get("/userinfo", headers={"Authorization": f"Bearer {wrong}"})
        assert (response.status_code, response.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
    for response in (
        desk.browser.post("/userinfo", headers=header, data={"access_token": token}),
        desk.browser.get("/userinfo", params={"access_token": token}),
        desk.browser.get("/userinfo", params={"access_token": token}, headers=header),
        desk.browser.get("/userinfo", headers={"Authorization": f"Basic {token}"}),
        desk.browser.get("/userinfo", headers=[("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]),
        desk.browser.post("/userinfo", json={"access_token": token}),
        desk.browser.post("/userinfo", data={"access_token": [token, token]}),
    ):
        assert response.status_code == 400
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_request"'
        assert "ada" not in response.text


def test_an_access_token_expires(desk):
    tokens = desk.tokens()
    desk.clock.advance(3599)
    assert desk.userinfo(tokens).status_code == 200
    desk.clock.advance(2)
    assert desk.userinfo(tokens).status_code == 401
