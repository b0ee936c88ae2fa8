"""RP-Initiated Logout 1.0."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from oidc_middleware.protocol.logout import end_session_request

REDIRECT = "https://dash.example.com/oidc/signed-out"


def parameters(url: str) -> dict[str, str]:
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_the_url_carries_what_the_provider_needs():
    url = end_session_request(
        "https://op.example/logout?tenant=x", client_id="dash", post_logout_redirect_uri=REDIRECT, id_token_hint="a.b.c", state="s t"
    )
    assert parameters(url) == {"tenant": "x", "client_id": "dash", "post_logout_redirect_uri": REDIRECT, "id_token_hint": "a.b.c", "state": "s t"}
    assert url.startswith("https://op.example/logout?")


def test_what_is_not_there_is_left_out():
    url = end_session_request("https://op.example/logout", client_id="dash", post_logout_redirect_uri=None, id_token_hint=None, state=None)
    assert parameters(url) == {"client_id": "dash"}


@pytest.mark.row("RD-19")
def test_the_endpoints_query_cannot_set_where_users_return():
    url = end_session_request(
        "https://op/l?post_logout_redirect_uri=https://evil", client_id="d", post_logout_redirect_uri=REDIRECT, id_token_hint=None, state="s"
    )
    assert parameters(url)["post_logout_redirect_uri"] == REDIRECT


def test_a_hint_that_makes_the_url_too_long_is_left_out():
    arguments = {"client_id": "dash", "post_logout_redirect_uri": REDIRECT, "state": "s"}
    fits = end_session_request("https://op.example/logout", id_token_hint="a" * 7900, **arguments)
    assert parameters(fits)["id_token_hint"] == "a" * 7900
    too_long = end_session_request("https://op.example/logout", id_token_hint="a" * 8192, **arguments)
    assert parameters(too_long) == {"client_id": "dash", "post_logout_redirect_uri": REDIRECT, "state": "s"}
    bare = end_session_request("https://op.example/" + "l" * 9000, id_token_hint=None, **arguments)
    assert parameters(bare)["state"] == "s"
