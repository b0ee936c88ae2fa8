"""SF-05 with sessions in cookies: what was signed out, or replaced, never comes back with an answer that was on its way (also SF-03, LO-09).

Nothing on the server knows of these sessions. What ended is named in the browser itself, each in a small cookie of its own, and every place that
reads the session cookie looks there first.
"""

import asyncio

import pytest

from oidc_middleware.testing import Cookie, Sent, run_async
from tests.catalogue.helpers import BASE_URL, Stage, login_url
from tests.catalogue.helpers_ended import SIZES, TOUCH_DUE, arrive, assert_nobody, header, markers, on_its_way, sign_in, sign_out
from tests.catalogue.probe import probe, send
from tests.catalogue.test_ws_open import Socket, echoing, settled
from tests.conformance.backchannel import signs_in

PLACES = {"cookie": {}, "cookie and list": {"revocation": "memory://"}}


@pytest.fixture(params=SIZES, ids=str)
def signed(stage, request):
    """A browser that just signed in."""
    return sign_in(stage, SIZES[request.param])


# -- sign-out ------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("SF-05", "LO-09")
@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_an_answer_that_comes_after_the_sign_out_brings_nothing_back(stage, place, size):
    stage.restart(**PLACES[place])
    browser, bystander = sign_in(stage, SIZES[size]), sign_in(stage, sub="user-b")
    late = on_its_way(stage, browser)
    stage.clock.advance(1)
    sign_out(browser)
    assert stage.session_of(browser) == {}
    arrive(stage, browser, late)
    assert len(stage.session_of(browser)) == len(late), "the browser has taken it"
    for app in (None, stage.worker()):
        assert_nobody(stage, browser, app)
    sign_out(browser)
    assert_nobody(stage, browser)
    arrive(stage, browser, late)  # whatever else was under way
    assert_nobody(stage, browser)
    assert stage.who(bystander) == "user-b", "nobody else was signed out"
    sign_in(stage, SIZES[size], browser=browser)
    assert stage.who(browser) == "user-a", "and signing in again is all it takes"
    stage.assert_nothing_leaked()


@pytest.mark.row("SF-05")
def test_an_answer_that_comes_before_the_sign_out_is_ended_with_the_session(stage, signed):
    """The sign-out was sent with the cookie as it was, and what it names is every later version of that session."""
    stage.clock.advance(TOUCH_DUE)
    left = send(signed, "/oidc/logout", method="POST", headers=[("Sec-Fetch-Site", "same-origin"), ("Origin", BASE_URL)])
    arrive(stage, signed, send(signed, "/api").all("set-cookie"))
    stage.clock.advance(TOUCH_DUE)
    again = send(signed, "/api").all("set-cookie")
    assert again
    arrive(stage, signed, left.all("set-cookie"))
    assert stage.session_of(signed) == {}
    arrive(stage, signed, again)
    assert_nobody(stage, signed)


@pytest.mark.row("SF-05")
def test_of_a_session_in_parts_no_part_brings_it_back(stage):
    browser = sign_in(stage, 70)
    late = on_its_way(stage, browser)
    sign_out(browser)
    for part in late:
        arrive(stage, browser, [part])
        assert_nobody(stage, browser)
    sign_in(stage, browser=browser)
    arrive(stage, browser, late[1:])
    assert stage.who(browser) == "user-a", "the last part alone is nothing"


@pytest.mark.row("SF-05", "LO-09")
def test_a_session_whose_time_was_up_in_the_tab_that_signs_out(stage, signed):
    """Another tab has used it since, and its answer is late: the sign-out ends that, too. Past the absolute end there is nothing to name."""
    late = on_its_way(stage, signed)
    stage.clock.advance(3_600 - TOUCH_DUE)
    assert stage.who(signed) is None
    sign_out(signed)
    arrive(stage, signed, late)
    assert_nobody(stage, signed)
    other = sign_in(stage)
    cookie = header(stage, other)
    stage.clock.advance(8 * 3_600 + 3_600 + 60)
    page = send(other, "/oidc/logout", method="POST", headers=[("Sec-Fetch-Site", "same-origin")], cookie=cookie)
    assert [line for line in page.all("set-cookie") if "Max-Age=0" not in line] == []


@pytest.mark.row("SF-05")
def test_a_worker_that_remembers_the_session_is_not_fooled(stage, signed):
    """It has let this very cookie in before; the name of what ended, beside it, is another Cookie header, and is read."""
    late = on_its_way(stage, signed)
    copy = signed.twin()
    arrive(stage, copy, late)
    for _ in range(3):
        assert stage.who(copy) == "user-a"
    sign_out(signed)
    arrive(stage, signed, late)
    assert_nobody(stage, signed)
    assert stage.who(copy) == "user-a", "a copy without that name lives, as docs/security.md says"


@pytest.mark.row("SF-05")
def test_at_a_public_path_a_session_that_ended_is_a_stranger(stage):
    calls = probe(stage, public=["/open"])
    browser = stage.browser()
    browser.login("/start")
    late = on_its_way(stage, browser, "/open")
    sign_out(browser)
    arrive(stage, browser, late)
    for _ in range(3):
        assert browser.fetch("/open").status == 200
        assert not calls[-1].user.is_authenticated
    stranger = stage.browser()
    assert stranger.fetch("/open").status == 200


@pytest.mark.row("SF-05")
def test_two_sign_outs_that_do_not_know_of_each_other(stage, signed):
    """The answer to the first sign-out is late; meanwhile somebody signed in and out again. Neither name is lost with the other."""
    first_late = on_its_way(stage, signed)
    first = send(signed, "/oidc/logout", method="POST", headers=[("Sec-Fetch-Site", "same-origin")])
    sign_in(stage, sub="user-b", browser=signed)
    second_late = on_its_way(stage, signed)
    sign_out(signed)
    arrive(stage, signed, first.all("set-cookie"))
    for late in (first_late, second_late):
        arrive(stage, signed, late)
        assert_nobody(stage, signed)
        sign_out(signed)


@pytest.mark.row("SF-05", "ST-14")
def test_with_a_callback_from_another_site_it_is_the_same(caplog):
    """Signing out is asked for by this site, and so comes with the session; whatever mode the callback has."""
    for shell in ("asgi", "wsgi"):
        stage = Stage(shell, caplog)
        stage.restart(response_mode="form_post")
        browser = stage.browser()
        assert browser.login("/start").status == 200
        late = on_its_way(stage, browser)
        sign_out(browser)
        arrive(stage, browser, late)
        assert_nobody(stage, browser)


@pytest.mark.row("SF-05", "LO-06")
@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("idle", [False, True])
def test_a_session_that_the_providers_page_ended_stays_so(stage, place, idle):
    stage.restart(**PLACES[place])
    ada, bob = signs_in(stage, "ada", "session-ada"), signs_in(stage, "bob", "session-bob")
    late, bobs = on_its_way(stage, ada), on_its_way(stage, bob)
    if idle:
        stage.clock.advance(3_600 - 2 * TOUCH_DUE)
        assert stage.who(ada) is None, "by the cookie that it has"
    path = f"/oidc/frontchannel-logout?iss={stage.provider.issuer}&sid=session-ada"
    for browser, cookies in ((ada, late), (bob, bobs)):
        page = browser.navigate(path)
        assert page.status == 200
        arrive(stage, browser, cookies)
    assert_nobody(stage, ada)
    assert (stage.who(bob), markers(stage, bob)) == ("bob", {}), "his session is another one"


# -- WebSockets ----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("SF-05", "WS-01")
def test_a_handshake_with_a_session_that_ended_is_refused(caplog):
    stage = Stage("asgi", caplog)
    calls = probe(stage, public=["/open"])
    browser = stage.browser()
    browser.login("/start")
    assert browser.websocket("/ws")[0]["type"] == "websocket.accept"
    late = on_its_way(stage, browser)
    sign_out(browser)
    arrive(stage, browser, late)
    calls.clear()
    (start, *_) = browser.websocket("/ws")
    assert (start["type"], start["status"], calls) == ("websocket.http.response.start", 403, [])
    assert browser.websocket("/open")[0]["type"] == "websocket.accept"
    assert not calls[-1].user.is_authenticated


@pytest.mark.row("SF-05", "WS-03")
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_an_open_socket_ends_with_a_session_whose_cookie_had_idled_away(caplog, place):
    """The socket is use enough, so it lives longer than the cookie; signing out ends it all the same."""
    stage = Stage("asgi", caplog)
    echoing(stage, [], **PLACES[place])
    browser = stage.browser()
    browser.login("/start")
    stage.clock.advance(1)
    other = stage.browser()
    other.login("/start")

    async def scenario():
        mine, theirs = Socket(stage, browser), Socket(stage, other)
        await settled()
        stage.clock.advance(3_700)
        headers = (("host", "app.example.com"), ("origin", BASE_URL), ("sec-fetch-site", "same-origin"), ("content-length", "0"), ("cookie", cookie))
        page = await browser._sites[0][1].call(Sent("POST", BASE_URL + "/oidc/logout", headers=headers))
        assert page.status == 303
        await settled()
        assert (mine.closed, theirs.closed) == ([4401], [])
        theirs.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.gather(mine.task, theirs.task)

    cookie = header(stage, browser)
    run_async(scenario())


# -- somebody else signs in ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("SF-05", "SF-03")
@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("before", SIZES, ids=str)
@pytest.mark.parametrize("after", SIZES, ids=str)
@pytest.mark.parametrize("response_mode", ["query", "form_post"])
def test_whoever_signs_in_over_a_session_never_is_the_one_before(stage, place, before, after, response_mode):
    """The answer for the old session comes after the sign-in. All it can do is to ask for another sign-in.

    With ``form_post`` the callback is sent by the provider's page, and the browser keeps the session's cookie from it.
    """
    stage.restart(response_mode=response_mode, **PLACES[place])
    browser = sign_in(stage, SIZES[before])
    late = on_its_way(stage, browser)
    sign_in(stage, SIZES[after], sub="user-b", browser=browser)
    assert stage.who(browser) == "user-b"
    mine = stage.session_of(browser)
    for part in late:
        arrive(stage, browser, [part])
        assert stage.who(browser) in (None, "user-b")
    assert_nobody(stage, browser)
    arrive(stage, browser, [f"{name}={value}; Path=/; Secure" for name, value in mine.items()])
    assert stage.who(browser) == "user-b", "the new session itself was not ended"


@pytest.mark.row("SF-05", "SF-03")
def test_with_form_post_each_session_is_known_to_the_next_sign_in(stage):
    """Also one whose ID token did not fit, and one that was used since; garbage where that is known is worth nothing."""
    stage.restart(response_mode="form_post")
    stage.provider.claims_in_id_token = True
    browser, late = stage.browser(), []
    for groups in (0, 60, 0):
        sign_in(stage, groups, browser=browser)
        for _ in range(2):
            arrive(stage, browser, cookies := on_its_way(stage, browser))
        late.append(cookies)
        late.append(on_its_way(stage, browser))
    sign_in(stage, sub="user-b", browser=browser)
    assert len(markers(stage, browser)) == 3
    mine = [f"{name}={value}; Path=/; Secure" for name, value in stage.session_of(browser).items()]
    for cookies in late:
        arrive(stage, browser, cookies)
        assert_nobody(stage, browser)
    arrive(stage, browser, mine)
    assert stage.who(browser) == "user-b"
    known = stage.session_name.removesuffix("_s") + "_c"
    for value in ("", "x", "A" * 13, "/" * 12, '"' + "A" * 10 + '"', "\xe9" * 12):
        browser.cookies.put(Cookie(known, value, host="app.example.com", secure=True, same_site="none"))
        sign_in(stage, sub="user-b", browser=browser)
        assert (stage.who(browser), len(markers(stage, browser))) == ("user-b", 3)


@pytest.mark.row("SF-05", "SF-03")
def test_a_sign_in_that_fails_ends_nothing(stage, signed):
    location = signed.start_login(login_url("/x"))
    stage.provider.script("token", status=500)
    assert signed.finish_login(location).status == 503
    assert (stage.who(signed), markers(stage, signed)) == ("user-a", {})


@pytest.mark.row("SF-05")
def test_a_first_sign_in_names_nothing(stage, signed):
    assert markers(stage, signed) == {}
