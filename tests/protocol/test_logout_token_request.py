"""The request that carries a logout token: catalogue LT-01; Back-Channel Logout 1.0 2.5."""

from urllib.parse import urlencode

import pytest

from oidc_middleware.errors import LoginError
from oidc_middleware.protocol.logout_token import MAX_BODY_LENGTH, parse_logout_request

FORM = "application/x-www-form-urlencoded"


def assert_refused(body, content_type=FORM):
    with pytest.raises(LoginError) as caught:
        parse_logout_request(body, content_type)
    assert (caught.value.code, caught.value.status) == ("logout_token_invalid", 400)
    assert caught.value.detail.isprintable()
    assert len(caught.value.detail) < 300
    assert parse_logout_request(b"logout_token=a.b.c", FORM) == "a.b.c"


@pytest.mark.parametrize("content_type", [FORM, FORM.upper(), f"{FORM}; charset=UTF-8", f" {FORM} ;charset=utf-8"])
def test_one_token_in_a_form(content_type):
    assert parse_logout_request(b"logout_token=a.b-_c.d", content_type) == "a.b-_c.d"


def test_unknown_fields_are_ignored():
    """The conformance suite sends one."""
    assert parse_logout_request(b"unknown=1&unknown=2&logout_token=a.b.c&=&x", FORM) == "a.b.c"
    assert parse_logout_request(b"x=%ff%zz&logout%5Ftoken=a%2Eb.c", FORM) == "a.b.c"


@pytest.mark.row("LT-01")
@pytest.mark.parametrize(
    "body",
    [b"", b"&", b"logout_token", b"logout_token=", b"logout_token=a.b.c&logout_token=a.b.c", b"logout_token=a.b.c&logout%5ftoken=d.e.f",
     b"logout_token=a.b.c&logout_token=", b"LOGOUT_TOKEN=a.b.c", b"logout_token[]=a.b.c", b"token=a.b.c", b'{"logout_token": "a.b.c"}', b"a.b.c",
     b"\xff", "logout_token=é".encode(), b"x=1&" * 60 + b"logout_token=a.b.c", b"logout_token=a;logout_token=b&logout_token=c"],
    ids=lambda body: body[:24].decode("latin-1"),
)  # fmt: skip
def test_anything_but_one_token_is_refused(body):
    assert_refused(body)


@pytest.mark.row("LT-01")
@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data; boundary=x", "text/plain", f"{FORM}x", f"{FORM}, text/plain"])
def test_other_bodies_than_forms_are_refused(content_type):
    assert_refused(b"logout_token=a.b.c", content_type)


@pytest.mark.row("LT-01")
def test_a_body_has_64_kb_at_most():
    frame = b"logout_token="
    assert len(parse_logout_request(frame + b"x" * (MAX_BODY_LENGTH - len(frame)), FORM)) == MAX_BODY_LENGTH - len(frame)
    assert_refused(frame + b"x" * (MAX_BODY_LENGTH - len(frame) + 1))
    assert_refused(urlencode({"logout_token": "a.b.c", "x": "x" * 10**6}).encode())
