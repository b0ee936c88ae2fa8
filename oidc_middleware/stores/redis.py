"""The Redis store: runs the plans of :mod:`redis_plans` with the blocking or the asyncio client. The only file that imports the Redis library.

What the library alone does not give (measured, catalogue appendix A): with its defaults a call takes 4 s to notice that the server is down and a
minute when it is silent; a pool with a limit raises instead of waiting. Hence limits of our own, one repetition when a connection broke and none
when time ran out (unless it was our own event loop that did not listen), and a queue in front of the pool.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator
from typing import Any, Final

import redis
import redis.asyncio
import redis.asyncio.cluster
import redis.asyncio.retry
import redis.asyncio.sentinel
import redis.cluster
import redis.sentinel
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    OutOfMemoryError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as BrokenConnection,
)
from redis.exceptions import (
    TimeoutError as SilentServer,
)
from redis.retry import Retry

from oidc_middleware.errors import Unavailable
from oidc_middleware.stores.base import Record, full, unavailable
from oidc_middleware.stores.redis_methods import AsyncMethods, SyncMethods
from oidc_middleware.stores.redis_plans import Command, Plans, Refused
from oidc_middleware.stores.redis_together import Together
from oidc_middleware.stores.redis_url import Place
from oidc_middleware.stores.stalls import Stalls

# The library's types are incomplete here.
_Sentinel: Final[Any] = redis.sentinel.Sentinel
_AsyncSentinel: Final[Any] = redis.asyncio.sentinel.Sentinel
_Node: Final[Any] = redis.cluster.ClusterNode

#: Seconds for a connection, for an answer, and for a place in the queue.
CONNECT: Final = 0.5
READ: Final = 1.0
QUEUE: Final = 1.0
#: Commands sent together that may take as long again as one answer.
_MANY: Final = 100

_FAULTS: Final = (RedisError, RedisClusterException, OSError, TimeoutError)


def _limits(place: Place) -> dict[str, Any]:
    """What every connection is made with."""
    limits: dict[str, Any] = {"socket_connect_timeout": CONNECT, "socket_timeout": READ, "socket_keepalive": True}
    limits["max_connections"] = 2 * place.max_connections  # never reached: the queue is in front
    if place.tls is not None:
        limits |= {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True, **place.tls}
    return limits


def _login(place: Place) -> dict[str, Any]:
    return {"username": place.username, "password": place.password}


def _sentinel_login(place: Place) -> dict[str, Any]:
    return {"username": place.sentinel_username, "password": place.sentinel_password}


def _open(place: Place) -> Any:
    limits, retry = _limits(place), Retry(NoBackoff(), 0)
    match place.form:
        case "sentinel":
            finder = _Sentinel(place.hosts, sentinel_kwargs={**limits, **_sentinel_login(place), "retry": retry})
            return finder.master_for(place.service, db=place.db, retry=retry, **limits, **_login(place))
        case "cluster":
            nodes = [_Node(*host) for host in place.hosts]
            return redis.cluster.RedisCluster(startup_nodes=nodes, retry=Retry(NoBackoff(), 1), **limits, **_login(place))
        case _:
            ((host, port),) = place.hosts
            return redis.Redis(host, port, place.db, retry=retry, **limits, **_login(place))


def _open_async(place: Place) -> Any:
    limits, retry = _limits(place), redis.asyncio.retry.Retry(NoBackoff(), 0)
    match place.form:
        case "sentinel":
            finder = _AsyncSentinel(place.hosts, sentinel_kwargs={**limits, **_sentinel_login(place), "retry": retry})
            return finder.master_for(place.service, db=place.db, retry=retry, **limits, **_login(place))
        case "cluster":
            nodes = [redis.asyncio.cluster.ClusterNode(*host) for host in place.hosts]
            once = redis.asyncio.retry.Retry(NoBackoff(), 1)
            return redis.asyncio.cluster.RedisCluster(startup_nodes=nodes, retry=once, **limits, **_login(place))
        case _:
            ((host, port),) = place.hosts
            limits["socket_timeout"] = None  # :meth:`AsyncRedisStore._once` has one limit for the whole call: the library's take a task each
            return redis.asyncio.Redis(host=host, port=port, db=place.db, retry=retry, **limits, **_login(place))


def _pools(client: Any) -> list[Any]:
    """Every pool of connections behind *client*: closing the client leaves some of them open."""
    if hasattr(client, "nodes_manager"):
        return [node.redis_connection.connection_pool for node in client.get_nodes() if getattr(node, "redis_connection", None)]
    finder = getattr(client.connection_pool, "sentinel_manager", None)
    return [client.connection_pool, *(sentinel.connection_pool for sentinel in (finder.sentinels if finder else ()))]


def _translated(error: Exception) -> Unavailable:
    """Redis's words name hosts, commands and users, never passwords."""
    if isinstance(error, OutOfMemoryError) or (isinstance(error, ResponseError) and "OOM command not allowed" in str(error)):
        return full("redis", error)
    if isinstance(error, AuthenticationError | AuthorizationError | NoPermissionError) or type(error) is ResponseError:
        return Refused("store_unavailable", f"redis: {str(error)[:200]!r}")
    return unavailable("redis", f"{type(error).__name__} {error}")


def _repeatable(error: Exception) -> bool:
    """Whether to ask once more: the connection broke, most likely because it lay idle while the server was restarted (catalogue F-ST-05).

    The plans' commands have the same result when they are carried out twice, so writes may be repeated too.
    """
    return isinstance(error, BrokenConnection) and not isinstance(error, AuthenticationError | AuthorizationError)


def _answers(results: list[Any]) -> list[Any]:
    """*results*, with ``None`` for what is of another type than ours."""
    clean = [None if isinstance(result, ResponseError) and "WRONGTYPE" in str(result) else result for result in results]
    for result in clean:
        if isinstance(result, Exception):
            raise result
    return clean


def _everywhere(command: Command, place: Place) -> dict[str, Any]:
    """Options for a command that is asked of all servers of a cluster."""
    return {"target_nodes": "primaries"} if place.form == "cluster" and command[0] == "INFO" else {}


def _too_many() -> Unavailable:
    return unavailable("redis", "too many calls at once")


class RedisStore(SyncMethods):
    """For WSGI. One client per process, made at first use; a forked child makes its own (catalogue F-PR-06)."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._plans = Plans(place.prefix, together=place.form != "cluster", local_seconds=place.local_seconds)
        self._lock = threading.Lock()
        self._mine: tuple[int, Any, threading.BoundedSemaphore] | None = None

    def __repr__(self) -> str:
        return f"<RedisStore {self._place!r}>"

    def close(self) -> None:
        """Close this process's connections; the next call opens new ones."""
        with self._lock:
            mine, self._mine = self._mine, None
        if mine and mine[0] == os.getpid() and mine[1]:
            mine[1].close()
            for pool in _pools(mine[1]):
                pool.disconnect()

    def _send(self, commands: list[Command]) -> list[Any]:
        try:
            client, queue = self._own()
            if not queue.acquire(timeout=QUEUE):
                raise _too_many()
            try:
                return self._perhaps_twice(client, commands)
            finally:
                queue.release()
        except _FAULTS as error:
            raise _translated(error) from None

    def _perhaps_twice(self, client: Any, commands: list[Command]) -> list[Any]:
        try:
            return self._once(client, commands)
        except BrokenConnection as error:
            if not _repeatable(error):
                raise
        if self._place.form != "cluster":  # which looks after its connections itself
            client.connection_pool.disconnect(inuse_connections=False)
        return self._once(client, commands)

    def _once(self, client: Any, commands: list[Command]) -> list[Any]:
        if len(commands) == 1 or self._place.form == "cluster":
            return _answers([self._one(client, command) for command in commands])
        pipeline = client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return _answers(pipeline.execute(raise_on_error=False))

    def _one(self, client: Any, command: Command) -> Any:
        try:
            return client.execute_command(*command, **_everywhere(command, self._place))
        except ResponseError as error:
            return error

    def _own(self) -> tuple[Any, threading.BoundedSemaphore]:
        mine = self._mine
        if mine is None or mine[0] != os.getpid():
            with self._lock:
                mine = self._mine
                if mine is None or mine[0] != os.getpid():
                    mine = self._mine = (os.getpid(), _open(self._place), threading.BoundedSemaphore(self._place.max_connections))
        return mine[1], mine[2]


class AsyncRedisStore(AsyncMethods):
    """For ASGI. One client per process and event loop, closed with its loop (catalogue F-PR-07)."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._plans = Plans(place.prefix, together=place.form != "cluster", local_seconds=place.local_seconds)
        self._mine: dict[tuple[int, asyncio.AbstractEventLoop], tuple[Any, asyncio.Semaphore, Together, Stalls, AsyncGenerator[None]]] = {}

    def __repr__(self) -> str:
        return f"<AsyncRedisStore {self._place!r}>"

    async def close(self) -> None:
        """Close this event loop's connections; the next call opens new ones."""
        mine = self._mine.pop((os.getpid(), asyncio.get_running_loop()), None)
        if mine:
            await mine[4].aclose()

    async def get(self, key: str, now: float) -> Record | None:
        """See :class:`~oidc_middleware.stores.base.AsyncStore`. What nearly every call is, so without the steps of the others."""
        if self._place.form == "cluster":  # where the keys of one command live apart
            return await super().get(key, now)
        mine = self._mine.get((os.getpid(), asyncio.get_running_loop())) or await self._own()
        plan = self._plans.get(key, now)
        ((_, name),) = next(plan)
        value = await mine[2].read(name)
        try:
            plan.send([value])
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # what a generator returns is not typed
        raise AssertionError("a read is one command")

    async def _send(self, commands: list[Command]) -> list[Any]:
        return await self._now(commands)

    async def _now(self, commands: list[Command]) -> list[Any]:
        try:
            client, queue, _, stalls = await self._own()
            with stalls.watched() as held_up:
                try:
                    return await self._in_turn(client, queue, commands)
                except (SilentServer, TimeoutError, Unavailable):
                    if not held_up():
                        raise
                return await self._in_turn(client, queue, commands)  # it was we who did not listen
        except _FAULTS as error:
            raise _translated(error) from None

    async def _in_turn(self, client: Any, queue: asyncio.Semaphore, commands: list[Command]) -> list[Any]:
        await _queued(queue)
        try:
            return await self._perhaps_twice(client, commands)
        finally:
            queue.release()

    async def _perhaps_twice(self, client: Any, commands: list[Command]) -> list[Any]:
        try:
            return await self._once(client, commands)
        except BrokenConnection as error:
            if not _repeatable(error):
                raise
        if self._place.form != "cluster":
            await client.connection_pool.disconnect(inuse_connections=False)
        return await self._once(client, commands)

    async def _once(self, client: Any, commands: list[Command]) -> list[Any]:
        if self._place.form in ("sentinel", "cluster"):  # several servers may be asked, each with limits of its own
            return await self._answered(client, commands)
        async with asyncio.timeout(READ * (1 + len(commands) // _MANY)):
            return await self._answered(client, commands)

    async def _answered(self, client: Any, commands: list[Command]) -> list[Any]:
        if len(commands) == 1 or self._place.form == "cluster":
            return _answers([await self._one(client, command) for command in commands])
        pipeline = client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return _answers(await pipeline.execute(raise_on_error=False))

    async def _one(self, client: Any, command: Command) -> Any:
        try:
            return await client.execute_command(*command, **_everywhere(command, self._place))
        except ResponseError as error:
            return error

    async def _own(self) -> tuple[Any, asyncio.Semaphore, Together, Stalls]:
        loop = asyncio.get_running_loop()
        mine = self._mine.get((os.getpid(), loop))
        if mine is None:
            for key in [key for key in self._mine if key[0] != os.getpid() or key[1].is_closed()]:
                del self._mine[key]
            client = _open_async(self._place)
            end = _closed_with_the_loop(client)
            mine = self._mine[os.getpid(), loop] = (client, asyncio.Semaphore(self._place.max_connections), Together(self._now), Stalls(loop), end)
            await anext(end)
        return mine[:4]


async def _queued(queue: asyncio.Semaphore) -> None:
    if not queue.locked():
        await queue.acquire()
        return
    try:
        async with asyncio.timeout(QUEUE):
            await queue.acquire()
    except TimeoutError:
        raise _too_many() from None


async def _closed_with_the_loop(client: Any) -> AsyncGenerator[None]:
    """An event loop that ends closes the asynchronous generators begun in it, and this one closes the client: no socket is left behind."""
    try:
        yield
    finally:
        await client.aclose()
        for pool in _pools(client):
            await pool.disconnect()
