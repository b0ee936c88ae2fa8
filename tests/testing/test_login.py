"""``login_as``: a signed-in test client without a provider, for every kind of client."""

import warnings

import httpx
import pytest
from flask import Flask
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from oidc_middleware.asgi import OIDCMiddleware as AsgiMiddleware
from oidc_middleware.testing import Browser, FakeClock, ScriptedProvider, find_middleware, login_as, run_async, session_set_cookies
from oidc_middleware.wsgi import OIDCMiddleware as WsgiMiddleware

with warnings.catch_warnings():  # Starlette would rather have httpx2 beneath its test client
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

OPTIONS = {"issuer": "https://op.example", "client_id": "app", "client_secret": "s" * 32}


def unreachable(request):
    raise AssertionError("the provider was asked")


@requires("authenticated")
async def who(request):
    return JSONResponse({"sub": request.user.identity, "email": request.user.email, "scopes": request.auth.scopes})


def starlette_app(**options):
    client = httpx.AsyncClient(transport=httpx.MockTransport(unreachable))
    middleware = Middleware(AsgiMiddleware, **OPTIONS, http_client=client, **options)
    return Starlette(routes=[Route("/who", who)], middleware=[middleware])


def flask_app(**options):
    app = Flask(__name__)
    client = httpx.Client(transport=httpx.MockTransport(unreachable))

    @app.get("/who")
    def who():
        from flask import request

        user = request.environ["oidc_middleware.user"]
        return {"sub": user.identity, "email": user.email, "scopes": list(user.scopes)}

    app.wsgi_app = WsgiMiddleware(app.wsgi_app, **OPTIONS, http_client=client, **options)
    return app


@pytest.mark.parametrize("base_url", [None, "https://app.example.com", "https://app.example.com/mounted"])
def test_starlette_test_client(base_url):
    options = {} if base_url is None else {"base_url": base_url}
    app = starlette_app(**options)
    client = TestClient(app, base_url="http://localhost")
    assert client.get("/who").status_code == 401
    login_as(client, app, "ada", email="ada@example.com")
    seen = client.get("/who").json()
    assert (seen["sub"], seen["email"]) == ("ada", "ada@example.com")
    assert seen["scopes"] == ["authenticated", "openid", "profile", "email"]


def test_flask_test_client():
    app = flask_app()
    client = app.test_client()
    assert client.get("/who").status_code == 401
    login_as(client, app, "ada", email="ada@example.com", scopes=["openid"])
    assert client.get("/who").json == {"sub": "ada", "email": "ada@example.com", "scopes": ["openid"]}


def test_httpx_client():
    app = starlette_app()

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000") as client:
            login_as(client, app, "ada")
            return await client.get("/who")

    assert run_async(ask()).json()["sub"] == "ada"


@pytest.mark.parametrize("make", [starlette_app, flask_app])
def test_browser(make):
    clock = FakeClock()
    app = make(base_url="https://app.example.com", clock=clock)
    browser = Browser(app, clock=clock)
    login_as(browser, app, "ada")
    assert browser.cookies.rejected == []
    assert browser.navigate("/who").json()["sub"] == "ada"
    assert browser.stranger().fetch("/who").status == 401
    clock.advance(9 * 3600)
    assert browser.fetch("/who").status == 401


def test_rules_hold_for_made_up_users_as_well():
    app = starlette_app(allow=["ada@example.com"])
    client = TestClient(app, base_url="http://localhost")
    login_as(client, app, "eve", email="eve@example.com", email_verified=True)
    assert client.get("/who").status_code == 403
    login_as(client, app, "ada", email="ada@example.com", email_verified=True)
    assert client.get("/who").json()["sub"] == "ada"


def test_only_the_apps_own_keys_make_sessions():
    other = WsgiMiddleware(lambda environ, start: [], **{**OPTIONS, "client_secret": "t" * 32})
    app = flask_app()
    client = app.test_client()
    login_as(client, other, "ada")
    assert client.get("/who").status_code == 401


def test_an_app_without_the_middleware_is_told_so():
    with pytest.raises(LookupError, match="no OIDCMiddleware in Flask"):
        find_middleware(Flask(__name__))
    assert session_set_cookies(flask_app())[0].endswith("SameSite=Lax")


@pytest.mark.parametrize("store", ["memory://", "sqlite"])
@pytest.mark.parametrize("kind", [AsgiMiddleware, WsgiMiddleware])
def test_sessions_on_the_server_are_made_there(kind, store, tmp_path):
    provider = ScriptedProvider()

    async def asgi(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": scope["user"].identity.encode()})

    def wsgi(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["REMOTE_USER"].encode()]

    place = f"sqlite:///{tmp_path}/sessions.db" if store == "sqlite" else store
    app = kind(asgi if kind is AsgiMiddleware else wsgi, **provider.options(), base_url="https://app.example.com", clock=provider.clock, store=place)
    browser = Browser(app, base_url="https://app.example.com", provider=provider)
    assert browser.fetch("/x").status == 401
    login_as(browser, app, "ada")
    assert browser.fetch("/x").body == b"ada"
