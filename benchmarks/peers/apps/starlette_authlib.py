"""Authlib's client and what both applications with it share, as Authlib's documentation has it."""

from __future__ import annotations

import place
from authlib.integrations.starlette_client import OAuth
from starlette.requests import Request
from starlette.responses import RedirectResponse

oauth = OAuth()
oauth.register(
    "op",
    server_metadata_url=place.METADATA,
    client_id=place.CLIENT_ID,
    client_secret=place.CLIENT_SECRET,
    client_kwargs={"scope": place.SCOPE, "code_challenge_method": "S256"},
)


async def login(request: Request) -> RedirectResponse:
    """To the provider."""
    answer: RedirectResponse = await oauth.op.authorize_redirect(request, f"{place.BASE_URL}/callback")
    return answer


async def callback(request: Request) -> RedirectResponse:
    """Back from the provider."""
    token = await oauth.op.authorize_access_token(request)
    request.session["user"] = dict(await oauth.op.userinfo(token=token))
    return RedirectResponse("/")
