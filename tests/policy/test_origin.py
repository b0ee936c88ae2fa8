"""Whose page a request comes from."""

from __future__ import annotations

import pytest

from oidc_middleware.policy.origin import proves_same_origin, websocket_origin_allowed

OURS = "https://app.example.com"
FOREIGN = [
    "https://evil.example",
    "http://app.example.com",
    "https://app.example.com:443",
    "https://app.example.com:8443",
    "https://app.example.com.evil.example",
    "https://evilapp.example.com",
    "https://sub.app.example.com",
    "https://example.com",
    "https://APP.example.com",
    "https://app.example.com/",
    " https://app.example.com",
    "https://app.example.com https://evil.example",
    "https://app.example.com.",
    "wss://app.example.com",
    "app.example.com",
    "file://",
    "NULL",
    "",
]


@pytest.mark.row("LO-01")
@pytest.mark.parametrize(
    ("site", "origins", "expected"),
    [
        ("same-origin", [], True),
        ("same-origin", [OURS], True),
        ("same-origin", ["null"], True),
        ("same-origin", ["https://evil.example"], False),
        ("same-origin", [OURS, OURS], False),
        ("same-origin", [OURS, "https://evil.example"], False),
        ("none", [], None),
        ("none", [OURS], None),
        ("none", ["https://evil.example"], False),
        ("same-site", [], False),
        ("same-site", [OURS], False),
        ("cross-site", [], False),
        ("cross-site", [OURS], False),
        ("cross-site", ["null"], False),
        ("Same-Origin", [], False),
        ("same-origin, cross-site", [], False),
        ("something new", [OURS], False),
        ("", [OURS], True),
        ("", [], None),
        ("", ["null"], None),
        ("", ["null", "null"], False),
        ("", [OURS, OURS], False),
    ],
)
def test_what_proves_that_a_request_is_ours(site, origins, expected):
    assert proves_same_origin(site, origins, OURS) is expected


@pytest.mark.row("LO-01")
@pytest.mark.parametrize("origin", FOREIGN)
def test_another_origin_is_never_ours(origin):
    for site in ("", "none", "same-origin", "same-site", "cross-site"):
        assert proves_same_origin(site, [origin], OURS) is False


@pytest.mark.row("WS-02", "WS-10")
@pytest.mark.parametrize("origin", [*FOREIGN, "null"])
def test_a_socket_from_elsewhere_is_refused(origin):
    assert not websocket_origin_allowed([origin], OURS)
    assert not websocket_origin_allowed([origin], OURS, ["https://other.example"])
    assert not websocket_origin_allowed([origin, OURS], OURS)
    assert not websocket_origin_allowed([OURS, origin], OURS)


@pytest.mark.row("WS-02")
def test_a_socket_needs_exactly_one_origin():
    assert websocket_origin_allowed([OURS], OURS)
    assert not websocket_origin_allowed([], OURS)
    assert not websocket_origin_allowed([OURS, OURS], OURS)


@pytest.mark.row("WS-02")
def test_more_origins_can_be_named_but_never_the_opaque_one():
    extra = ("https://other.example", "null", "")
    assert websocket_origin_allowed(["https://other.example"], OURS, extra)
    assert not websocket_origin_allowed(["https://another.example"], OURS, extra)
    assert not websocket_origin_allowed(["null"], OURS, extra)
    assert not websocket_origin_allowed([""], OURS, extra)
    assert not websocket_origin_allowed(["null"], "null")
