"""Answers that prolong a session in a cookie and arrive late, and what has to be true of a browser afterwards (SF-05)."""

from tests.catalogue.helpers import BASE_URL, codes_on, landed, login_url
from tests.catalogue.probe import send

#: A session of the usual size, and one that takes two cookies.
SIZES = {"one cookie": 0, "in parts": 70}
TOUCH_DUE = 901


def sign_in(stage, groups=0, sub="user-a", browser=None):
    stage.provider.user = {"sub": sub, "name": sub, "email": f"{sub}@example.com", "groups": [f"group-{number:04}" * 4 for number in range(groups)]}
    browser = browser or stage.browser()
    assert landed(browser.login(login_url("/start"))) == "/start"
    # A form post from the provider's page does not see what was there, and a last part that is of no use any more may stay.
    assert len(stage.session_of(browser)) == (2 if groups else 1) or stage.rp.settings.response_mode == "form_post"
    return browser


def on_its_way(stage, browser, path="/api"):
    """The cookies of an answer of the app that prolongs the session, and has not arrived."""
    stage.clock.advance(TOUCH_DUE)
    page = send(browser, path)
    assert page.status == 200
    cookies = page.all("set-cookie")
    assert {cookie.partition("=")[0] for cookie in cookies} == set(stage.session_of(browser)), "the session is prolonged, all of it"
    return cookies


def arrive(stage, browser, cookies):
    browser.cookies.receive(BASE_URL + "/x", cookies, stage.clock.now())


def sign_out(browser):
    page = browser.post_form("/oidc/logout", follow=False)
    assert page.status == 303
    return page


def markers(stage, browser):
    prefix = stage.session_name.removesuffix("_s") + "_e_"
    return {cookie.name: cookie for cookie in browser.cookies if cookie.name.startswith(prefix)}


def header(stage, browser):
    return browser.cookies.header(BASE_URL + "/x", stage.clock.now())


def assert_nobody(stage, browser, app=None):
    """The application is not called, whatever is asked of whom, and the front end hears that nobody is there."""
    other = browser.twin() if app is None else stage.browser(app)
    other.cookies = browser.cookies.copy()
    seen = len(stage.seen)
    for path in ("/api", "/oidc/session"):
        assert (other.fetch(path).status, codes_on(other.history[-1])) == (401, ["login_required"])
    page = other.navigate("/page", follow=False)
    assert page.status == 302
    assert page.location.startswith(stage.provider.issuer)
    assert len(stage.seen) == seen
