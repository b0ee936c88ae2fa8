"""The one line: ``protect(app)``, on every kind of object that people have in their hands."""

from wsgiref.validate import validator

import dash
import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette

from oidc_middleware import protect
from oidc_middleware.testing import find_middleware, login_as
from tests.apps.kit import BASE_URL, FRAMEWORKS, Place, add_wsgi_routes, asgi_routes


def starlette(diary):
    return Starlette(routes=asgi_routes(diary))


def fastapi(diary):
    app = FastAPI()
    app.router.routes.extend(asgi_routes(diary))
    return app


def flask(diary):
    app = Flask(__name__)
    add_wsgi_routes(app, diary)
    return app


def dash_board(diary):
    board = dash.Dash(__name__, url_base_pathname="/board/")
    board.layout = dash.html.Div("hello")
    add_wsgi_routes(board.server, diary)
    return board


def wsgi_function(diary):
    return flask(diary).wsgi_app


KINDS = {"starlette": starlette, "fastapi": fastapi, "flask": flask, "dash": dash_board, "wsgi function": wsgi_function}


@pytest.mark.parametrize("kind", list(KINDS))
def test_protected_by_one_line(kind):
    place = Place(kind if kind in FRAMEWORKS else "flask")
    app = KINDS[kind](place.diary)
    protected = protect(app, **place.options())
    assert (protected is app) == (kind in ("flask", "dash"))
    served = protected.server if kind == "dash" else protected
    browser = place.browser(served)
    assert browser.fetch("/who").status == 401
    page = browser.login("/deep/x")
    assert (page.status, page.url, page.json()["sub"]) == (200, f"{BASE_URL}/deep/x", "user-subject-1234531")
    other = browser.stranger()
    login_as(other, protected, "ada")
    assert other.fetch("/who").json()["sub"] == "ada"
    assert find_middleware(protected) is find_middleware(served)


def test_a_dash_board_and_everything_it_serves():
    place = Place("dash")
    board = protect(dash_board(place.diary), **place.options())
    browser = place.browser(board.server)
    for path in ("/board/_dash-layout", "/board/_dash-dependencies", "/board/_favicon.ico", "/no-such-page"):
        assert browser.fetch(path).status == 401
    assert "react-entry-point" in browser.login("/board/").text
    assert browser.fetch("/board/_dash-layout").json()["props"]["children"] == "hello"


@pytest.mark.row("AS-02")
def test_the_inner_app_gets_what_pep_3333_promises():
    """``wsgiref.validate`` on both sides: the middleware is a good application to the server, and a good server to the application."""
    place = Place("flask")
    inner = flask(place.diary)
    browser = place.browser(place.protect(validator(inner.wsgi_app)))
    assert browser.login("/deep/x").status == 200
    assert browser.fetch("/echo", method="POST", body=b"x" * 100).body == b"x" * 100
    assert browser.fetch("/stream").status == 200
    place.clock.advance(30 * 60)
    assert len(browser.fetch("/who").all("set-cookie")) == 1
