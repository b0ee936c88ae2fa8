"""No middleware: the same steps as plain functions, in views of your own. Here with Flask; the functions know no framework.

What the middleware would do for you and this file does not: many tabs, retry pages, loop guard, sign-out at the provider, cached keys, and more.
"""

from __future__ import annotations

import os
import secrets
import time

import httpx
from flask import Flask, Response, redirect, request, session, url_for

from oidc_middleware import LoginError, OIDCError, handle_authentication_result, start_authentication
from oidc_middleware.protocol.id_token import ExpectedIDToken, IDToken, verify_id_token
from oidc_middleware.protocol.keys import jwks_request, process_jwks
from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.protocol.metadata import ProviderMetadata, discovery_request, process_discovery
from oidc_middleware.protocol.pkce import code_challenge
from oidc_middleware.steps import ClientAuthentication

ISSUER = os.environ["OIDC_ISSUER"]
CLIENT = ClientAuthentication(os.environ["OIDC_CLIENT_ID"], os.environ["OIDC_CLIENT_SECRET"], "client_secret_basic")

app = Flask(__name__)
app.secret_key = secrets.token_urlsafe(32)
app.config.update(SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_HTTPONLY=True)


@app.get("/")
def page() -> Response | str:
    if "name" not in session:
        return redirect(url_for("login"))
    return f"Hello {session['name']}"


@app.get("/login")
def login() -> Response:
    pending = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "code_verifier")}
    session.clear()
    session["pending"] = pending  # signed, not sealed: whoever owns this browser can read it
    return redirect(
        start_authentication(
            provider().authorization_endpoint,
            "openid profile",
            CLIENT.client_id,
            url_for("callback", _external=True),
            state=pending["state"],
            nonce=pending["nonce"],
            code_challenge=code_challenge(pending["code_verifier"]),
            code_challenge_method="S256",
        )
    )


@app.get("/callback")
def callback() -> Response:
    pending = session.pop("pending", None)
    if pending is None:
        raise LoginError("no_transaction")
    tokens = handle_authentication_result(
        request.url, provider().token_endpoint, CLIENT, state=pending["state"], code_verifier=pending["code_verifier"], issuer=ISSUER
    )
    user = verified(tokens.id_token, pending["nonce"], tokens.access_token)
    session.clear()
    session["name"] = user.claims.get("name", user.subject)
    return redirect(url_for("page"))


@app.errorhandler(OIDCError)
def refused(error: OIDCError) -> tuple[str, int]:
    app.logger.warning("%s: %s", error.code, error.detail)
    return error.public, error.status


def provider() -> ProviderMetadata:
    return process_discovery(call(discovery_request(ISSUER)), issuer=ISSUER)


def verified(id_token: str, nonce: str, access_token: str) -> IDToken:
    expected = ExpectedIDToken(ISSUER, CLIENT.client_id, nonce, access_token=access_token)
    return verify_id_token(id_token, expected, key_set=process_jwks(call(jwks_request(provider()))), now=time.time())


def call(message: HttpRequest) -> HttpResponse:
    answer = httpx.request(message.method, message.url, headers=dict(message.headers), content=message.body, timeout=10)
    return HttpResponse(answer.status_code, dict(answer.headers), answer.content)


if __name__ == "__main__":
    import waitress

    waitress.serve(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
