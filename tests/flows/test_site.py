"""Which address is ours."""

import pytest

from oidc_middleware.errors import LoginError
from oidc_middleware.sessions.sealing import BrokenSeal
from tests.flows.hand import party, request

FREE = {"base_url": None, "allowed_hosts": ["dash.example.com", "other.example.com:8443"]}


def site_of(rp, **fields):
    headers = fields.pop("headers", {})
    return rp.sites.of(request(headers=headers, **fields))


@pytest.mark.row("RD-14", "HD-12")
@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "dash.example.com.evil.example", "dash.example.com@evil", "", " ", "a b", "[::1", "dash.example.com:x", "-",
        "dash.example.com/", "evil%2eexample", "\xe9vil",
    ],
)  # fmt: skip
def test_a_foreign_or_unusable_host_is_refused(host):
    with pytest.raises(LoginError) as caught:
        site_of(party(**FREE), headers={"host": host})
    assert caught.value.code == "host_not_allowed"


@pytest.mark.row("HD-12")
def test_no_host_and_two_hosts_are_refused():
    for hosts in ([], ["dash.example.com", "evil.example"]):
        with pytest.raises(LoginError):
            site_of(party(**FREE), headers={"host": hosts})


@pytest.mark.parametrize(
    ("host", "scheme", "origin"),
    [
        ("dash.example.com", "https", "https://dash.example.com"),
        ("DASH.example.com:444", "https", "https://dash.example.com:444"),
        ("other.example.com:8443", "https", "https://other.example.com:8443"),
        ("localhost:8000", "http", "http://localhost:8000"),
        ("127.0.0.1:8000", "http", "http://127.0.0.1:8000"),
        ("[::1]:8000", "http", "http://[::1]:8000"),
    ],
)
def test_allowed_and_loopback_hosts_are_ours(host, scheme, origin):
    site = site_of(party(**FREE), headers={"host": host}, scheme=scheme)
    assert site.origin == origin
    assert site.redirect_uri == f"{origin}/oidc/callback"
    assert site.secure is (scheme == "https")


@pytest.mark.row("CK-15")
def test_plain_http_is_for_loopback():
    with pytest.raises(LoginError) as caught:
        site_of(party(**FREE), headers={"host": "dash.example.com"}, scheme="http")
    assert caught.value.code == "insecure_transport"
    assert site_of(party(**FREE, insecure_allow_http=True), headers={"host": "dash.example.com"}, scheme="http").secure is False


@pytest.mark.row("RD-14")
def test_a_base_url_wins_over_every_host():
    site = site_of(party(base_url="https://app.example.com/dash"), headers={"host": "evil.example", "x-forwarded-host": "evil.example"})
    assert (site.origin, site.mount, site.redirect_uri) == ("https://app.example.com", "/dash", "https://app.example.com/dash/oidc/callback")


@pytest.mark.row("HD-06", "RD-14")
def test_forwarded_headers_of_strangers_do_not_count():
    rp = party(**FREE, trusted_proxies=["10.0.0.0/8"])
    headers = {"host": "dash.example.com", "x-forwarded-host": "other.example.com:8443", "x-forwarded-proto": "http"}
    assert site_of(rp, headers=headers, peer="192.0.2.7").origin == "https://dash.example.com"
    assert site_of(rp, headers={**headers, "x-forwarded-proto": "https"}, peer="10.1.2.3", scheme="http").origin == "https://other.example.com:8443"
    assert site_of(party(**FREE), headers=headers, peer="10.1.2.3").origin == "https://dash.example.com", "nobody is trusted by default"
    assert site_of(rp, headers=headers, peer="unix").origin == "https://dash.example.com"


@pytest.mark.row("HD-06")
def test_a_proxy_that_says_less_leaves_the_rest_as_it_is():
    rp = party(**FREE, trusted_proxies=["10.0.0.0/8"])

    def origin(scheme, **headers):
        return site_of(rp, headers={"host": "dash.example.com", **headers}, peer="10.1.2.3", scheme=scheme).origin

    assert origin("https") == "https://dash.example.com"
    assert origin("https", **{"x-forwarded-host": "other.example.com:8443"}) == "https://other.example.com:8443"
    assert origin("http", **{"x-forwarded-proto": "HTTPS"}) == "https://dash.example.com"
    assert origin("https", **{"x-forwarded-proto": " , ", "x-forwarded-host": ""}) == "https://dash.example.com"
    with pytest.raises(LoginError) as caught:
        origin("https", **{"x-forwarded-proto": "gopher"})
    assert caught.value.code == "host_not_allowed"


def test_a_websocket_comes_to_the_site_of_its_pages():
    rp = party(**FREE)
    for scheme, page in (("wss", "https"), ("ws", "http")):
        one, other = (site_of(rp, headers={"host": "localhost:8000"}, scheme=name) for name in (scheme, page))
        assert one is other
        assert one.origin == f"{page}://localhost:8000"


@pytest.mark.row("HD-07")
def test_only_what_our_own_proxies_wrote_counts():
    rp = party(**FREE, trusted_proxies=["10.0.0.0/8"])

    def proto(values, forwarded_for):
        headers = {"host": "dash.example.com", "x-forwarded-proto": values, "x-forwarded-for": forwarded_for}
        return site_of(rp, headers=headers, peer="10.0.0.1", scheme="https").origin.partition(":")[0]

    assert proto("https", "203.0.113.9") == "https"
    # A client that writes the header itself stands left of what the proxy appended.
    assert proto("http, https", "203.0.113.9") == "https"
    assert proto(["http", "https"], "6.6.6.6, 203.0.113.9") == "https"
    # Two proxies of ours: the outer one saw https, the inner hop is plain.
    assert proto("http, https, http", "203.0.113.9, 10.0.0.2") == "https"


@pytest.mark.row("PA-09")
def test_a_mount_is_part_of_the_site_and_has_its_own_cookies():
    rp = party(**FREE)
    one, two = (site_of(rp, headers={"host": "localhost"}, scheme="http", mount=mount) for mount in ("/one", "/two"))
    assert one.redirect_uri == "http://localhost/one/oidc/callback"
    assert one.logins.clear("state") != two.logins.clear("state"), "the cookies have other names"
    assert site_of(rp, headers={"host": "localhost"}, scheme="http", mount="/one") is one
    for mount in ("/a b", "//evil", "/a/../b/", "/\u20ac", "x"):
        with pytest.raises(LoginError) as caught:
            site_of(rp, headers={"host": "localhost"}, scheme="http", mount=mount)
        assert caught.value.code == "bad_request_target", mount


def test_the_number_of_sites_remembered_is_bounded():
    rp = party(**FREE)
    for port in range(1, 300):
        site_of(rp, headers={"host": f"localhost:{port}"}, scheme="http")
    assert len(rp.sites._sites) <= 64


@pytest.mark.row("CK-20", "CK-19")
def test_sites_do_not_accept_each_others_seals():
    rp = party(**FREE)
    one, two = (site_of(rp, headers={"host": "localhost"}, scheme="http", mount=mount) for mount in ("/one", "/two"))
    sealed = one.keyring.seal("session", b"x", bytes(12))
    assert one.keyring.open("session", sealed) == b"x"
    with pytest.raises(BrokenSeal):
        two.keyring.open("session", sealed)
