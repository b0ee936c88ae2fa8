"""Long answers of Starlette, which notices in two ways that a client is gone, end with their session (catalogue WS-09)."""

import asyncio

import pytest

from oidc_middleware.testing import run_async
from tests.catalogue.helpers import Stage
from tests.catalogue.helpers_long import Stream, signed_in_at
from tests.catalogue.test_ws_open import settled, sign_out


@pytest.fixture
def stage(caplog):
    return Stage("asgi", caplog)


@pytest.mark.row("WS-09", "AS-01")
def test_starlette_streams_as_ever_and_stops_when_told(stage):
    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    stopped, begun = [], asyncio.Queue()

    async def pieces(mine):
        try:
            while True:
                yield await mine.get()
        finally:
            stopped.append(True)

    async def events(_request):
        mine = asyncio.Queue()
        begun.put_nowait(mine)
        return StreamingResponse(pieces(mine), media_type="text/event-stream")

    stage._asgi_probe = Starlette(routes=[Route("/events", events), Route("/api", lambda _request: StreamingResponse(iter(["{}"])))])
    stage.restart(end_long_responses=True)
    for version in ("2.3", "2.5"):  # with 2.4, Starlette stopped to listen
        stage.clock.advance(1)
        browser = signed_in_at(stage)

        async def scenario():
            stream = Stream(stage, browser)  # noqa: B023  # called within this turn of the loop
            stream.scope["asgi"]["spec_version"] = version  # noqa: B023  # likewise
            mine = await begun.get()
            mine.put_nowait("one")
            await settled()
            await sign_out(stage, browser)  # noqa: B023  # likewise
            await stream.over()
            assert (stream.pieces, stream.complete) == ([b"one"], True)

        run_async(scenario())
    assert stopped == [True, True]
