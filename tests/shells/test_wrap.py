"""The one line finds out what it was given."""

import functools

import pytest

from oidc_middleware import ConfigError, asgi, protect, wsgi
from oidc_middleware.testing import Sent
from oidc_middleware.testing.servers import AsgiServer

OPTIONS = {"issuer": "https://op.example.com", "client_id": "app", "secret_key": "kD3vQ8wZr5nT1yXb7LmP9sHc2JfG6uEa"}


async def asgi_function(scope, receive, send): ...


def wsgi_function(environ, start_response): ...


class AsgiObject:
    async def __call__(self, scope, receive, send): ...


class AsgiDelegating:
    """Like Starlette's and many a middleware: a plain method that returns an awaitable."""

    def __call__(self, scope, receive, send):
        return asgi_function(scope, receive, send)


class WsgiObject:
    def __call__(self, environ, start_response): ...


class Both:
    async def asgi(self, scope, receive, send): ...

    def wsgi(self, environ, start_response): ...


@pytest.mark.parametrize("app", [asgi_function, AsgiObject(), AsgiDelegating(), Both().asgi, functools.partial(asgi_function)])
def test_asgi_is_recognised(app):
    assert isinstance(protect(app, **OPTIONS), asgi.OIDCMiddleware)


@pytest.mark.parametrize("app", [wsgi_function, WsgiObject(), Both().wsgi, lambda environ, start_response: []])
def test_wsgi_is_recognised(app):
    assert isinstance(protect(app, **OPTIONS), wsgi.OIDCMiddleware)


@pytest.mark.parametrize("thing", [object(), 7, None, lambda: None, lambda one: None])
def test_anything_else_is_told_what_is_wrong(thing):
    with pytest.raises(ConfigError) as caught:
        protect(thing, **OPTIONS)
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["app"]


def test_flask_is_changed_in_place():
    flask = pytest.importorskip("flask")
    app = flask.Flask("x")
    assert protect(app, **OPTIONS) is app
    assert isinstance(app.wsgi_app, wsgi.OIDCMiddleware)
    answer = app.test_client().get("/", headers={"accept": "application/json"})
    assert (answer.status_code, answer.json["code"]) == (401, "login_required")


def test_dash_is_changed_in_place():
    dash = pytest.importorskip("dash")
    app = dash.Dash("x")
    app.layout = dash.html.Div()
    assert protect(app, **OPTIONS) is app
    assert app.server.test_client().get("/_dash-layout").status_code == 401


def dash_on_fastapi():
    dash = pytest.importorskip("dash")
    app = dash.Dash("x", backend="fastapi")
    app.layout = dash.html.Div()
    return app


def test_dash_on_fastapi_is_changed_in_place():
    app = dash_on_fastapi()
    server = app.server
    assert protect(app, **OPTIONS, public=["/open"]) is app
    assert app.server is server

    @server.get("/open")
    def of_the_user():
        return "open"

    for path, status in (("/_dash-layout", 401), ("/_dash-dependencies", 401), ("/nothing", 401), ("/open", 200)):
        page = AsgiServer(server)(Sent("GET", f"http://localhost:8050{path}", headers=(("host", "localhost:8050"),)))
        assert page.status == status, path
        assert (page.text == '"open"') == (status == 200)


class Quart:
    """As Quart is: an object whose ASGI callable can be replaced."""

    async def asgi_app(self, scope, receive, send): ...


def test_quart_and_dash_on_quart_are_changed_in_place():
    app = Quart()
    before = app.asgi_app
    assert protect(app, **OPTIONS) is app
    assert isinstance(app.asgi_app, asgi.OIDCMiddleware)
    assert app.asgi_app.app == before
    board = type("Board", (), {"callback": None, "layout": None})()
    board.server = Quart()
    assert protect(board, **OPTIONS) is board
    assert isinstance(board.server.asgi_app, asgi.OIDCMiddleware)


@pytest.mark.parametrize("missing", ["callback", "layout", "server"])
def test_what_only_looks_like_dash_is_wrapped_itself(missing):
    """An application may well have an attribute ``server``."""
    parts = {"callback": None, "layout": None, "server": Quart(), "__call__": lambda self, environ, start_response: None}
    del parts[missing]
    app = type("Own", (), parts)()
    wrapped = protect(app, **OPTIONS)
    assert isinstance(wrapped, wsgi.OIDCMiddleware)
    assert wrapped.app is app
    assert missing == "server" or not isinstance(app.server.asgi_app, asgi.OIDCMiddleware)


def test_a_callable_that_tells_no_signature_is_taken_for_wsgi():
    """Such as one written in C; ASGI applications are coroutine functions or Python objects."""
    assert isinstance(protect(max, **OPTIONS), wsgi.OIDCMiddleware)


def test_optional_arguments_do_not_make_an_asgi_app_of_a_wsgi_app():
    def wsgi_with_options(environ, start_response, *, debug=False): ...

    def asgi_with_options(scope, receive, send, debug=False): ...

    assert isinstance(protect(wsgi_with_options, **OPTIONS), wsgi.OIDCMiddleware)
    assert isinstance(protect(asgi_with_options, **OPTIONS), asgi.OIDCMiddleware)


class SocketServer:
    """What Socket.IO's ``WSGIApp`` looks like: it answers its own paths itself and hands the rest on."""

    def __init__(self, wsgi_app):
        self.wsgi_app = wsgi_app

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"].startswith("/socket.io/"):
            start_response("200 OK", [])
            return [b"a socket for everybody"]
        return self.wsgi_app(environ, start_response)


@pytest.mark.row("PA-18")
@pytest.mark.parametrize("inner", [wsgi_function, None])
def test_an_application_behind_the_one_given_is_not_mistaken_for_it(inner):
    app = SocketServer(inner)
    wrapped = protect(app, **OPTIONS, base_url="https://app.example.com")
    assert isinstance(wrapped, wsgi.OIDCMiddleware)
    assert (wrapped.app, app.wsgi_app) == (app, inner)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/socket.io/", "wsgi.url_scheme": "https"}
    assert b"a socket" not in b"".join(wrapped(environ, lambda status, headers: None))


def test_starlette_and_fastapi_come_back_wrapped():
    for module, name in (("starlette.applications", "Starlette"), ("fastapi", "FastAPI")):
        app = getattr(pytest.importorskip(module), name)()
        wrapped = protect(app, **OPTIONS)
        assert isinstance(wrapped, asgi.OIDCMiddleware)
        assert wrapped.app is app


@pytest.mark.row("CF-01")
def test_a_mistake_in_the_settings_leaves_the_app_as_it_was():
    flask = pytest.importorskip("flask")
    app = flask.Flask("x")
    before = app.wsgi_app
    with pytest.raises(ConfigError):
        protect(app, **OPTIONS, surprise=True)
    assert app.wsgi_app == before


@pytest.mark.row("CF-01")
def test_a_mistake_in_the_settings_is_told_at_once_for_dash_on_fastapi_too():
    app = dash_on_fastapi()
    before = list(app.server.user_middleware)
    with pytest.raises(ConfigError):
        protect(app, **OPTIONS, surprise=True)
    assert app.server.user_middleware == before
