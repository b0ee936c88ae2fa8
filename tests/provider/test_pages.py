"""The sign-in page: whose answer counts, and what may be typed in."""

import pytest


class TestPages:
    def test_an_answer_from_another_browser_counts_for_nothing(self, desk, read):
        page = desk.authorize()
        victim = desk.new_browser()
        for browser in (victim, desk.new_browser()):
            response = browser.post("/sign-in", data={"ticket": read.ticket(page), "user": "ada"})
            assert response.status_code == 400
            assert "set-cookie" not in response.headers
            browser.get("/authorize", params=desk.parameters())  # now with a cookie of its own
        assert victim.post("/sign-in", data={"ticket": read.ticket(page), "user": "ada"}).status_code == 400
        assert "code" in read.answer(desk.choose(page))

    def test_tabs_that_a_new_browser_opens_at_once_can_all_be_answered(self, desk, read):
        """None of them brings a cookie, each is given another name, and the last one stays."""
        tabs = [desk.new_browser().get("/authorize", params=desk.parameters(state=f"tab-{number}")) for number in range(3)]
        desk.browser.cookies = tabs[2].cookies
        form = {"user": "ada"}
        for site in ("cross-site", "same-site", "none"):
            refused = desk.browser.post("/sign-in", data={"ticket": read.ticket(tabs[0]), **form}, headers={"sec-fetch-site": site})
            assert refused.status_code == 400, "whoever answers from elsewhere is not the one who saw the page"
        for number in (1, 0, 2):
            answer = desk.browser.post("/sign-in", data={"ticket": read.ticket(tabs[number]), **form}, headers={"sec-fetch-site": "same-origin"})
            assert read.answer(answer)["state"] == f"tab-{number}"

    def test_counts_once(self, desk):
        page = desk.authorize()
        assert desk.choose(page).status_code == 303
        assert desk.choose(page).status_code == 400

    def test_expires(self, desk):
        page = desk.authorize()
        desk.clock.advance(1801)
        assert desk.choose(page).status_code == 400

    def test_needs_its_ticket(self, desk):
        desk.authorize()
        for form in ({}, {"ticket": "x"}, {"ticket": ""}):
            assert desk.browser.post("/sign-in", data={"user": "ada", **form}).status_code == 400

    def test_cancel_goes_back(self, desk, read):
        answer = read.answer(desk.choose(desk.authorize(), action="cancel"))
        assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", "the-state", read.issuer)
        assert read.answer(desk.authorize(prompt="none"))["error"] == "login_required"

    def test_an_unknown_user_is_told(self, desk):
        page = desk.choose(desk.authorize(), "nobody")
        assert page.status_code == 400
        assert "Choose one of the people below." in page.text

    def test_signing_in_changes_the_session_cookie(self, desk):
        def cookie():
            return next(cookie.value for cookie in desk.browser.cookies.jar if "session" in cookie.name)

        desk.sign_in()
        before = cookie()
        desk.sign_in(prompt="login")
        assert cookie() != before
        old = desk.new_browser()
        old.cookies.set(next(item.name for item in desk.browser.cookies.jar if "session" in item.name), before)
        assert "login_required" in old.get("/authorize", params=desk.parameters(prompt="none")).headers["location"]

    def test_a_cookie_that_came_twice_is_nobodys(self, desk):
        desk.sign_in()
        raw = "; ".join(f"{item.name}={item.value}" for item in desk.browser.cookies.jar)
        stranger = desk.new_browser()
        silent = desk.parameters(prompt="none")
        assert "code=" in stranger.get("/authorize", params=silent, headers={"cookie": raw}).headers["location"]
        assert "login_required" in stranger.get("/authorize", params=silent, headers={"cookie": f"{raw}; {raw}"}).headers["location"]

    def test_a_client_may_be_gone_meanwhile(self, desk):
        page = desk.authorize()
        del desk.provider.clients["web"]
        response = desk.choose(page)
        assert response.status_code == 400
        assert "location" not in response.headers


class TestFreeClaims:
    def test_signs_in_as_anybody(self, desk, read):
        form = {"action": "free", "sub": "emmy", "claims": '{"name": "Emmy Noether", "email": "emmy@example.com", "level": 9, "groups": ["algebra"]}'}
        code = read.answer(desk.choose(desk.authorize(), **form))["code"]
        tokens = desk.redeem(code).json()
        assert desk.claims(tokens)["sub"] == "emmy"
        claims = desk.userinfo(tokens).json()
        assert claims == {"sub": "emmy", "name": "Emmy Noether", "email": "emmy@example.com", "level": 9}  # groups: another scope

    @pytest.mark.parametrize(
        ("sub", "claims", "told"),
        [
            ("emmy", "{nope", "one JSON object"),
            ("emmy", "[1]", "one JSON object"),
            ("emmy", '{"a": 1, "a": 2}', "one JSON object"),
            ("emmy", '{"sub": "ada"}', "cannot set sub"),
            ("emmy", '{"iss": "https://evil.example", "aud": "x"}', "cannot set aud, iss"),
            ("", "{}", "1 to 255"),
            ("é", "{}", "1 to 255"),
            ("x" * 256, "{}", "1 to 255"),
            ("emmy", '{"x": "' + "y" * 16_384 + '"}', ""),
        ],
    )
    def test_refuses_and_keeps_what_was_typed(self, desk, sub, claims, told):
        page = desk.choose(desk.authorize(), action="free", sub=sub, claims=claims)
        assert page.status_code == 400
        assert told in page.text
        assert "location" not in page.headers
        assert len(desk.provider._state.sessions) == 0

    def test_can_be_switched_off(self, make_desk):
        desk = make_desk(free_claims=False)
        page = desk.authorize()
        assert "any claims" not in page.text
        assert desk.choose(page, action="free", sub="emmy", claims="{}").status_code == 400
