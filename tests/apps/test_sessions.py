"""What a session is and is not: how large, whose keys, how old, and what a stolen copy is worth."""

import re

import pytest

from tests.apps.kit import BASE_URL, SECRET_KEY, Place
from tests.conformance.party import codes_on


def groups(count):
    return [f"{number:08x}-0000-4000-8000-{number * 7919:012x}" for number in range(count)]


def size(browser):
    return sum(len(cookie.name) + len(cookie.value) for cookie in browser.cookies)


@pytest.mark.session_cookies
@pytest.mark.row("CK-04", "CK-05")
def test_a_large_account_is_split_over_cookies_and_shrinks_again(place):
    place.provider.user["groups"] = groups(60)
    browser = place.browser()
    assert browser.login("/who").json()["groups"] == groups(60)
    large = [cookie.name for cookie in browser.cookies if re.search(r"oidc_.{8}_s", cookie.name)]
    assert len(large) > 1
    assert size(browser) <= 6_000
    assert all(len(cookie.name) + len(cookie.value) <= 4_096 for cookie in browser.cookies)
    place.provider.user["groups"] = ["staff"]
    browser.login("/oidc/login?return_to=/who")
    assert browser.fetch("/who").json()["groups"] == ["staff"]
    assert len([cookie.name for cookie in browser.cookies if re.search(r"oidc_.{8}_s", cookie.name)]) < len(large)


@pytest.mark.session_cookies
@pytest.mark.row("CK-01")
def test_parts_of_two_sessions_make_none(place):
    sessions = []
    for subject in ("one", "two"):
        place.provider.user |= {"sub": subject, "groups": groups(60)}
        sessions.append(place.signed_in())
    first, second = ({cookie.name: cookie for cookie in browser.cookies if "_s" in cookie.name} for browser in sessions)
    assert list(first) == list(second)
    for name in first:
        mixed = sessions[0].twin()
        mixed.cookies.put(second[name])
        assert mixed.fetch("/who").status == 401
        incomplete = sessions[0].twin()
        incomplete.cookies.receive(BASE_URL, [f"{name}=; Path=/; Secure; Max-Age=0"], place.clock.now())
        assert incomplete.fetch("/who").status == 401
    assert sessions[0].fetch("/who").json()["sub"] == "one"


@pytest.mark.session_cookies
@pytest.mark.row("CK-05", "F-PR-15")
@pytest.mark.parametrize("count", [250, 1000])
def test_too_many_groups(place, caplog, count):
    place.provider.user["groups"] = groups(count)
    browser = place.browser()
    page = browser.login("/who")
    assert (page.status, codes_on(page)) == (400, ["session_too_large"])
    assert len(browser.cookies) == 0
    assert browser.fetch("/who").status == 401
    record = next(record for record in caplog.records if getattr(record, "code", "") == "session_too_large")
    assert "session_claims" in record.getMessage()


@pytest.mark.row("CK-05")
def test_the_operator_can_choose_the_claims(framework):
    place = Place(framework, session_claims=["email", "name"])
    place.provider.user["groups"] = groups(1000)
    who = place.signed_in().fetch("/who").json()
    assert (who["email"], who["groups"]) == ("user@example.com", [])


@pytest.mark.row("CK-16", "F-PR-03")
def test_secrets_rotate_without_anybody_noticing(place):
    old, new = SECRET_KEY, "canary-new-secret-key-0123456789-abcdefgh"
    browser = place.signed_in()
    pending = browser.start_login("/oidc/login?return_to=/deep/x")

    def restart(*keys):
        from oidc_middleware.testing import Browser

        place.app = place.build(secret_key=list(keys))
        again = Browser(place.app, base_url=BASE_URL, provider=place.provider, clock=place.clock)
        again.cookies = browser.cookies
        return again

    browser = restart(new, old)
    assert browser.fetch("/who").status == 200
    assert browser.finish_login(pending).status == 200
    fresh = browser.cookies.copy()
    browser = restart(new)
    assert browser.fetch("/who").status == 200
    browser = restart(old)
    browser.cookies = fresh
    assert browser.fetch("/who").status == 401
    assert len(browser.cookies) == len(fresh), "a cookie that another worker can read was deleted"


@pytest.mark.row("F-PR-01", "PK-06")
def test_another_worker_finishes_what_one_began(place):
    browser = place.browser()
    location = browser.start_login("/deep/x")
    from oidc_middleware.testing import Browser

    second = Browser(place.build(), base_url=BASE_URL, provider=place.provider, clock=place.clock)
    second.cookies = browser.cookies
    page = second.finish_login(location)
    assert (page.status, page.url) == (200, f"{BASE_URL}/deep/x")


@pytest.mark.row("CK-18", "F-PR-10")
@pytest.mark.parametrize("step", [-1, -55, 55])
def test_small_steps_of_the_clock_do_nothing(place, step):
    browser = place.signed_in()
    place.clock.advance(step)
    assert browser.fetch("/who").status == 200
    location = browser.start_login("/oidc/login?return_to=/deep/x")
    place.clock.advance(step)
    assert browser.finish_login(location).status == 200


@pytest.mark.row("CK-22", "PK-06")
def test_nothing_readable_is_in_the_cookies(place):
    from base64 import urlsafe_b64decode

    browser = place.browser()
    location = browser.start_login("/deep/secret-path")
    before = [cookie.value for cookie in browser.cookies]
    browser.finish_login(location)
    for value in [*before, *(cookie.value for cookie in browser.cookies)]:
        decoded = b"".join(urlsafe_b64decode(part + "==") for part in value.split(".") if len(part) % 4 != 1)
        for text in ("secret-path", "user@example.com", "user-subject", "Demo", *place.provider.secrets):
            assert text not in value
            assert text.encode() not in decoded


@pytest.mark.row("CK-19", "ST-05")
def test_a_cookie_of_one_purpose_is_none_of_another(place):
    browser = place.browser()
    location = browser.start_login("/deep/x")
    (pending,) = list(browser.cookies)
    done = place.signed_in()
    session = next(cookie for cookie in done.cookies if cookie.name.endswith("_s"))
    pending_name, session_name = pending.name, session.name
    pending.name = session_name
    thief = place.browser()
    thief.cookies.put(pending)
    assert thief.fetch("/who").status == 401
    session.name = pending_name
    browser.cookies.clear()
    browser.cookies.put(session)
    page = browser.finish_login(location)
    assert page.status == 400
    assert len(place.provider.received("token")) == 1
