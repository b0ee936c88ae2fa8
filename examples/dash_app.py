"""Dash: one line around the app; a callback knows who is asking.

When a session ends while the page is open, the callbacks get 401 instead of a redirect that a script could not follow. Dash shows nothing of that,
so SESSION_ENDED does: one bar at the top, with the way back.
"""

from __future__ import annotations

import os

import flask
from dash import Dash, Input, Output, dcc, html

from oidc_middleware import protect

#: Dash asks with ``fetch``; this looks at the answers as they pass. A file below ``assets/`` would do as well.
SESSION_ENDED = """<script>
const ask = window.fetch;
window.fetch = async (...request) => {
  const answer = await ask(...request);
  if (answer.status === 401 && !document.getElementById("session-ended")) {
    const { login_url } = await answer.clone().json().catch(() => ({}));
    if (login_url) {
      const back = encodeURIComponent(location.pathname + location.search);
      document.body.insertAdjacentHTML("afterbegin", '<p id="session-ended" role="status">Your session has ended. <a>Sign in again</a></p>');
      document.querySelector("#session-ended a").href = login_url + "?return_to=" + back;
    }
  }
  return answer;
};
</script>"""

app = Dash(__name__, title="Sales")
app.index_string = app.index_string.replace("{%scripts%}", "{%scripts%}" + SESSION_ENDED)
app.layout = html.Main([html.H1("Sales"), dcc.Dropdown(["north", "south"], "north", id="region"), html.P(id="text")])


@app.callback(Output("text", "children"), Input("region", "value"))
def describe(region: str) -> str:
    user = flask.request.environ["oidc_middleware.user"]
    return f"{region}, as {user.display_name} may see it"


protect(app)

if __name__ == "__main__":
    import waitress

    waitress.serve(app.server, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
