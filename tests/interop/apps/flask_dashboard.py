"""The same dashboard under WSGI."""

from __future__ import annotations

import html

from flask import Flask, jsonify, request

from oidc_middleware import protect

app = Flask(__name__)


def user():
    return request.environ["oidc_middleware.user"]


@app.get("/")
@app.get("/reports/<name>")
def page(name=""):
    lines = "".join(f"<li>{html.escape(text)}</li>" for text in (user().display_name, user().email or "", *user().groups))
    form = '<form method="post" action="/oidc/logout"><button>Sign out</button></form>'
    return f"<!doctype html><title>Reports</title><ul>{lines}</ul>{form}"


@app.get("/api/me")
def api():
    who = user()
    assert request.environ["REMOTE_USER"] == who.identity
    return jsonify(sub=who.identity, name=who.display_name, email=who.email, groups=list(who.groups), issuer=who.issuer)


@app.post("/api/upload")
def upload():
    return jsonify(bytes=len(request.get_data()))


@app.get("/health")
def health():
    return jsonify(signed_in=user().is_authenticated)


app = protect(app)
