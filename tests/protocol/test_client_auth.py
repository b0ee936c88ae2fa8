"""Client authentication: catalogue FD-04."""

import base64
from urllib.parse import parse_qs, unquote_plus

import pytest

from oidc_middleware.errors import ConfigError
from oidc_middleware.protocol.client_auth import METHODS, Client, authenticated, choose_auth_method
from oidc_middleware.protocol.metadata import ProviderMetadata

FORM = {"grant_type": "authorization_code", "code": "a+b&c="}


def metadata(*methods: str) -> ProviderMetadata:
    return ProviderMetadata("i", "a", "t", "j", token_endpoint_auth_methods=methods)


@pytest.mark.row("FD-04")
@pytest.mark.parametrize("secret", ["plain", "with:colon", "per%cent", "a+b c&d=e", "ünïcode-李", "~-._*!'()", "%3A", ":", "\u0000x", "a" * 500])
@pytest.mark.parametrize("client_id", ["dash", "https://dash.example.com/a:b", "dåsh"])
def test_basic_carries_both_halves_form_urlencoded(client_id, secret):
    headers, body = authenticated(FORM, Client(client_id, secret, "client_secret_basic"))
    scheme, _, value = headers["authorization"].partition(" ")
    assert scheme == "Basic"
    left, colon, right = base64.b64decode(value).decode("ascii").partition(":")
    assert (unquote_plus(left), colon, unquote_plus(right)) == (client_id, ":", secret)
    assert ":" not in right
    assert parse_qs(body.decode()) == {name: [value] for name, value in FORM.items()}, "the secret is sent once"


@pytest.mark.row("FD-04")
def test_post_and_none_put_the_client_into_the_body():
    headers, body = authenticated(FORM, Client("däsh", "s&=%", "client_secret_post"))
    assert headers == {"content-type": "application/x-www-form-urlencoded"}
    assert parse_qs(body.decode("ascii")) == {
        "grant_type": ["authorization_code"],
        "code": ["a+b&c="],
        "client_id": ["däsh"],
        "client_secret": ["s&=%"],
    }
    headers, body = authenticated(FORM, Client("dash", None, "none"))
    assert "authorization" not in headers
    assert parse_qs(body.decode()) == {"grant_type": ["authorization_code"], "code": ["a+b&c="], "client_id": ["dash"]}


def test_a_secret_that_is_configured_beside_none_is_not_sent():
    headers, body = authenticated(FORM, Client("dash", "top-secret", "none"))
    assert b"top-secret" not in body
    assert "authorization" not in headers


@pytest.mark.row("FD-04")
@pytest.mark.parametrize("secret", [None, ""])
def test_no_secret_is_no_authentication(secret):
    for method in ("client_secret_basic", "client_secret_post"):
        with pytest.raises(ConfigError) as caught:
            Client("dash", secret, method)
        assert "client_secret" in caught.value.problems[0]
    assert Client("dash", secret, "none").auth_method == "none"


def test_the_secret_is_not_printed():
    assert "top-secret" not in repr(Client("dash", "top-secret", "client_secret_basic"))
    with pytest.raises(ConfigError) as caught:
        Client("dash", "top-secret", "magic")
    assert "top-secret" not in str(caught.value)
    assert "client_auth" in caught.value.problems[0]


@pytest.mark.parametrize(
    ("configured", "has_secret", "offered", "chosen"),
    [
        (None, True, ("client_secret_basic",), "client_secret_basic"),
        (None, True, ("client_secret_post", "client_secret_basic"), "client_secret_basic"),
        (None, True, ("private_key_jwt", "client_secret_post"), "client_secret_post"),
        (None, False, ("client_secret_basic",), "none"),
        ("client_secret_post", True, ("client_secret_basic",), "client_secret_post"),
        ("none", True, ("client_secret_basic",), "none"),
        ("none", False, (), "none"),
    ],
)
def test_the_choice(configured, has_secret, offered, chosen):
    assert choose_auth_method(configured, has_secret, metadata(*offered)) == chosen


@pytest.mark.row("FD-04")
@pytest.mark.parametrize(
    ("configured", "has_secret", "offered", "word"),
    [
        (None, True, ("private_key_jwt", "none"), "private_key_jwt"),
        (None, True, ("none",), "none"),
        ("private_key_jwt", True, ("private_key_jwt",), "private_key_jwt"),
        ("client_secret_basic", False, ("client_secret_basic",), "client_secret"),
        ("", True, ("client_secret_basic",), "client_auth"),
    ],
)
def test_no_possible_choice_names_the_setting(configured, has_secret, offered, word):
    with pytest.raises(ConfigError) as caught:
        choose_auth_method(configured, has_secret, metadata(*offered))
    assert word in caught.value.problems[0]
    assert caught.value.problems[0].startswith("client_")


def test_the_table_of_methods():
    assert list(METHODS) == ["client_secret_basic", "client_secret_post", "none"]
