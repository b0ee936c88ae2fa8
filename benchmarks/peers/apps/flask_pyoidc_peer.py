"""Flask with Flask-pyoidc, as its documentation has it."""

from __future__ import annotations

import flask
import place
from flask import Flask
from flask_pyoidc import OIDCAuthentication
from flask_pyoidc.provider_configuration import ClientMetadata, ProviderConfiguration
from flask_pyoidc.user_session import UserSession

app = Flask(__name__)
app.config.update(SECRET_KEY=place.SECRET_KEY, OIDC_REDIRECT_URI=f"{place.BASE_URL}/redirect_uri")
auth = OIDCAuthentication(
    {
        "op": ProviderConfiguration(
            issuer=place.ISSUER,
            client_metadata=ClientMetadata(client_id=place.CLIENT_ID, client_secret=place.CLIENT_SECRET),
            auth_request_params={"scope": place.SCOPE.split()},
        )
    },
    app,
)


@app.get("/")
@auth.oidc_auth("op")
def home() -> str:
    email: str = UserSession(flask.session).userinfo["email"]
    return email
