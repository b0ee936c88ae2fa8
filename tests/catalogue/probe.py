"""An application for each shell that keeps what it was given and answers what it is told."""

from types import SimpleNamespace

from oidc_middleware.testing import Sent
from tests.catalogue.helpers import BASE_URL, raw_request

NAVIGATION = {"host": "app.example.com", "accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def probe(stage, *, headers=(), body=b"content of the application", **options):
    """Restart *stage* with an application that records its calls and answers *body* with *headers*."""
    calls = []

    async def asgi(scope, receive, send):
        calls.append(SimpleNamespace(raw=scope, path=scope["path"], user=scope["user"], headers=_asgi_headers(scope)))
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1000})
            return
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain"), *raw]})
        await send({"type": "http.response.body", "body": body})

    def wsgi(environ, start_response):
        user = environ["oidc_middleware.user"]
        calls.append(SimpleNamespace(raw=dict(environ), path=environ["PATH_INFO"], user=user, headers=_wsgi_headers(environ)))
        start_response("200 OK", [("Content-Type", "text/plain"), *headers])
        return [body]

    stage._asgi_probe, stage._wsgi_probe = asgi, wsgi
    stage.restart(**options)
    return calls


def signed_in(stage):
    """A browser with a session, whatever the application answers."""
    browser = stage.browser()
    assert browser.login("/start").status == 200
    return browser


def send(browser, path, *, method="GET", headers=(), cookie=None, body=b"", base=BASE_URL):
    """One request with exactly these *headers* (pairs; names may repeat) on top of those of a navigation."""
    given = [item for item in NAVIGATION.items() if item[0] not in {name.lower() for name, _ in headers}]
    value = cookie if cookie is not None else browser.cookies.header(BASE_URL + "/x", browser.clock.now())
    pairs = [*given, *headers, *([("cookie", value)] if value else [])]
    return browser._sites[0][1](Sent(method, base + path, headers=tuple(pairs), body=body))


def _asgi_headers(scope):
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _wsgi_headers(environ):
    return {name[5:].lower().replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}


__all__ = ["BASE_URL", "NAVIGATION", "probe", "raw_request", "send", "signed_in"]
