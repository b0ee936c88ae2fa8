"""ASGI without a framework. HTTP and WebSocket connections arrive with the user in the scope, or not at all."""

from __future__ import annotations

import os
from typing import Any

from oidc_middleware.asgi import OIDCMiddleware


async def hello(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    text = f"Hello {scope['user'].display_name} of {scope['user'].issuer}"
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": text})
        return await send({"type": "websocket.close"})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain; charset=utf-8")]})
    return await send({"type": "http.response.body", "body": text.encode()})


async def lifespan(receive: Any, send: Any) -> None:
    while (message := await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": f"{message['type']}.complete"})


app = OIDCMiddleware(hello)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
