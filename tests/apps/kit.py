"""The same small application in four frameworks, each protected the way its users do it, and a world around it: a provider, a clock, browsers.

What the application answers at ``/who`` is what it sees through its framework's own means: ``request.user`` and ``request.auth``, or the environ.
"""

import io
import re
import time
from html import unescape
from pathlib import Path

import dash
from fastapi import FastAPI
from flask import Flask, request, send_file, stream_with_context
from flask import Response as FlaskResponse
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from oidc_middleware.asgi import OIDCMiddleware as AsgiMiddleware
from oidc_middleware.testing import Browser, FakeClock, ScriptedProvider
from oidc_middleware.wsgi import OIDCMiddleware as WsgiMiddleware

BASE_URL = "https://app.example.com"
SECRET_KEY = "canary-secret-key-0123456789-abcdefghijklm"
FILE = Path(__file__)
CHUNKS = [b"one\n", b"two\n", b"three\n"]


class Boom(Exception):
    """What the application raises."""


class Diary:
    """What happened inside the application."""

    def __init__(self):
        self.calls = []  # (path, subject) of every request that reached it
        self.events = []  # whatever else is worth knowing, in order


# -- Starlette and FastAPI ----------------------------------------------------------------------------------------------------------------------


@requires("email", status_code=404)
async def mail(request: Request):
    return Response("for those whose scopes say email")


async def file(request: Request):
    return FileResponse(FILE)


async def own_headers(request: Request):
    headers = {"cache-control": "max-age=60", "vary": "Accept", "location": "/elsewhere", "set-cookie": "mine=1; Path=/"}
    return Response("x", 201, headers=headers)


def asgi_routes(diary):  # noqa: C901  # a list of small views, not a decision
    def seen(request):
        diary.calls.append((request.url.path, request.user.identity))

    async def who(request: Request):
        seen(request)
        user = request.user
        told = {"sub": user.identity, "name": user.display_name, "email": user.email, "groups": user.groups, "issuer": user.issuer}
        told |= {"authenticated": user.is_authenticated, "scopes": request.auth.scopes, "mount": request.scope["root_path"]}
        return JSONResponse({**told, "headers": dict(request.headers), "path": request.url.path, "query": str(request.url.query)})

    @requires("authenticated")
    async def members(request: Request):
        seen(request)
        return Response("for members")

    async def stream(request: Request):
        async def chunks():
            for chunk in CHUNKS:
                diary.events.append(chunk)
                yield chunk

        return StreamingResponse(chunks(), media_type="text/plain")

    async def background(request: Request):
        return Response("done", background=BackgroundTask(diary.events.append, "background"))

    async def boom(request: Request):
        seen(request)
        raise Boom

    async def echo(request: Request):
        seen(request)
        return Response(await request.body())

    async def socket(websocket):
        diary.calls.append((websocket.url.path, websocket.user.identity))
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(f"{websocket.user.identity} says {text}")

    views = {"/": who, "/who": who, "/deep/{rest:path}": who, "/public/{rest:path}": who, "/members": members, "/mail": mail, "/stream": stream}
    views |= {"/background": background, "/file": file, "/boom": boom, "/own-headers": own_headers}
    return [*(Route(path, view) for path, view in views.items()), Route("/echo", echo, methods=["POST"]), WebSocketRoute("/ws", socket)]


def starlette(diary, **options):
    return Starlette(routes=asgi_routes(diary), middleware=[Middleware(AsgiMiddleware, **options)])


def fastapi(diary, **options):
    app = FastAPI()
    app.add_middleware(AsgiMiddleware, **options)
    app.router.routes.extend(asgi_routes(diary))  # added after the middleware: protected all the same
    return app


# -- Flask and Dash -----------------------------------------------------------------------------------------------------------------------------


def add_wsgi_routes(app, diary):
    def who(rest=""):
        environ = request.environ
        user = environ["oidc_middleware.user"]
        diary.calls.append((request.path, environ.get("REMOTE_USER", "")))
        told = {"sub": environ.get("REMOTE_USER", ""), "name": user.display_name, "email": user.email, "groups": list(user.groups)}
        told |= {"issuer": user.issuer, "authenticated": user.is_authenticated, "auth_type": environ.get("AUTH_TYPE"), "identity": user.identity}
        told |= {"scopes": ["authenticated", *user.scopes] if user.is_authenticated else [], "mount": environ["SCRIPT_NAME"]}
        headers = {name.lower(): value for name, value in request.headers.items()}
        return {**told, "headers": headers, "path": request.path, "query": request.query_string.decode()}

    def stream():
        def chunks():
            try:
                for chunk in CHUNKS:
                    diary.events.append(chunk)
                    yield chunk
            finally:
                diary.events.append("closed")

        return FlaskResponse(stream_with_context(chunks()), mimetype="text/plain")

    def background():
        response = FlaskResponse("done")
        response.call_on_close(lambda: diary.events.append("background"))
        return response

    def boom():
        diary.calls.append((request.path, request.environ.get("REMOTE_USER", "")))
        raise Boom

    def own_headers():
        headers = {"Cache-Control": "max-age=60", "Vary": "Accept", "Location": "/elsewhere", "Set-Cookie": "mine=1; Path=/"}
        return FlaskResponse("x", 201, headers)

    def echo():
        diary.calls.append((request.path, request.environ.get("REMOTE_USER", "")))
        return FlaskResponse(request.get_data())

    for path in ("/", "/who", "/deep/<path:rest>", "/public/<path:rest>", "/public/"):
        app.add_url_rule(path, f"who {path}", who)
    app.add_url_rule("/stream", "stream", stream)
    app.add_url_rule("/background", "background", background)
    app.add_url_rule("/file", "file", lambda: send_file(io.FileIO(FILE), mimetype="text/plain"))
    app.add_url_rule("/boom", "boom", boom)
    app.add_url_rule("/own-headers", "own_headers", own_headers)
    app.add_url_rule("/echo", "echo", echo, methods=["POST"])


def flask(diary, **options):
    app = Flask(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.wsgi_app = WsgiMiddleware(app.wsgi_app, **options)
    add_wsgi_routes(app, diary)  # added after the middleware: protected all the same
    return app


def dash_app(diary, **options):
    board = dash.Dash(__name__, url_base_pathname="/board/")
    board.layout = dash.html.Div([dash.dcc.Input(id="in"), dash.html.Div(id="out")])
    board.callback(dash.Output("out", "children"), dash.Input("in", "value"))(lambda value: value)
    server = board.server
    server.config["PROPAGATE_EXCEPTIONS"] = True
    add_wsgi_routes(server, diary)
    server.wsgi_app = WsgiMiddleware(server.wsgi_app, **options)
    return server


FRAMEWORKS = {"starlette": starlette, "fastapi": fastapi, "flask": flask, "dash": dash_app}
ASGI = ("starlette", "fastapi")


# -- the world around it ------------------------------------------------------------------------------------------------------------------------


class Place:
    """A protected application in its world."""

    #: The browsers of all places of a test, for what every answer must hold.
    browsers = []  # noqa: RUF012  # one list for all of them is what it is for

    #: Whether ASGI -> the options that say where sessions live; the tests' fixtures vary it.
    sessions = staticmethod(lambda _asgi: {})

    def __init__(self, framework, **options):
        self.framework = framework
        self.asgi = framework in ASGI
        self.clock = FakeClock()
        self.provider = ScriptedProvider(clock=self.clock, end_session=True)
        self.provider.user |= {"groups": ["staff", "admins"], "email_verified": True}
        self.diary = Diary()
        self.kept = self.sessions(self.asgi)
        self.app = self.build(**options)

    def options(self, **options):
        client = self.provider.client() if self.asgi else self.provider.sync_client()
        given = {"base_url": BASE_URL, "secret_key": SECRET_KEY, "clock": self.clock, "http_client": client}
        return {**self.provider.options(), **given, **self.kept, **options}

    def build(self, diary=None, **options):
        """Another protected application of the same framework in the same world."""
        return FRAMEWORKS[self.framework](diary or self.diary, **self.options(**options))

    def protect(self, app, **options):
        """*app* behind one more middleware."""
        return (AsgiMiddleware if self.asgi else WsgiMiddleware)(app, **self.options(**options))

    def browser(self, apps=None):
        browser = Browser(apps or self.app, base_url=BASE_URL, provider=self.provider, clock=self.clock)
        self.browsers.append(browser)
        return browser

    def signed_in(self):
        browser = self.browser()
        assert browser.login("/who").status == 200
        return browser


def wait_until(condition, seconds=30):
    """Until *condition* holds; it may take as long as a busy machine takes."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.001)


def forms_on(page):
    """``(action, fields)`` of every form on a page of ours."""
    found = []
    for action, inside in re.findall(r'<form method="post" action="([^"]*)">(.*?)</form>', page.text, re.DOTALL):
        fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', inside)
        found.append((unescape(action), {name: unescape(value) for name, value in fields}))
    return found


def links_on(page):
    """The addresses that a page of ours links to."""
    return [unescape(link) for link in re.findall(r'<a [^>]*href="([^"]*)"', page.text)]
