"""An application behind a real ASGI server.

Its settings are ``OIDC_*`` variables; ``SHIFT_FILE`` names a file with the seconds that its clock is ahead.
"""

import json
import os

import anyio
from shift import ShiftedClock

from oidc_middleware.asgi import OIDCMiddleware
from oidc_middleware.errors import OIDCError


async def told(scope):
    user = scope["user"]
    if scope["path"] == "/api":
        return {"sub": user.identity, "pid": os.getpid()}
    if scope["path"] == "/token":
        try:
            return {"token": await user.access_token()}
        except OIDCError as error:
            return {"error": error.code}
    if scope["path"] == "/token-nobody-waits-for":
        with anyio.move_on_after(0.2):
            return {"token": await user.access_token()}
        return {"given up": True}
    return {"path": scope["path"]}


async def inner(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = json.dumps(await told(scope)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


app = OIDCMiddleware(inner, clock=ShiftedClock())
