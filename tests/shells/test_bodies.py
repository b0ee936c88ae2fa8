"""Reading a form that somebody posts to us: bounded, whatever its headers say, and nothing of it is taken for granted."""

import io

import pytest

from oidc_middleware import asgi, wsgi
from oidc_middleware.errors import LoginError
from oidc_middleware.testing import run_async

MAX = 100


class Input(io.BytesIO):
    """``wsgi.input`` that remembers how much of it was asked for."""

    def __init__(self, data):
        super().__init__(data)
        self.asked = []

    def read(self, size=-1):
        self.asked.append(size)
        return super().read(size)


def read(data, **environ):
    """What is read of *data* (or the code of the refusal), and what was asked of the server."""
    stream = Input(data)
    try:
        result = wsgi._read_body({"wsgi.input": stream, **environ}, MAX)
    except LoginError as error:
        result = error.code
    return result, stream.asked


@pytest.mark.row("ST-13")
def test_a_body_ends_where_its_length_says():
    """PEP 3333: an application must not read past Content-Length; the next request may follow."""
    assert read(b"code=x&state=y", CONTENT_LENGTH="6") == (b"code=x", [6])
    assert read(b"x" * MAX, CONTENT_LENGTH=str(MAX)) == (b"x" * MAX, [MAX])
    assert read(b"short", CONTENT_LENGTH="50") == (b"short", [50])
    assert read(b"code=x", CONTENT_LENGTH="6", **{"wsgi.input_terminated": True}) == (b"code=x", [6])
    assert read(b"code=x", CONTENT_LENGTH="0") == (b"", [0])


@pytest.mark.row("ST-13")
@pytest.mark.parametrize("length", [MAX + 1, 10**9, 10**30])
def test_a_length_over_the_limit_is_refused_unread(length):
    assert read(b"x" * 500, CONTENT_LENGTH=str(length)) == ("body_too_large", [])


@pytest.mark.row("ST-13")
@pytest.mark.parametrize("length", ["-1", "+5", " 5", "5 ", "1e3", "0x5", "\u0665", "\xb2", "5,5", "x"])
def test_a_length_that_is_no_number_is_refused_unread(length):
    assert read(b"code=x", CONTENT_LENGTH=length) == ("malformed_parameter", [])


@pytest.mark.row("ST-13")
def test_a_length_that_leads_with_zeros_is_bounded_all_the_same():
    assert read(b"x" * 500, CONTENT_LENGTH="0" * 12 + "500") == ("body_too_large", [])
    assert read(b"x" * 500, CONTENT_LENGTH="0" * 12 + "9" * 5000) == ("body_too_large", []), "more digits than int() takes"


@pytest.mark.row("ST-13")
@pytest.mark.parametrize("environ", [{}, {"CONTENT_LENGTH": ""}, {"wsgi.input_terminated": False}])
def test_a_body_without_a_length_is_not_read_from_a_server_that_does_not_end_it(environ):
    """Reading on would wait for a client that has no more to say."""
    assert read(b"code=x", **environ) == (b"", [])


@pytest.mark.row("ST-13")
def test_a_body_without_a_length_is_read_from_a_server_that_ends_it():
    ends = {"wsgi.input_terminated": True}
    assert read(b"code=x", **ends) == (b"code=x", [MAX + 1])
    assert read(b"x" * MAX, **ends) == (b"x" * MAX, [MAX + 1])
    assert read(b"x" * (MAX + 1), **ends) == ("body_too_large", [MAX + 1])
    assert read(b"x" * 10_000, **ends) == ("body_too_large", [MAX + 1]), "no more than it takes to know"


def received(*messages):
    """What the ASGI shell makes of *messages* (or the code of the refusal), and how many of them it took."""
    waiting = list(messages)

    async def receive():
        return waiting.pop(0)

    async def reading():
        try:
            return await asgi._read_body(receive, MAX)
        except LoginError as error:
            return error.code

    return run_async(reading()), len(messages) - len(waiting)


def piece(body, *, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.row("ST-13")
def test_pieces_are_put_together_until_the_last_one():
    assert received(piece(b"a", more=True), {"type": "http.request", "more_body": True}, piece(b"b"), piece(b"c")) == (b"ab", 3)
    assert received({"type": "http.request"}, piece(b"c")) == (b"", 1), "the defaults of the specification: empty, and the last one"


@pytest.mark.row("ST-13")
def test_the_limit_is_exact_and_ends_the_reading():
    assert received(piece(b"x" * 60, more=True), piece(b"x" * 40)) == (b"x" * MAX, 2)
    assert received(piece(b"x" * 60, more=True), piece(b"x" * 41, more=True), piece(b"x")) == ("body_too_large", 2)


@pytest.mark.row("ST-13")
def test_a_client_that_goes_away_has_sent_no_form():
    assert received(piece(b"code=x", more=True), {"type": "http.disconnect"}) == ("malformed_parameter", 2)
