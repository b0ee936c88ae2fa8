"""A TCP connection to a host, within one limit of time: its name looked up, and whichever of its addresses answers first (RFC 8305).

The standard library's ``create_connection`` waits for each address in turn, and for the resolver as long as that likes.
"""

from __future__ import annotations

import errno
import os
import select
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import chain, zip_longest
from typing import Any, Final, cast

#: An address that has not answered by then gets company (RFC 8305 5).
_STAGGER: Final = 0.25
_UNDER_WAY: Final = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK})

_Address = tuple[socket.AddressFamily, Any]
#: Lookups under way, by process, host and port: a resolver that hangs holds one thread for each name, however many ask.
_lookups: dict[tuple[int, str, int], Future[list[_Address]]] = {}


def dial(host: str, port: int, seconds: float) -> socket.socket:
    """A connected socket, in non-blocking mode. Raises ``OSError`` (``gaierror`` among them), ``TimeoutError`` after *seconds*."""
    until = time.monotonic() + seconds
    return _first_connected(_addresses(host, port, seconds), until)


def readable(sock: socket.socket) -> bool:
    """Whether something arrived that nobody has read, the connection's end included."""
    number = sock.fileno()
    if number < 0:
        return True
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))


def _addresses(host: str, port: int, seconds: float) -> list[_Address]:
    try:
        return _resolved(host, port, socket.AI_NUMERICHOST)  # an address needs no resolver, and no thread
    except socket.gaierror:
        pass
    mine: Future[list[_Address]] = Future()
    key = (os.getpid(), host, port)
    shared = _lookups.setdefault(key, mine)
    if shared is mine:
        try:
            threading.Thread(target=_look_up, args=(key, mine), name="oidc_middleware DNS", daemon=True).start()
        except BaseException:
            del _lookups[key]
            raise
    return shared.result(seconds)


def _look_up(key: tuple[int, str, int], result: Future[list[_Address]]) -> None:
    try:
        result.set_result(_resolved(*key[1:]))
    except BaseException as error:  # noqa: BLE001  # whatever it is, those who wait are to have it
        result.set_exception(error)
    finally:
        del _lookups[key]


def _resolved(host: str, port: int, flags: int = 0) -> list[_Address]:
    """The addresses of *host* as the resolver prefers them, the families taking turns (RFC 8305 4)."""
    found = [(family, address) for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)]
    preferred = [each for each in found if each[0] is found[0][0]]
    others = [each for each in found if each[0] is not found[0][0]]
    return [each for each in chain.from_iterable(zip_longest(preferred, others)) if each is not None]


def _first_connected(addresses: Sequence[_Address], until: float) -> socket.socket:
    left, failure = deque(addresses), OSError(errno.EADDRNOTAVAIL, "the name has no address")
    with selectors.DefaultSelector() as selector:
        try:
            another = 0.0
            while left or selector.get_map():
                now = time.monotonic()
                if now >= until:
                    raise TimeoutError("no address answered in time")
                if left and (now >= another or not selector.get_map()):
                    try:
                        selector.register(_begun(*left.popleft()), selectors.EVENT_WRITE)
                    except OSError as error:
                        failure = error
                        continue
                    another = now + _STAGGER
                for key, _ in selector.select((min(until, another) if left else until) - now):
                    sock = cast("socket.socket", key.fileobj)
                    selector.unregister(sock)
                    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if code == 0:
                        return sock
                    sock.close()
                    failure = OSError(code, os.strerror(code))
            raise failure
        finally:
            for key in list(selector.get_map().values()):
                cast("socket.socket", key.fileobj).close()


def _begun(family: socket.AddressFamily, address: Any) -> socket.socket:
    """A socket that is about to be connected."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(address)
        if code not in _UNDER_WAY:
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock
