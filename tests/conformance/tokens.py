"""An application that asks for its user's access token; for the modules of the suite and for the catalogue."""

import inspect
import json

from oidc_middleware.errors import LoginError, OIDCError
from oidc_middleware.testing import Sent
from oidc_middleware.testing.servers import run_async
from tests.conformance.party import BASE_URL

LIFE = 300


def keeps_tokens(party, *, registration=None, **options):
    """Restart *party* with an application that answers ``/token`` with the user's access token, or with the error that came instead.

    The provider gives tokens for five minutes and refresh tokens that rotate. Result: the users the application saw.
    """
    users = []

    async def asgi(scope, receive, send):
        users.append(scope["user"])
        answer = {"sub": scope["user"].identity, "scopes": list(scope["auth"].scopes), "claims": dict(scope["user"].claims)}
        if scope["path"] == "/token":
            try:
                token = scope["user"].access_token()
                assert inspect.isawaitable(token)
                answer = {"token": await token}
            except OIDCError as error:
                answer = {"error": error.code, "kind": type(error).__name__}
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(answer, default=dict).encode()})

    def wsgi(environ, start_response):
        user = environ["oidc_middleware.user"]
        users.append(user)
        answer = {"sub": user.identity, "scopes": ["authenticated", *user.scopes], "claims": dict(user.claims)}
        if environ["PATH_INFO"] == "/token":
            try:
                answer = {"token": user.access_token()}
            except OIDCError as error:
                answer = {"error": error.code, "kind": type(error).__name__}
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer, default=dict).encode()]

    party._asgi_probe, party._wsgi_probe = asgi, wsgi
    party.restart(registration=registration, **{"store": "memory://", "keep_tokens": True, **options})
    party.provider.refresh_tokens, party.provider.expires_in = True, LIFE
    return users


def signed_in(party):
    """A browser with a session, and the token it began with."""
    browser = party.browser()
    assert browser.login("/start").status == 200
    return browser, token_of(browser)["token"]


def token_of(browser, server=None):
    """What the application got for this browser's user; *server*: in another process than the browser's."""
    call = server or browser._sites[0][1]
    cookies = browser.cookies.header(BASE_URL + "/x", browser.clock.now())
    page = call(Sent("GET", BASE_URL + "/token", headers=(("host", "app.example.com"), ("accept", "*/*"), ("cookie", cookies))))
    return page.json() if page.status == 200 else {"status": page.status}


def refreshes(party):
    """How often the provider was asked for new tokens."""
    return sum(request.form.get("grant_type") == "refresh_token" for request in party.provider.received("token"))


REFUSED = {"error": "refresh_refused", "kind": LoginError.__name__}
EXPIRED = {"error": "token_expired", "kind": "Unavailable"}


def asked(stage, user):
    """``user.access_token()`` outside of a request."""
    if stage.shell == "wsgi":
        return user.access_token()

    async def ask():
        return await user.access_token()

    return run_async(ask())
