"""Flask with flask-oidc, as its documentation has it."""

from __future__ import annotations

import place
from flask import Flask, session
from flask_oidc import OpenIDConnect

app = Flask(__name__)
app.config.update(
    SECRET_KEY=place.SECRET_KEY,
    OIDC_CLIENT_SECRETS={"web": {"client_id": place.CLIENT_ID, "client_secret": place.CLIENT_SECRET, "issuer": place.ISSUER}},
    OIDC_SCOPES=place.SCOPE,
    OIDC_INTROSPECTION_AUTH_METHOD="client_secret_basic",
)
oidc = OpenIDConnect(app)


@app.get("/")
@oidc.require_login
def home() -> str:
    email: str = session["oidc_auth_profile"]["email"]
    return email
