"""Which requests are sent to the provider, and which are told 401."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oidc_middleware.policy.challenge import accepts_html, is_navigation, is_prefetch

HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


def asked(method="GET", **headers):
    table = {name.replace("_", "-"): value if isinstance(value, list) else [value] for name, value in headers.items()}
    return is_navigation(method, lambda name: table.get(name, []))


@pytest.mark.row("PA-10")
@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_mode": "navigate", "sec_fetch_dest": "document"},
        {"sec_fetch_mode": "navigate", "sec_fetch_dest": "document", "accept": "*/*"},
        {"sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"},
        {"sec_fetch_mode": "navigate"},
        {"sec_fetch_dest": "document"},
        {"accept": HTML},
        {"accept": "text/html"},
        {"accept": "TEXT/HTML ;level=1"},
        {"accept": "application/json;q=0, text/html;q=0.1"},
        {"accept": ["application/json", "text/html"]},
    ],
)
def test_a_person_is_waiting(headers):
    assert asked(**headers)
    assert asked("HEAD", **headers)
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "Get", "GET ", ""):
        assert not asked(method, **headers)


@pytest.mark.row("DS-01", "PA-17")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"accept": "*/*"},
        {"accept": "application/json"},
        {"accept": "text/*"},
        {"accept": "text/html;q=0"},
        {"accept": "text/html; q=0.000, */*"},
        {"accept": "text/html+xml"},
        {"accept": "x-text/html"},
        {"accept": ""},
        {"sec_fetch_mode": "cors", "sec_fetch_dest": "empty", "accept": HTML},
        {"sec_fetch_mode": "no-cors", "sec_fetch_dest": "image", "accept": HTML},
        {"sec_fetch_mode": "same-origin", "sec_fetch_dest": "worker", "accept": HTML},
        {"sec_fetch_mode": "websocket", "accept": HTML},
        {"sec_fetch_mode": "nested-navigate", "accept": HTML},
        {"sec_fetch_mode": "Navigate", "sec_fetch_dest": "document"},
        {"sec_fetch_mode": ["navigate", "cors"], "sec_fetch_dest": "document"},
        {"sec_fetch_mode": ["navigate", "navigate"]},
        {"sec_fetch_mode": ""},
        *(
            {"sec_fetch_mode": "navigate", "sec_fetch_dest": dest, "accept": HTML}
            for dest in ("embed", "object", "frame", "script", "style", "font", "empty", "")
        ),
        *({"sec_fetch_dest": dest, "accept": HTML} for dest in ("iframe", "image", "empty", "script", "sharedworker", "manifest")),
        {"accept": HTML, "x_requested_with": "XMLHttpRequest"},
        {"sec_fetch_mode": "navigate", "x_requested_with": "XMLHttpRequest"},
    ],
)
def test_a_program_is_waiting(headers):
    assert not asked(**headers)


@pytest.mark.row("ST-20", "DS-01")
@pytest.mark.parametrize(
    "headers",
    [
        {"sec_purpose": "prefetch"},
        {"sec_purpose": "prefetch;prerender"},
        {"sec_purpose": "prefetch;anonymous-client-ip"},
        {"purpose": "prefetch"},
        {"x_moz": "prefetch"},
        {"x_purpose": "preview"},
        {"purpose": "Prefetch"},
        {"sec_purpose": ["x", "prerender"]},
    ],
)
def test_nobody_is_waiting_yet(headers):
    assert not asked(sec_fetch_mode="navigate", sec_fetch_dest="document", accept=HTML, **headers)
    assert is_prefetch(lambda name: [value] if isinstance(value := headers.get(name.replace("-", "_"), ""), str) else value)


def test_other_purposes_do_not_matter():
    assert asked(sec_fetch_mode="navigate", sec_purpose="", purpose="reading")
    assert not is_prefetch(lambda name: [])


@given(st.text())
def test_any_accept_header_has_an_answer(accept):
    assert accepts_html(accept) is (asked(accept=accept))
