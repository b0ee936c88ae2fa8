"""Endpoints: catalogue DI-02, JW-05; RFC 6749 3.1."""

import pytest

from oidc_middleware.protocol.urls import endpoint_problem, is_loopback_host, origin_of, with_query


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Login.Example.com/a?b#c", "https://login.example.com"),
        ("https://login.example.com:443", "https://login.example.com"),
        ("HTTPS://login.example.com:8443/", "https://login.example.com:8443"),
        ("http://localhost:80/x", "http://localhost"),
        ("http://[::1]:8000/x", "http://[::1]:8000"),
        ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
    ],
)
def test_origin_has_one_spelling(url, origin):
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url", ["", "/a", "//a.example", "ftp://a.example", "https://", "https://a b", "https://a@b.example", "https://a.example:99999"]
)
def test_origin_of_anything_else_is_an_error(url):
    with pytest.raises(ValueError):
        origin_of(url)


@pytest.mark.row("DI-02")
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.10", "::1", "0:0:0:0:0:0:0:1"])
def test_loopback_hosts(host):
    assert is_loopback_host(host)


@pytest.mark.row("DI-02")
@pytest.mark.parametrize(
    "host",
    ["", "localhost.", "localhost.example.com", "a.localhost", "127.1", "0x7f.0.0.1", "2130706433", "0177.0.0.1", "127.0.0.1.nip.io", "0.0.0.0",
     "::ffff:127.0.0.1", "::", "128.0.0.1", "10.0.0.1", "localhost:80@attacker", "127.0.0.1%25", "::1%lo"],
)  # fmt: skip
def test_everything_else_is_not_this_machine(host):
    assert not is_loopback_host(host)


@pytest.mark.row("DI-02", "JW-05")
@pytest.mark.parametrize(
    "url",
    ["https://login.example.com/token", "https://login.example.com:8443/a/b?tenant=x&y", "https://[2001:db8::1]/t", "http://localhost/token",
     "http://127.0.0.1:9000/token", "http://[::1]:9000/token", "http://LOCALHOST:9000", "https://xn--e1afmkfd.example/t",
     "https://under_score.example/"],
)  # fmt: skip
def test_safe_endpoints(url):
    assert endpoint_problem(url) is None


@pytest.mark.row("DI-02", "JW-05")
@pytest.mark.parametrize(
    "url",
    ["http://login.example.com/token", "http://localhost.example.com/", "http://127.0.0.1.nip.io/", "http://127.1/", "http://[::ffff:127.0.0.1]/",
     "http://localhost:80@attacker.example/", "http://localhost@attacker.example/", "https://user:pw@login.example.com/",
     "https://@login.example.com/",
     "https://login.example.com/#x", "https://login.example.com/#", "file:///etc/passwd", "ftp://login.example.com/", "/token",
     "//login.example.com/t",
     "login.example.com/token", "", "https:///token", "https://:443/", "https:login.example.com", "https://login.example.com:port/",
     "https://a:99999/",
     "https://login.example.com:/t", "https://login.example.com\\@evil/", "https://login.example.com/a b", "https://login.example.com/\n",
     "https://a\tb/",
     "https://login.example.com/é", "https://login.exämple.com/", "https://[::1/", "https://[v1.x]/", "https://a]b/", "https://-a.example/",
     "https://a..b/",
     "https://a%2eb/", "https://[fe80::1%25eth0]/", " https://login.example.com/", "https://login.example.com/" + "a" * 9000, "javascript:alert(1)",
     "http://localhost./"],
)  # fmt: skip
def test_unsafe_endpoints_are_named(url):
    problem = endpoint_problem(url)
    assert problem
    assert "evil" not in problem
    assert "attacker" not in problem


@pytest.mark.row("DI-02")
def test_insecure_http_needs_its_own_switch_and_opens_nothing_else():
    assert endpoint_problem("http://login.example.com/token") == "is not https"
    assert endpoint_problem("http://login.example.com/token", allow_insecure_http=True) is None
    assert endpoint_problem("http://a@login.example.com/token", allow_insecure_http=True)
    assert endpoint_problem("ftp://login.example.com/token", allow_insecure_http=True)


def test_with_query_keeps_the_own_query_and_sets_each_name_once():
    url = with_query("https://op/a?tenant=x%20y&st%61te=evil&state=evil&flag&&q=a+b", {"state": "s p", "r": "ä&="})
    assert url == "https://op/a?tenant=x%20y&flag&q=a+b&state=s%20p&r=%C3%A4%26%3D"
    assert with_query("https://op/a", {"a": "b"}) == "https://op/a?a=b"
