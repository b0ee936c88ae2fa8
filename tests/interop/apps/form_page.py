"""A page with a form, and the strictest policy that it and our script need; the same with a WebSocket and an event stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from oidc_middleware import protect

POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; require-trusted-types-for 'script'"
PAGE = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width, initial-scale=1"><title>A form</title>
<link rel="icon" href="data:,">
<script src="/oidc/session.js" data-warn="{warn}" defer></script>
{more}<main><h1>A form</h1><label>Report <textarea rows="6"></textarea></label></main></html>"""

#: What a page with a WebSocket and an event stream does about their end.
SCRIPT = """
window.heard = []; window.codes = []; window.events = 0; window.streamEnded = 0;
const ask = () => document.dispatchEvent(new Event("oidc-session-check"));
function connect() {
  const socket = new WebSocket(`ws://${location.host}/ws`);
  socket.onopen = () => socket.send("hello");
  socket.onmessage = event => heard.push(event.data);
  socket.onclose = event => { codes.push(event.code); if (event.code === 4401) ask(); };
  const stream = new EventSource("/events");
  stream.onmessage = () => { events += 1; };
  stream.onerror = () => { if (stream.readyState === EventSource.CLOSED) { streamEnded += 1; ask(); } };
}
let gone = false;
document.addEventListener("oidc-session", event => {
  if (event.detail.state === "ended") gone = true;
  if (event.detail.state === "active" && gone) { gone = false; connect(); }
});
connect();
"""


async def script(_request: Request) -> Response:
    return Response(SCRIPT, media_type="text/javascript")


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(f"{await socket.receive_text()}, {socket.user.identity}")
    except WebSocketDisconnect:
        return


async def ticks() -> AsyncIterator[str]:
    yield "retry: 100\n\n"
    while True:
        yield "data: tick\n\n"
        await asyncio.sleep(0.1)


async def events(_request: Request) -> StreamingResponse:
    return StreamingResponse(ticks(), media_type="text/event-stream")


async def form(request: Request) -> HTMLResponse:
    more = '<script src="/live.js" defer></script>' if request.url.path == "/live" else ""
    page = PAGE.replace("{warn}", str(int(request.query_params.get("warn", "0")))).replace("{more}", more)
    headers = {"Content-Security-Policy": POLICY, "Cross-Origin-Opener-Policy": "same-origin"}
    return HTMLResponse(page, headers=headers)


async def who(request: Request) -> JSONResponse:
    return JSONResponse(request.user.identity)


async def health(_request: Request) -> Response:
    return Response("ok")


ROUTES = [
    Route("/", form),
    Route("/form", form),
    Route("/live", form),
    Route("/live.js", script),
    Route("/events", events),
    WebSocketRoute("/ws", talk),
    Route("/who", who),
    Route("/health", health),
]
app = protect(Starlette(routes=ROUTES))
