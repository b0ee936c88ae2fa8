"""The authorization endpoint and its pages: who sees what, and what goes back to the client."""

import json

import pytest

from oidc_middleware.protocol.pkce import code_challenge


def test_the_answer_carries_code_state_and_issuer(desk, read):
    page = desk.authorize()
    assert page.status_code == 200
    assert "Sign in to web" in page.text
    assert "Ada Lovelace" in page.text
    answer = read.answer(desk.choose(page))
    assert set(answer) == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == ("the-state", read.issuer)
    assert len(answer["code"]) == 43


def test_post_is_as_good_as_get(desk, read):
    page = desk.browser.post("/authorize", data=desk.parameters())
    assert page.status_code == 200
    assert "code" in read.answer(desk.choose(page))
    again = desk.browser.post("/authorize", data=desk.parameters())  # signed in by now
    assert "code" in read.answer(again)


def test_a_form_from_another_site_comes_again_with_its_cookies(desk, read):
    desk.sign_in()
    stranger = desk.new_browser()
    response = stranger.post("/authorize", data=desk.parameters(), headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 303
    assert response.headers["location"].startswith(f"{read.issuer}/authorize?client_id=web&")
    assert "code" in read.answer(desk.browser.get(response.headers["location"]))


def test_a_line_break_in_such_a_form_ends_no_header(desk):
    headers = {"Sec-Fetch-Site": "cross-site", "Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"client_id=web\r\nSet-Cookie: a=b", b"client_id=web#x", b"client_id=web&x=//evil.example"):
        response = desk.browser.post("/authorize", content=body, headers=headers)
        assert response.status_code == 400
        assert "location" not in response.headers


@pytest.mark.parametrize("changes", [{"client_id": "nobody"}, {"redirect_uri": "https://evil.example/"}, {"client_id": None}, {"redirect_uri": None}])
def test_shows_a_page_when_client_or_redirect_uri_are_wrong(desk, changes):
    desk.sign_in()
    response = desk.authorize(**changes)
    assert response.status_code == 400
    assert "location" not in response.headers
    assert "evil" not in response.text
    assert len(desk.provider._state.codes) == 1  # only the one of the good sign-in


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"request": "x"}, "request_not_supported"),
        ({"request_uri": "https://x.example"}, "request_uri_not_supported"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"nonce": ["a", "b"]}, "invalid_request"),
        ({"id_token_hint": "nonsense"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
        ({"client_id": "spa", "code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ],
)
def test_sends_other_refusals_to_the_client_with_state_and_issuer(desk, read, changes, error):
    answer = read.answer(desk.authorize(**changes))
    assert set(answer) == {"error", "error_description", "state", "iss"}
    assert (answer["error"], answer["state"], answer["iss"]) == (error, "the-state", read.issuer)
    assert len(desk.provider._state.codes) == 0


def test_state_is_echoed_to_the_letter_or_not_at_all(desk, read):
    odd = "a b&c=d#é\"<script>'%2F+"
    assert read.answer(desk.authorize(state=odd, prompt="none"))["state"] == odd
    assert "state" not in read.answer(desk.authorize(state=None, prompt="none"))
    assert "state" not in read.answer(desk.authorize(state=["a", "b"]))


def test_form_post_posts_by_itself_and_by_a_button(desk, read):
    desk.sign_in()
    response = desk.authorize(response_mode="form_post", state='"><script>alert(1)</script>')
    assert response.status_code == 200
    assert f'<form method="post" action="{read.callback}"' in response.text
    assert 'name="code"' in response.text
    assert f'name="iss" value="{read.issuer}"' in response.text
    assert "<script>alert" not in response.text
    assert "&#34;&gt;&lt;script&gt;" in response.text
    policy = response.headers["content-security-policy"]
    assert "script-src 'sha256-" in policy
    assert "unsafe" not in policy
    assert "form-action 'self' http://127.0.0.1:8000" in policy
    refused = desk.authorize(response_mode="form_post", prompt="none", max_age="0")
    assert 'name="error" value="login_required"' in refused.text


class TestPrompt:
    def test_no_page_while_signed_in(self, desk, read):
        desk.sign_in()
        assert "code" in read.answer(desk.authorize())
        assert "code" in read.answer(desk.authorize(prompt="none"))

    def test_login_asks_again(self, desk):
        first = desk.claims(desk.tokens(max_age=3600))
        desk.clock.advance(100)
        page = desk.authorize(prompt="login", max_age=3600)
        assert page.status_code == 200
        assert 'value="stay"' not in page.text
        second = desk.claims(desk.tokens(prompt="login", max_age=3600))
        assert second["auth_time"] == first["auth_time"] + 100
        assert second["sid"] == first["sid"]

    def test_login_cannot_be_skipped_by_a_form(self, desk, read):
        desk.sign_in()
        page = desk.authorize(prompt="login")
        response = desk.choose(page, action="stay")
        assert response.status_code == 400
        assert len(desk.provider._state.codes) == 1

    def test_select_account_offers_to_stay(self, desk, read):
        before = desk.claims(desk.tokens(max_age=3600))
        desk.clock.advance(100)
        page = desk.authorize(prompt="select_account", max_age=3600)
        assert 'value="stay"' in page.text
        after = desk.claims(desk.redeem(read.answer(desk.choose(page, action="stay"))["code"]).json())
        assert after["auth_time"] == before["auth_time"]

    def test_another_account_is_another_session(self, desk):
        ada = desk.tokens()
        grace = desk.tokens("grace", prompt="select_account")
        assert desk.claims(grace)["sub"] == "grace"
        assert desk.claims(grace)["sid"] != desk.claims(ada)["sid"]
        assert desk.userinfo(ada).status_code == 401  # her session is over, and so are the tokens that hung on it
        assert desk.userinfo(grace).json()["sub"] == "grace"


class TestMaxAge:
    def test_older_means_a_page(self, desk, read):
        desk.sign_in()
        desk.clock.advance(60)
        assert desk.authorize(max_age=59).status_code == 200
        assert "code" in read.answer(desk.authorize(max_age=60))
        assert read.answer(desk.authorize(max_age=59, prompt="none"))["error"] == "login_required"

    def test_zero_always_means_a_page(self, desk, read):
        desk.sign_in()
        assert desk.authorize(max_age=0).status_code == 200
        assert read.answer(desk.authorize(max_age=0, prompt="none"))["error"] == "login_required"

    def test_a_session_ends_by_itself(self, desk, read):
        desk.sign_in()
        desk.clock.advance(8 * 3600 + 1)
        assert read.answer(desk.authorize(prompt="none"))["error"] == "login_required"


class TestHints:
    def test_login_hint_comes_first(self, desk):
        page = desk.authorize(login_hint="ALAN@example.org")
        assert page.text.index("Alan Turing") < page.text.index("Ada Lovelace")
        assert "Suggested" in page.text
        stranger = desk.authorize(login_hint='<x" onload=1>')
        assert 'value="&lt;x&#34; onload=1&gt;"' in stranger.text

    def test_id_token_hint_has_to_be_the_one_signed_in(self, desk, read):
        ada = desk.tokens()["id_token"]
        assert "code" in read.answer(desk.authorize(prompt="none", id_token_hint=ada))
        desk.sign_in("grace", prompt="login")
        assert read.answer(desk.authorize(prompt="none", id_token_hint=ada))["error"] == "login_required"
        page = desk.authorize(id_token_hint=ada)
        assert page.status_code == 200
        assert read.answer(desk.choose(page, "grace"))["error"] == "login_required"
        assert "code" in read.answer(desk.choose(desk.authorize(id_token_hint=ada), "ada"))

    def test_id_token_hint_may_be_old_and_of_an_old_key_but_must_be_ours(self, make_desk, read):
        desk = make_desk(keys=None)
        hint = desk.tokens()["id_token"]
        desk.provider.rotate_keys()
        desk.clock.advance(7200)
        assert "code" in read.answer(desk.authorize(prompt="none", id_token_hint=hint))
        desk.browser.get("/logout", params={"id_token_hint": hint})
        page = desk.authorize(id_token_hint=hint)
        for _ in range(3):
            desk.provider.rotate_keys()  # while the page is looked at
        assert "code" in read.answer(desk.choose(page))
        for forged in (
            hint[:-4] + "AAAA",
            hint.rsplit(".", 1)[0] + ".",
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.",
            make_desk(keys=None).tokens()["id_token"],
        ):
            assert read.answer(desk.authorize(prompt="none", id_token_hint=forged))["error"] == "invalid_request"

    def test_a_requested_subject_is_a_hint_as_well(self, desk, read):
        desk.sign_in()
        wanted = json.dumps({"id_token": {"sub": {"value": "grace"}}})
        assert read.answer(desk.authorize(prompt="none", claims=wanted))["error"] == "login_required"
        assert "code" in read.answer(desk.choose(desk.authorize(claims=wanted), "grace"))


class TestConsent:
    def test_is_asked_once_for_each_client_and_scope(self, make_desk, read):
        desk = make_desk(consent=True)
        page = desk.choose(desk.authorize())
        assert "Share your details with web?" in page.text
        assert read.answer(desk.authorize(prompt="none"))["error"] == "consent_required"
        allowed = desk.browser.post("/consent", data={"ticket": read.ticket(page), "action": "allow"})
        assert "code" in read.answer(allowed)
        assert "code" in read.answer(desk.authorize(prompt="none"))
        assert read.answer(desk.authorize(prompt="none", scope="openid groups"))["error"] == "consent_required"
        assert read.answer(desk.authorize(prompt="none", client_id="spa"))["error"] == "consent_required"
        assert read.answer(desk.authorize(prompt="none", claims='{"userinfo":{"phone_number":null}}'))["error"] == "consent_required"

    def test_may_be_refused(self, make_desk, read):
        desk = make_desk(consent=True)
        page = desk.choose(desk.authorize())
        refused = read.answer(desk.browser.post("/consent", data={"ticket": read.ticket(page), "action": "deny"}))
        assert (refused["error"], refused["state"], refused["iss"]) == ("access_denied", "the-state", read.issuer)
        assert len(desk.provider._state.codes) == 0
        again = desk.browser.post("/consent", data={"ticket": read.ticket(page), "action": "allow"})
        assert again.status_code == 400

    def test_prompt_consent_asks_although_it_is_off(self, desk, read):
        desk.sign_in()
        page = desk.authorize(prompt="consent")
        assert "Share your details with web?" in page.text
        assert "code" in read.answer(desk.browser.post("/consent", data={"ticket": read.ticket(page), "action": "allow"}))

    def test_belongs_to_who_saw_the_page(self, make_desk, read):
        desk = make_desk(consent=True)
        page = desk.choose(desk.authorize())
        desk.sign_in("grace", prompt="login")  # in another tab
        assert read.answer(desk.browser.post("/consent", data={"ticket": read.ticket(page), "action": "allow"}))["error"] == "access_denied"


class TestAcr:
    def test_the_wanted_one_that_is_supported(self, desk):
        assert desk.claims(desk.tokens())["acr"] == "urn:example:acr:password"
        assert desk.claims(desk.tokens(acr_values="gold urn:example:acr:multi-factor"))["acr"] == "urn:example:acr:multi-factor"
        wanted = '{"id_token": {"acr": {"essential": true, "values": ["gold", "urn:example:acr:multi-factor"]}}}'
        assert desk.claims(desk.tokens(claims=wanted))["acr"] == "urn:example:acr:multi-factor"

    def test_an_essential_one_that_is_not(self, desk, read):
        desk.sign_in()
        wanted = '{"id_token": {"acr": {"essential": true, "value": "gold"}}}'
        assert read.answer(desk.authorize(claims=wanted))["error"] == "unmet_authentication_requirements"
        assert "code" in read.answer(desk.authorize(acr_values="gold"))


def test_any_loopback_redirect_uri_is_a_switch_of_a_client(desk):
    def location(uri, client="dev"):
        return desk.authorize(client_id=client, redirect_uri=uri, prompt="none").headers.get("location")

    for uri in ("http://127.0.0.1:5000/cb", "http://localhost/", "https://[::1]:1/x?y=1", "http://127.9.9.9:8000"):
        assert location(uri).startswith(uri)
        assert location(uri, "web") is None
    for uri in (
        "http://127.0.0.1.evil.example/", "http://localhost@evil.example/", "http://localhost:80@evil.example/", "http://evil.example/#127.0.0.1",
        "http://localhost\\@evil.example/", "http://localhost\n.evil.example/", "http://127.1/", "http://localhost:8000/#x", "javascript://localhost/%0aalert(1)",
        "//localhost/", "http://localhost.", "ftp://localhost/", "http://ⓛocalhost/", " http://localhost/", "http://localhost/ x", "http://0x7f.1/",
    ):  # fmt: skip
        assert location(uri) is None, uri


def test_a_pkce_challenge_is_remembered_as_it_was_sent(desk, read):
    other = desk.code(code_challenge=code_challenge("w" * 43))
    assert desk.redeem(other).json()["error"] == "invalid_grant"
    assert desk.redeem(desk.code(code_challenge=code_challenge("w" * 43)), code_verifier="w" * 43).status_code == 200
