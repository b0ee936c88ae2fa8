"""SF-05: the cookies that name ended sessions; whom they end, how long they live, how many there are, and what garbage in their place does."""

import pytest

from oidc_middleware.sessions.cookies import cookie_label
from oidc_middleware.testing import Cookie, FakeClock
from tests.catalogue.helpers import cookie_named, landed, login_url
from tests.catalogue.helpers_ended import SIZES, TOUCH_DUE, arrive, assert_nobody, header, markers, on_its_way, sign_in, sign_out
from tests.catalogue.probe import send


@pytest.fixture(params=SIZES, ids=str)
def signed(stage, request):
    """A browser that just signed in."""
    return sign_in(stage, SIZES[request.param])


# -- whom the names do not end -------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("SF-05", "CK-18")
@pytest.mark.parametrize("later", [0, 0.4, 1, -50])
def test_the_same_user_signs_in_again_in_the_same_second_or_by_a_clock_behind(stage, signed, later):
    """The new session is another one to the letter, whatever the clock of the worker says that makes it."""
    sign_out(signed)
    for _ in range(3):
        behind = FakeClock(stage.clock.now() + later)
        worker = stage.worker(clock=behind)
        again = stage.browser(worker)
        again.cookies = signed.cookies
        assert landed(again.login(login_url("/start"))) == "/start"
        for app in (stage.app, worker):
            page = stage.browser(app)
            page.cookies = again.cookies.copy()
            assert stage.who(page) == "user-a"
        again.login(login_url("/start"))  # over it, too
        assert stage.who(again) == "user-a"
        again.post_form("/oidc/logout", follow=False)
        assert stage.who(again) is None


@pytest.mark.row("SF-05")
def test_sessions_of_other_browsers_of_the_same_user_live(stage, signed):
    other = sign_in(stage)
    late = on_its_way(stage, signed)
    sign_out(signed)
    arrive(stage, signed, late)
    assert (stage.who(signed), stage.who(other)) == (None, "user-a")
    carried = [f"{name}={cookie.value}; Path=/; Secure" for name, cookie in markers(stage, signed).items()]
    assert carried
    arrive(stage, other, carried)
    assert stage.who(other) == "user-a"


# -- the cookies themselves ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("SF-05", "CK-13")
def test_the_name_of_what_ended_is_no_secret_and_lives_as_long_as_the_session_might(stage, signed):
    session, began = stage.session_of(signed), stage.clock.now()
    late = on_its_way(stage, signed)
    page = sign_out(signed)
    ((name, cookie),) = markers(stage, signed).items()
    value, attributes = cookie_named(page.all("set-cookie"), name)
    assert attributes == {"path": "/", "httponly": "", "secure": "", "samesite": "Lax", "max-age": str(8 * 3_600 - TOUCH_DUE + 3_600 + 60)}
    assert (value, len(cookie.name + cookie.value) < 45) == ("1", True)
    assert not any(part in cookie.name for part in session.values())
    arrive(stage, signed, late)
    while stage.clock.now() < began + 9 * 3_600:
        assert stage.who(signed) is None
        stage.clock.advance(600)
    stage.clock.set(began + 8 * 3_600 + 3_600 + 60)
    assert header(stage, signed) == "", "and then there is nothing left of either"


@pytest.mark.row("SF-05", "CK-05")
def test_nine_sign_outs_leave_eight_names_and_the_ninth_holds(stage):
    browser, late = stage.browser(), []
    for _ in range(9):
        sign_in(stage, browser=browser)
        late.append(on_its_way(stage, browser))
        sign_out(browser)
        assert len(markers(stage, browser)) == min(len(late), 8)
    for cookies in late[1:]:
        arrive(stage, browser, cookies)
        assert_nobody(stage, browser)
    assert len(header(stage, browser)) < 2_500


@pytest.mark.row("SF-05", "CK-05")
@pytest.mark.parametrize("response_mode", ["query", "form_post"])
def test_whoever_never_signs_out_does_not_collect_them(stage, response_mode):
    """Each sign-in names the session before it, and sees those that are named already: also where it comes from the provider's page."""
    stage.restart(response_mode=response_mode)
    browser = stage.browser()
    for number in range(11):
        sign_in(stage, browser=browser)
        assert len(markers(stage, browser)) == min(number, 8)
        stage.clock.advance(1)
    assert len(header(stage, browser)) < 2_500
    assert browser.cookies.rejected == []


@pytest.mark.row("SF-05", "CK-05", "DS-01")
def test_all_our_cookies_together_keep_to_their_6_kb(stage):
    browser = stage.browser()
    for _ in range(8):
        sign_in(stage, browser=browser)
        sign_out(browser)
    for number in range(4):
        browser.start_login(f"/reports/{number}?" + "x" * 60)
    stage.provider.user = {"sub": "user-a", "groups": [f"group-{number:04}" * 4 for number in range(85)]}
    location = browser.start_login(login_url("/large"))
    assert landed(browser.finish_login(location)) == "/large"
    assert len(markers(stage, browser)) == 8
    sizes = {name: len(f"{name}={value}") for name, value in stage.session_of(browser).items()}
    assert sum(sizes.values()) > 4_900
    assert len(header(stage, browser)) <= 6_000, "a login that no longer fits gave way"


GARBAGE = ["", "x", "~~~~", "1" * 4_000, "a=b=c", '"quoted"', "\x80\xff", "%00", "1;"]


@pytest.mark.row("SF-05", "CK-02", "DS-04")
def test_garbage_in_their_place_ends_nobody_and_is_never_echoed(stage, signed):
    prefix = stage.session_name.removesuffix("_s") + "_e_"
    names = [
        prefix,
        prefix + "x",
        prefix + "A" * 12,
        prefix + "A" * 13,
        prefix + "/" * 12,
        prefix.removesuffix("_"),
        prefix + "=" * 12,
        prefix + "\xe9" * 12,
    ]
    session = header(stage, signed)
    for value in GARBAGE:
        cookie = "; ".join([*(f"{name}={value}" for name in names), session])
        assert send(signed, "/api", cookie=cookie).status == 200, value
        assert send(signed, "/oidc/session", cookie=cookie).status == 200
    flood = "; ".join([session, *(f"{prefix}{number:012}=1" for number in range(2_000))])
    assert send(signed, "/api", cookie=flood).status == 200
    page = send(
        signed, "/oidc/logout", method="POST", headers=[("Sec-Fetch-Site", "same-origin")], cookie=flood + "; " + cookie.removesuffix("; " + session)
    )
    assert page.status == 303
    lines = page.all("set-cookie")
    assert len(lines) < 60, "no more deletions than fit into the header of an answer"
    kept = [line for line in lines if line.startswith(prefix) and "Max-Age=0" not in line]
    assert len(kept) == 1
    assert all(line.isascii() and "/" not in line.partition("=")[0] for line in lines)


@pytest.mark.row("SF-05", "CK-08")
@pytest.mark.parametrize("planted", ["before", "after", "both"])
def test_a_name_that_stands_there_twice_counts_once_and_with_the_others(stage, signed, planted):
    late = on_its_way(stage, signed)
    sign_out(signed)
    ((name, _),) = markers(stage, signed).items()
    first = "; ".join(line.partition(";")[0] for line in late)
    others = f"{name}=; {name[:-12]}{'A' * 12}=1"
    cookie = {"before": f"{others}; {first}", "after": f"{first}; {others}", "both": f"{others}; {first}; {others}"}[planted]
    assert send(signed, "/api", cookie=cookie).status == 302
    assert send(signed, "/api", cookie=first).status == 200, "it is the name that ends it"
    disguised = f"{first}; x{name}=1; a=b{name}=1"
    assert send(signed, "/api", cookie=disguised).status == 200, "what only ends like the name is another cookie"


@pytest.mark.row("SF-05", "CK-20")
def test_the_names_of_another_app_on_the_host_are_not_ours(stage, signed):
    prefix = f"__Host-{cookie_label('another', '')}_e_"
    late = on_its_way(stage, signed)
    sign_out(signed)
    ((name, _),) = markers(stage, signed).items()
    signed.cookies.clear()
    arrive(stage, signed, late)
    signed.cookies.put(Cookie(prefix + name[-12:], "1", host="app.example.com", secure=True))
    assert prefix != name[:-12]
    assert stage.who(signed) == "user-a"
