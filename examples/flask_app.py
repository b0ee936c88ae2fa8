"""Flask: one line, and the user in ``request.environ``."""

from __future__ import annotations

import os

from flask import Flask, render_template_string, request

from oidc_middleware.wsgi import OIDCMiddleware

app = Flask(__name__)
app.wsgi_app = OIDCMiddleware(app.wsgi_app)  # type: ignore[method-assign]  # Flask documents this assignment

PAGE = """<!doctype html>
<title>Reports</title>
<p>Hello {{ user.display_name }} ({{ user.email }})</p>
<form method="post" action="{{ request.script_root }}/oidc/logout"><button>Sign out</button></form>
"""


@app.get("/")
@app.get("/reports/<name>")
def page(name: str = "") -> str:
    return render_template_string(PAGE, user=request.environ["oidc_middleware.user"], name=name)


if __name__ == "__main__":
    import waitress

    waitress.serve(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
