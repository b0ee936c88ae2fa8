"""The HTTP client, for ASGI and for WSGI. Imports httpx only when the first call is made.

Our own calls go over connections of their own (:mod:`oidc_middleware.transports.wire`); a user's client, and proxies, need all of httpx.

What httpx alone does not give (measured, catalogue appendix A): its time limits are per read, so an answer that drips one byte at a time never
ends; it undoes compression without a limit. Hence one total deadline and one size limit around every call.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final
from urllib.request import getproxies

import anyio
import anyio.lowlevel
import anyio.to_thread

from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.transports.call import Body, Progress, answer, request_headers, too_slow, translated
from oidc_middleware.transports.processes import BACKGROUND, PerProcess
from oidc_middleware.transports.slots import Slots

if TYPE_CHECKING:
    import ssl

    import httpx

#: Seconds for one call to the provider, everything included, and for the connection alone; mod_auth_openidc and oauth2-proxy allow 10 s as well.
DEADLINE: Final = 10.0
CONNECT: Final = 3.0

#: Calls to the provider under way at the same time, per process (catalogue DS-06).
MAX_CONCURRENT: Final = 20


class _Process:
    """What one process shares between its calls: the TLS context (27 ms to make), a client for each event loop, the slots."""

    def __init__(self, max_concurrent: int, trust_env: bool) -> None:
        self.slots = Slots(max_concurrent)
        self._lock = threading.Lock()
        self.clients: dict[object, tuple[httpx.AsyncClient, AsyncGenerator[None]]] = {}
        self._limiters: weakref.WeakKeyDictionary[object, anyio.CapacityLimiter] = weakref.WeakKeyDictionary()
        self._max_concurrent = max_concurrent
        self._trusting = trust_env
        self._tls: ssl.SSLContext | None = None
        #: Whether the surroundings name a proxy for anything, where httpx looks as well.
        self.proxied = trust_env and not {"http", "https", "all"}.isdisjoint(getproxies())

    def tls(self) -> ssl.SSLContext:
        """What certificates are judged by."""
        import httpx  # noqa: PLC0415  # loaded with the first call to the provider, not with the package

        with self._lock:
            if self._tls is None:
                self._tls = httpx.create_ssl_context(trust_env=self._trusting)
                self._tls.set_alpn_protocols(["http/1.1"])
            return self._tls

    async def client(self) -> httpx.AsyncClient:
        """This event loop's client, which knows about proxies: connections belong to their loop (catalogue JW-09)."""
        loop = _loop()
        client, _ = self.clients.get(loop, (None, None))
        if client is None or client.is_closed:
            client = self._make()
            end = _closed_with_the_loop(client)
            self.clients[loop] = (client, end)
            await anext(end)
        return client

    def _make(self) -> httpx.AsyncClient:
        import httpx  # noqa: PLC0415  # as above

        tls = self.tls()
        with self._lock:
            for gone in [known for known in self.clients if getattr(known, "is_closed", bool)()]:
                del self.clients[gone]
        nobodys_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))  # what the provider sets for us is not kept between logins
        # No connection is kept: the provider may close it just as a code goes out over it, which then cannot be sent again, and one that is always
        # in use never notices that the provider's name has moved to another address (catalogue F-OP-16, F-OP-11).
        fresh = httpx.Limits(max_keepalive_connections=0)
        return httpx.AsyncClient(verify=tls, trust_env=self._trusting, cookies=nobodys_cookies, follow_redirects=False, limits=fresh)

    def limiter(self) -> anyio.CapacityLimiter:
        """This event loop's worker threads for a user's synchronous client; not those that the application's own views run in."""
        loop = _loop()
        if loop not in self._limiters:
            self._limiters[loop] = anyio.CapacityLimiter(self._max_concurrent)
        return self._limiters[loop]


async def _closed_with_the_loop(client: httpx.AsyncClient) -> AsyncGenerator[None]:
    """An event loop that ends closes the asynchronous generators begun in it, and this one closes the client: no socket is left behind."""
    try:
        yield
    finally:
        await client.aclose()


def _close_soon(processes: PerProcess[_Process]) -> None:
    """Close what a forgotten :class:`AsyncHttp` leaves behind, in the event loops that still run."""
    own = processes.get(os.getpid())
    for loop, (client, _) in own.clients.items() if own else ():
        if isinstance(loop, asyncio.AbstractEventLoop) and loop.is_running():
            asyncio.run_coroutine_threadsafe(client.aclose(), loop)


def _loop() -> object:
    token: object = anyio.lowlevel.current_token()
    return getattr(token, "native_token", token)


class AsyncHttp:
    """HTTP for ASGI.

    *http_client*: the user's own ``httpx.AsyncClient`` (or look-alike), or a synchronous one, which is then called in a worker thread; ``None`` for
    ours. A user's client is never closed, follows no redirects here, and its ``auth`` is not used: client authentication is the protocol's business.
    *trust_env*: whether ours honours ``HTTPS_PROXY``, ``NO_PROXY``, ``SSL_CERT_FILE`` and their kin (catalogue DI-12). *deadline* and *connect* are
    seconds: for the whole call, and for its connection.
    """

    def __init__(
        self,
        http_client: object | None = None,
        *,
        trust_env: bool,
        deadline: float = DEADLINE,
        connect: float = CONNECT,
        max_concurrent: int = MAX_CONCURRENT,
    ) -> None:
        self._given: Any = http_client
        self._threaded = http_client is not None and not is_async(http_client)
        self._deadline = deadline
        self._connect = min(connect, deadline)
        self._process = PerProcess(partial(_Process, max_concurrent, trust_env))
        weakref.finalize(self, _close_soon, self._process).atexit = False

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The complete answer. Errors: ``Unavailable`` (``provider_unreachable``, ``provider_timeout``, ``provider_busy``), ``ProviderError``."""
        seconds = _seconds(request, self._deadline)
        until = time.monotonic() + seconds  # the wait for a slot counts
        async with self._process.get_own().slots.ataken(request, seconds):
            return await self._in_time(request, until - time.monotonic())

    @property
    def goes_by_itself(self) -> bool:
        """Whether calls go over connections of ours, and neither through a user's client nor through a proxy."""
        return self._given is None and not self._process.get_own().proxied

    async def _in_time(self, request: HttpRequest, seconds: float) -> HttpResponse:
        progress = Progress()
        try:
            own = self._process.get_own()
            with anyio.move_on_after(seconds) as scope:
                if self._threaded:
                    return await self._in_thread(request)
                return await self._with_retry(await self._way(request, own, self._follow(progress, scope)), request, progress)
        except Exception as error:  # noqa: BLE001  # whatever a client raises, a user's own included, is the surroundings' fault
            raise translated(request, error, progress) from None
        raise too_slow(request, progress)

    async def _way(self, request: HttpRequest, own: _Process, trace: Callable[..., Any]) -> Callable[[], Coroutine[Any, Any, HttpResponse]]:
        """How this call is made."""
        if not self.goes_by_itself:
            return partial(self._once, self._given if self._given is not None else await own.client(), request, trace)
        from oidc_middleware.transports.wire import exchange  # noqa: PLC0415  # as httpx: loaded with the first call

        return partial(exchange, request, own.tls(), self._limits(), trace)

    def _follow(self, progress: Progress, scope: anyio.CancelScope) -> Callable[..., Coroutine[Any, Any, None]]:
        """What hears of each step of a call, and limits the first."""
        end = scope.deadline

        async def trace(event: str, _info: dict[str, Any]) -> None:
            before = progress.connecting
            progress.note(event)
            if progress.connecting is not before:
                # httpx limits TCP and TLS each; together they get a little more, not twice as much (catalogue DI-07). The little more lets
                # httpx's own limit go first: cancelled within a TLS handshake, it leaves the socket to the garbage collector.
                scope.deadline = min(end, anyio.current_time() + 1.2 * self._connect) if progress.connecting else end

        return trace

    @staticmethod
    async def _with_retry(once: Callable[[], Coroutine[Any, Any, HttpResponse]], request: HttpRequest, progress: Progress) -> HttpResponse:
        try:
            return await once()
        except Exception as error:
            if not progress.may_retry(request, error):
                raise
        progress.restart()
        return await once()

    async def _once(self, client: Any, request: HttpRequest, trace: Callable[..., Any]) -> HttpResponse:
        outgoing = _build(client, request, self._limits(), trace)
        response = await client.send(outgoing, stream=True, follow_redirects=False, auth=None)
        try:
            return answer(response, await _read(request, response))
        finally:
            await response.aclose()

    async def _in_thread(self, request: HttpRequest) -> HttpResponse:
        once = partial(_once_sync, self._given, request, self._limits(), time.monotonic() + _seconds(request, self._deadline))
        call = partial(_call_sync, once, request)
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._process.get_own().limiter())

    def _limits(self) -> tuple[float, float, float, float]:
        """Connect, read, write and pool limit, as httpx and httpx2 take them."""
        return (self._connect, self._deadline, self._deadline, self._deadline)


class SyncHttp:
    """HTTP for WSGI. The options are those of :class:`AsyncHttp`.

    Calls are made in the calling thread, with one limit of time for all of it. A user's own ``httpx.Client`` limits each read alone, and the total is
    looked at between the pieces of the body, so that a dripping *header* can take longer there. Proxies, and a user's asynchronous client, are used
    from one background thread per process.
    """

    def __init__(
        self,
        http_client: object | None = None,
        *,
        trust_env: bool,
        deadline: float = DEADLINE,
        connect: float = CONNECT,
        max_concurrent: int = MAX_CONCURRENT,
    ) -> None:
        self._direct: Any = None if http_client is None or is_async(http_client) else http_client
        self._http = AsyncHttp(
            None if self._direct is not None else http_client, trust_env=trust_env, deadline=deadline, connect=connect, max_concurrent=max_concurrent
        )
        self._process = self._http._process  # noqa: SLF001  # the two are one
        self._deadline = deadline
        self._connect = min(connect, deadline)

    def send(self, request: HttpRequest) -> HttpResponse:
        """The complete answer. Errors as :meth:`AsyncHttp.send`."""
        if self._direct is None and not self._http.goes_by_itself:
            return BACKGROUND.get_own().call(self._http.send(request))
        seconds = _seconds(request, self._deadline)
        until = time.monotonic() + seconds
        own = self._process.get_own()
        with own.slots.taken(request, seconds):
            left = until - time.monotonic()
            once = self._by_itself(request, own, left) if self._direct is None else self._by_client(request, left)
            return _call_sync(once, request)

    def _by_client(self, request: HttpRequest, seconds: float) -> Callable[[Progress], HttpResponse]:
        limits = (self._connect, self._deadline, self._deadline, self._deadline)
        return partial(_once_sync, self._direct, request, limits, time.monotonic() + seconds)

    def _by_itself(self, request: HttpRequest, own: _Process, seconds: float) -> Callable[[Progress], HttpResponse]:
        from oidc_middleware.transports.streams import Limit  # noqa: PLC0415  # as httpx: loaded with the first call
        from oidc_middleware.transports.wire import exchange_in_thread  # noqa: PLC0415  # likewise

        limit = Limit(seconds, self._connect)
        return lambda progress: exchange_in_thread(request, own.tls(), limit, lambda event, _info: progress.note(event))


def _seconds(request: HttpRequest, deadline: float) -> float:
    """How long the whole call may take."""
    return deadline if request.seconds is None else min(deadline, request.seconds)


def is_async(client: object) -> bool:
    """Whether *client* is of the ``AsyncClient`` kind."""
    return hasattr(client, "aclose")


def _build(client: Any, request: HttpRequest, limits: tuple[float, ...], trace: Callable[..., Any]) -> Any:
    limits = tuple(_seconds(request, limit) for limit in limits)
    return client.build_request(
        request.method, request.url, headers=request_headers(request), content=request.body or None, timeout=limits, extensions={"trace": trace}
    )


async def _read(request: HttpRequest, response: Any) -> bytes:
    if response.is_stream_consumed:  # a client without a network, as in tests, hands over finished (and decoded) bodies
        body = Body(request, {})
        body.add(response.content)
        return body.whole()
    body = Body(request, response.headers)
    async for chunk in response.aiter_raw():
        body.add(chunk)
    return body.whole()


def _call_sync(once: Callable[[Progress], HttpResponse], request: HttpRequest) -> HttpResponse:
    progress = Progress()
    try:
        try:
            return once(progress)
        except Exception as error:
            if not progress.may_retry(request, error):
                raise
        progress.restart()
        return once(progress)
    except Exception as error:  # noqa: BLE001  # as in AsyncHttp
        raise translated(request, error, progress) from None


def _once_sync(client: Any, request: HttpRequest, limits: tuple[float, ...], end: float, progress: Progress) -> HttpResponse:
    outgoing = _build(client, request, limits, lambda event, _info: progress.note(event))
    response = client.send(outgoing, stream=True, follow_redirects=False, auth=None)
    try:
        finished = response.is_stream_consumed
        body = Body(request, {} if finished else response.headers)
        for chunk in [response.content] if finished else response.iter_raw():
            body.add(chunk)
            if time.monotonic() > end:
                raise too_slow(request, progress)
        return answer(response, body.whole())
    finally:
        response.close()
