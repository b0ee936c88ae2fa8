"""Strangers who try to sign in, and users who are signed in: so many a second, whether or not those before them have got an answer.

python crowd.py URL COOKIE SECONDS STRANGERS_PER_SECOND USERS_PER_SECOND

Prints JSON: the milliseconds from the moment that each user's request was due until its answer was there, and what the strangers got. Nobody's wait
is left out because the server was busy with somebody else's.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

#: Somebody who has waited that many seconds has left.
_PATIENCE = 15.0
_ADA = b"ada@example.com"


class Crowd:
    """All of them, on their way to one server."""

    def __init__(self, url: str, cookie: str) -> None:
        parts = urlsplit(url)
        self.host, self.port, self.cookie = parts.hostname or "127.0.0.1", parts.port or 80, cookie
        self.milliseconds: list[float] = []
        self.strangers: Counter[str] = Counter()
        self.wrong: list[str] = []

    async def _get(self, path: str, cookie: str) -> tuple[int, dict[str, str], bytes]:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            sent = [f"GET {path} HTTP/1.1", f"Host: {self.host}:{self.port}", "Accept: text/html", "Sec-Fetch-Mode: navigate"]
            sent += ["Sec-Fetch-Dest: document", "Connection: close", *([f"Cookie: {cookie}"] if cookie else [])]
            writer.write("\r\n".join([*sent, "", ""]).encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            status, *lines = head.decode("latin-1").splitlines()
            return int(status.split(" ")[1]), {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}, body
        finally:
            writer.close()

    async def stranger(self, _due: float) -> None:
        """Is sent to the provider, and comes back with a code."""
        try:
            async with asyncio.timeout(_PATIENCE):
                status, headers, _ = await self._get("/", "")
                self.strangers[f"start {status}"] += 1
                if "location" in headers:
                    state = parse_qs(urlsplit(headers["location"]).query)["state"][0]
                    status, _, _ = await self._get(f"/oidc/callback?code=none&state={state}", headers["set-cookie"].partition(";")[0])
                    self.strangers[f"callback {status}"] += 1
        except (OSError, TimeoutError, ValueError) as error:
            self.strangers[type(error).__name__] += 1

    async def user(self, due: float) -> None:
        """Wants a page."""
        try:
            async with asyncio.timeout(_PATIENCE):
                status, _, body = await self._get("/", self.cookie)
            if status != 200 or body != _ADA:
                self.wrong.append(f"{status} {body[:100]!r}")
        except (OSError, ValueError) as error:
            self.wrong.append(type(error).__name__)
        except TimeoutError:
            pass  # the wait is told as long as it was
        self.milliseconds.append(1e3 * (time.monotonic() - due))


async def _come(what: Callable[[float], Awaitable[None]], each_second: float, seconds: float) -> None:
    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(round(each_second * seconds)):
            due = begun + number / each_second
            await asyncio.sleep(due - time.monotonic())
            group.create_task(_awaited(what(due)))


async def _awaited(one: Awaitable[None]) -> None:
    await one


async def main() -> None:
    url, cookie, *numbers = sys.argv[1:]
    seconds, strangers, users = map(float, numbers)
    crowd = Crowd(url, cookie)
    await crowd.user(time.monotonic())  # the first is for warming up
    crowd.milliseconds.clear()
    await asyncio.gather(_come(crowd.stranger, strangers, seconds), _come(crowd.user, users, seconds))
    print(json.dumps({"milliseconds": crowd.milliseconds, "strangers": crowd.strangers, "wrong": crowd.wrong}))


if __name__ == "__main__":
    asyncio.run(main())
