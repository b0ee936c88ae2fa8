"""Catalogue 1.1, RD: return paths of every kind, through both shells, with a browser that follows every redirect.

The whole list of payloads goes through every path in ``test_rd_payloads.py``, other ways to smuggle one in are in ``test_rd_requests.py``.
"""

from urllib.parse import urlencode

import pytest

from tests.catalogue.helpers import BASE_URL, landed, quoted
from tests.catalogue.helpers_redirects import comes_home, stays_at_home


@pytest.mark.row("RD-01")
@pytest.mark.parametrize("slashes", [2, 3, 4, 5, 6])
def test_rd_01(stage, slashes):
    comes_home(stage, "/" * slashes + "evil.example")
    comes_home(stage, "/" * slashes)


@pytest.mark.row("RD-02")
@pytest.mark.parametrize("value", ["/\\evil.example", "\\/evil.example", "\\\\evil.example", "/\\/evil.example", "https:\\\\evil.example", "//e\\@a"])
def test_rd_02(stage, value):
    comes_home(stage, value)


@pytest.mark.row("RD-03")
@pytest.mark.parametrize(
    "value", ["/\t/evil.example", "/\n/evil.example", "/\r/e", "//\tevil.example", "h\nttps://evil.example", "java\nscript:alert(1)"]
)
def test_rd_03(stage, value):
    comes_home(stage, value)


@pytest.mark.row("RD-04")
@pytest.mark.parametrize("prefix", ["\x01", " ", "\xa0", "\ufeff", "\u3000", "\xad", "\u200b"])
@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/own"])
def test_rd_04(stage, prefix, target):
    comes_home(stage, prefix + target)


@pytest.mark.row("RD-05")
@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x00", "\x7f"])
def test_rd_05(stage, character):
    comes_home(stage, f"/{character}/evil.example")
    comes_home(stage, f"/own{character}")
    comes_home(stage, quoted(f"/{character}/evil.example"))


@pytest.mark.row("RD-06")
@pytest.mark.parametrize(
    "value", ["%2f%2fevil.example", "/%09/evil.example", "/%5cevil.example", "/%252fevil.example", "/%2f%2fevil.example", "%252f%252fe"]
)
def test_rd_06(stage, value):
    comes_home(stage, value)


@pytest.mark.row("RD-06")
def test_rd_06_escapes_of_our_own_paths_come_back_untouched(stage):
    """Never decoded a second time, never encoded once more."""
    comes_home(stage, "/reports/a%2Fb?q=%2F%2Fevil.example&r=%252f", expected="/reports/a%2Fb?q=%2F%2Fevil.example&r=%252f")


@pytest.mark.row("RD-07")
@pytest.mark.parametrize(
    "scheme", ["http:", "https:/", "https:///", "hTTps://", "javascript:", "javascript://app.example.com/%0a", "data:", "vbscript:"]
)
def test_rd_07(stage, scheme):
    comes_home(stage, f"{scheme}evil.example")


@pytest.mark.row("RD-07")
@pytest.mark.parametrize("scheme", ["blob:", "file:", "intent:", "view-source:"])
def test_rd_07_more(stage, scheme):
    comes_home(stage, f"{scheme}https://evil.example")


@pytest.mark.row("RD-08")
@pytest.mark.parametrize(
    "value",
    [
        "https://app.example.com@evil.example",
        "https://app.example.com:443@evil.example",
        "//app.example.com%5c@evil.example",
        "https://e#@a",
        "https://e?@a",
    ],
)
def test_rd_08(stage, value):
    comes_home(stage, value)


@pytest.mark.row("RD-09")
@pytest.mark.parametrize(
    "host",
    [
        "app.example.com.evil.example",
        "evilapp.example.com",
        "app%2eexample.com",
        "app。example.com",
        "ⓐpp.example.com",
        "аpp.example.com",
        "app.example.com.",
    ],
)
def test_rd_09(stage, host):
    """No absolute target is ever accepted as a return path, not even our own address."""
    comes_home(stage, f"https://{host}/x")
    comes_home(stage, f"https://{host}:8443/x")


@pytest.mark.row("RD-09", "RD-20")
@pytest.mark.parametrize(
    "host", ["app.example.com.evil.example", "app.example.com@evil.example", "app.example.com:8443", "app.example.com.", "APP.EXAMPLE.COM"]
)
def test_rd_09_where_an_absolute_target_is_allowed(stage, host):
    """Third-party initiated login alone takes one: exactly our own origin, then the same rule."""
    query = {"iss": stage.provider.issuer, "target_link_uri": f"https://{host}/x"}
    browser = stage.browser()
    assert landed(browser.login(f"/oidc/initiate?{urlencode(query)}")) == "/"
    assert landed(stage.browser().login(f"/oidc/initiate?{urlencode({**query, 'target_link_uri': BASE_URL + '/x?y=1'})}")) == "/x?y=1"
    stays_at_home(stage, browser)


@pytest.mark.row("RD-10")
@pytest.mark.parametrize("host", ["0x7f.1", "2130706433", "[::ffff:1.2.3.4]", "017700000001", "[::1]"])
def test_rd_10(stage, host):
    comes_home(stage, f"http://{host}/")
    comes_home(stage, f"//{host}/")


@pytest.mark.row("RD-11")
@pytest.mark.parametrize(
    "value", ["/.//evil.example", "/..//evil.example", "/%2e//evil.example", "/./\\evil.example", "/a/..//evil.example", "/a//evil.example"]
)
def test_rd_11(stage, value):
    comes_home(stage, value)
