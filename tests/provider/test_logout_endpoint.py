"""Signing out at the provider: by the client that has the ID token, or by somebody who says yes."""

import pytest


def signed_in(desk):
    """Whether a client that asks silently gets a code."""
    return "code=" in desk.authorize(prompt="none").headers["location"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_with_an_id_token_of_this_session(desk, read, method):
    tokens = desk.tokens()
    parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": read.signed_out, "state": "a b&c", "client_id": "web"}
    response = desk.browser.request(method, "/logout", **{"params" if method == "GET" else "data": parameters})
    assert response.status_code == 303
    assert response.headers["location"] == f"{read.signed_out}?state=a+b%26c"
    assert not signed_in(desk)
    assert desk.userinfo(tokens).status_code == 401


def test_an_old_hint_is_as_good(desk, read):
    tokens = desk.tokens()
    desk.clock.advance(7000)
    response = desk.browser.get("/logout", params={"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": read.signed_out})
    assert response.headers["location"] == read.signed_out  # no state was sent, none comes back
    assert not signed_in(desk)


def test_without_a_hint_somebody_has_to_say_yes(desk, read):
    desk.sign_in()
    page = desk.browser.get("/logout", params={"client_id": "web", "post_logout_redirect_uri": read.signed_out, "state": "x"})
    assert page.status_code == 200
    assert "Sign out?" in page.text
    assert signed_in(desk)
    ticket = read.ticket(page)
    assert desk.new_browser().post("/logout/confirm", data={"ticket": ticket, "action": "sign-out"}).status_code == 400
    assert signed_in(desk)
    response = desk.browser.post("/logout/confirm", data={"ticket": ticket, "action": "sign-out"})
    assert response.headers["location"] == f"{read.signed_out}?state=x"
    assert not signed_in(desk)


def test_or_no(desk, read):
    desk.sign_in()
    page = desk.browser.get("/logout")
    response = desk.browser.post("/logout/confirm", data={"ticket": read.ticket(page), "action": "stay"})
    assert "You are still signed in" in response.text
    assert signed_in(desk)


def test_a_hint_of_another_session_or_person_asks(desk, read):
    ada = desk.tokens()["id_token"]
    desk.sign_in("grace", prompt="login")
    page = desk.browser.get("/logout", params={"id_token_hint": ada, "post_logout_redirect_uri": read.signed_out})
    assert "Sign out?" in page.text
    assert signed_in(desk)


@pytest.mark.parametrize(
    "parameters",
    [
        {"post_logout_redirect_uri": "https://evil.example/"},
        {"post_logout_redirect_uri": "https://evil.example/", "client_id": "web"},
        {"post_logout_redirect_uri": "http://127.0.0.1:8000/oidc/signed-out/", "client_id": "web"},
        {"post_logout_redirect_uri": "http://127.0.0.1:8000/oidc/signed-out", "client_id": "spa"},
        {"post_logout_redirect_uri": "http://127.0.0.1:8000/oidc/signed-out"},
        {"post_logout_redirect_uri": ["http://127.0.0.1:8000/oidc/signed-out", "https://evil.example/"], "client_id": "web"},
        {"client_id": "nobody"},
        {"id_token_hint": "nonsense"},
        {"id_token_hint": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ."},
        {"id_token_hint": None, "client_id": "dev"},
    ],
)
def test_refuses_on_a_page_and_signs_nobody_out(desk, parameters):
    tokens = desk.tokens()
    parameters = {name: tokens["id_token"] if value is None else value for name, value in parameters.items()}
    response = desk.browser.get("/logout", params=parameters)
    assert response.status_code == 400
    assert "location" not in response.headers
    assert "evil" not in response.text
    assert signed_in(desk)


def test_a_loopback_client_may_return_anywhere_on_this_machine(desk):
    response = desk.browser.get("/logout", params={"client_id": "dev", "post_logout_redirect_uri": "http://localhost:5000/bye"})
    assert response.headers["location"] == "http://localhost:5000/bye"
    assert desk.browser.get("/logout", params={"client_id": "dev", "post_logout_redirect_uri": "https://evil.example/"}).status_code == 400


def test_again_does_no_harm(desk, read):
    tokens = desk.tokens()
    for _ in range(2):
        response = desk.browser.get(
            "/logout", params={"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": read.signed_out, "state": "x"}
        )
        assert response.headers["location"] == f"{read.signed_out}?state=x"
    assert "You are signed out" in desk.browser.get("/logout").text


def test_offline_access_survives_the_session(desk):
    tokens = desk.tokens(scope="openid offline_access")
    desk.browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
    assert not signed_in(desk)
    assert desk.refresh(tokens["refresh_token"]).status_code == 200
