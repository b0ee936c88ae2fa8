"""Flask behind oidc_middleware, sessions in the cookie (the default)."""

from __future__ import annotations

import place
from flask import Flask, request

from oidc_middleware.wsgi import OIDCMiddleware

inner = Flask(__name__)


@inner.get("/")
def home() -> str:
    email: str = request.environ["oidc_middleware.user"].email
    return email


app = OIDCMiddleware(
    inner,
    issuer=place.ISSUER,
    client_id=place.CLIENT_ID,
    client_secret=place.CLIENT_SECRET,
    base_url=place.BASE_URL,
    secret_key=place.SECRET_KEY,
)
