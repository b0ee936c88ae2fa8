"""Reads that come at once, as one command: a busy worker asks Redis once for all of them.

Nobody waits for company: the command is sent when everybody has run whose turn it was already, and who arrived while they did. Where there is nobody,
that is a turn of the event loop, a few microseconds. Who is cancelled meanwhile takes nothing away from the others, and an answer goes to whoever
asked for its name.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

#: Names in one command: Redis serves nobody else while it collects them.
_MOST: Final = 100

Command = tuple[str | bytes, ...]
_Batch = list[tuple[str | bytes, "asyncio.Future[Any]"]]


class Together:
    """For one event loop. *send* carries commands out and returns their answers."""

    def __init__(self, send: Callable[[list[Command]], Awaitable[list[Any]]]) -> None:
        self._send = send
        self._open: _Batch = []
        self._tasks: set[asyncio.Task[None]] = set()  # event loops hold theirs weakly

    async def read(self, name: str | bytes) -> Any:
        """What ``GET`` of *name* answers. Error: as *send* says."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        batch = self._open
        batch.append((name, answer))
        if len(batch) == 1:
            # In a context of its own: it is about many requests, and must not look like a part of the first one's.
            task = loop.create_task(self._ask(batch), context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(partial(self._over, batch))
        elif len(batch) == _MOST:
            self._open = []
        return await answer

    async def _ask(self, batch: _Batch) -> None:
        try:
            await asyncio.sleep(0)  # one turn: what has reached the server in the meantime comes along
            if self._open is batch:
                self._open = []
            answers = await self._answers([name for name, _ in batch])
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait are told
            for future in _waiting(batch):
                future.set_exception(copy.copy(error))  # each its own: where it is raised is written into it
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():  # else its request was cancelled
                    future.set_result(answer)

    def _over(self, batch: _Batch, task: asyncio.Task[None]) -> None:
        """An event loop that ends cancels what it finds, even what has not begun: nobody goes on waiting, and nobody joins."""
        self._tasks.discard(task)
        if self._open is batch:
            self._open = []
        for future in _waiting(batch):
            future.cancel()

    async def _answers(self, names: list[str | bytes]) -> list[Any]:
        if len(names) == 1:
            return await self._send([("GET", names[0])])
        (answers,) = await self._send([("MGET", *names)])
        return list(answers)


def _waiting(batch: _Batch) -> list[asyncio.Future[Any]]:
    return [future for _, future in batch if not future.done()]
