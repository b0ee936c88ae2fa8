"""Flask's session and Authlib, as Authlib's documentation has it."""

from __future__ import annotations

import place
from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, session
from flask.typing import ResponseReturnValue

app = Flask(__name__)
app.secret_key = place.SECRET_KEY
oauth = OAuth(app)
oauth.register(
    "op",
    server_metadata_url=place.METADATA,
    client_id=place.CLIENT_ID,
    client_secret=place.CLIENT_SECRET,
    client_kwargs={"scope": place.SCOPE, "code_challenge_method": "S256"},
)


@app.get("/")
def home() -> ResponseReturnValue:
    user = session.get("user")
    return user["email"] if user else oauth.op.authorize_redirect(f"{place.BASE_URL}/callback")


@app.get("/callback")
def callback() -> ResponseReturnValue:
    token = oauth.op.authorize_access_token()
    session["user"] = dict(oauth.op.userinfo(token=token))
    return redirect("/")
