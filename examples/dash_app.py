"""Dash: one line around the app; a callback knows who is asking.

When a session ends while the page is open, the callbacks get 401 instead of a redirect that a script could not follow.
"""

from __future__ import annotations

import os

import flask
from dash import Dash, Input, Output, dcc, html

from oidc_middleware import protect

app = Dash(__name__, title="Sales")
app.layout = html.Main([html.H1("Sales"), dcc.Dropdown(["north", "south"], "north", id="region"), html.P(id="text")])


@app.callback(Output("text", "children"), Input("region", "value"))
def describe(region: str) -> str:
    user = flask.request.environ["oidc_middleware.user"]
    return f"{region}, as {user.display_name} may see it"


protect(app)

if __name__ == "__main__":
    import waitress

    waitress.serve(app.server, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
