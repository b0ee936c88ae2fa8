"""The cookie jar: what a browser stores, sends and refuses."""

import pytest

from oidc_middleware.testing import Cookie, CookieJar

HTTPS = "https://app.example.com/dir/page"
NOW = 1000.0


def received(header, url=HTTPS):
    jar = CookieJar()
    jar.receive(url, [header], NOW)
    return jar


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("__Host-a=1; Path=/", "prefix without Secure"),
        ("__Host-a=1; Secure", "__Host- with a Domain or another Path"),
        ("__Host-a=1; Secure; Path=/dir", "__Host- with a Domain or another Path"),
        ("__Host-a=1; Secure; Path=/; Domain=app.example.com", "__Host- with a Domain or another Path"),
        ("__hOsT-a=1; Path=/", "prefix without Secure"),
        ("__Secure-a=1; Path=/", "prefix without Secure"),
        ("a=1; Domain=evil.example", "Domain of another host"),
        ("a=1; SameSite=None", "SameSite=None without Secure"),
        ("a=" + "x" * 4096, "too large"),
        ("a=1\x00; Path=/", "control character"),
        ("=", "empty"),
    ],
)
def test_refused(header, reason):
    jar = received(header)
    assert jar.rejected == [(header, reason)]
    assert jar.header(HTTPS, NOW) == ""


def test_secure_needs_https_or_loopback():
    assert received("a=1; Secure", "http://app.example.com/").rejected
    jar = received("a=1; Secure", "http://localhost:8000/")
    assert jar.header("http://localhost:8000/", NOW) == "a=1"
    jar = received("a=1; Secure; Path=/")
    assert jar.header("http://app.example.com/", NOW) == ""
    assert jar.header("https://app.example.com/", NOW) == "a=1"


def test_path_decides():
    jar = received("a=1; Path=/dir")
    assert [jar.header(f"https://app.example.com{path}", NOW) for path in ("/dir", "/dir/x", "/dirx", "/")] == ["a=1", "a=1", "", ""]
    assert received("a=1").header("https://app.example.com/dir/other", NOW) == "a=1"


def test_longer_paths_and_older_cookies_come_first():
    jar = CookieJar()
    jar.receive(HTTPS, ["root=1; Path=/", "second=2; Path=/", "deep=3; Path=/dir"], NOW)
    jar.receive(HTTPS, ["root=9; Path=/"], NOW)
    assert jar.header(HTTPS, NOW) == "deep=3; root=9; second=2"


def test_domain_cookies_reach_subdomains_and_host_only_ones_do_not():
    jar = CookieJar()
    jar.receive("https://example.com/", ["wide=1; Domain=example.com; Path=/", "narrow=2; Path=/"], NOW)
    assert jar.header("https://app.example.com/", NOW) == "wide=1"
    assert jar.header("https://notexample.com/", NOW) == ""


def test_max_age_wins_over_expires_and_runs_out():
    jar = received("a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60")
    assert jar.header(HTTPS, NOW + 59) == "a=1"
    assert jar.header(HTTPS, NOW + 60) == ""
    assert len(jar) == 0


@pytest.mark.parametrize("deletion", ["a=; Path=/; Max-Age=0", "a=; Path=/; Max-Age=-5", "a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"])
def test_deletion(deletion):
    jar = received("a=1; Path=/")
    jar.receive(HTTPS, [deletion], NOW)
    assert len(jar) == 0


def test_deletion_with_another_path_deletes_nothing():
    jar = received("a=1; Path=/")
    jar.receive(HTTPS, ["a=; Path=/dir; Max-Age=0"], NOW)
    assert jar.get("a") == "1"


def test_same_site():
    jar = CookieJar()
    jar.receive(HTTPS, ["l=1; SameSite=Lax; Path=/", "s=2; SameSite=Strict; Path=/", "n=3; SameSite=None; Secure; Path=/", "d=4; Path=/"], NOW)
    assert jar.header(HTTPS, NOW) == "l=1; s=2; n=3; d=4"
    assert jar.header(HTTPS, NOW, cross_site=True) == "l=1; n=3; d=4"
    assert jar.header(HTTPS, NOW, cross_site=True, top_level_safe=False) == "n=3"


def test_a_copy_is_independent_and_a_planted_cookie_is_sent():
    jar = received("a=1; Path=/")
    twin = jar.copy()
    twin.put(Cookie("b", "2", "app.example.com"))
    assert twin.header(HTTPS, NOW) == "a=1; b=2"
    assert jar.header(HTTPS, NOW) == "a=1"


def test_the_oldest_of_181_cookies_is_evicted():
    jar = CookieJar()
    jar.receive(HTTPS, [f"c{number}=x; Path=/" for number in range(181)], NOW)
    assert len(jar) == 180
    assert jar.get("c0") is None
    assert jar.get("c180") == "x"
