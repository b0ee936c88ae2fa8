"""A TCP relay in front of a server, which delays, swallows or cuts the answers as a test tells it to."""

from __future__ import annotations

import contextlib
import socket
import threading


class Proxy:
    """``delay``: seconds before each piece of an answer. ``swallow``: answers are lost. ``cut_after``: pieces until all connections are cut.

    ``cut_next``: the next answer is lost with its connection.
    """

    def __init__(self, port: int) -> None:
        self.delay = 0.0
        self.swallow = False
        self.cut_after: int | None = None
        self.cut_next = False
        self._to = port
        self._over = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            for sock in (near, far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open += [near, far]
            self._threads += [threading.Thread(target=self._relay, args=pair) for pair in ((near, far, False), (far, near, True))]
            for thread in self._threads[-2:]:
                thread.start()

    def _relay(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if answers:
                    if self._over.wait(self.delay) or self._is_cut():
                        break
                    if self.swallow:
                        continue
                sink.sendall(piece)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _is_cut(self) -> bool:
        if self.cut_next:
            self.cut_next = False
            return True
        if self.cut_after is None:
            return False
        self.cut_after -= 1
        return self.cut_after < 0

    def close(self) -> None:
        self._over.set()
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        for sock in (self._listener, *self._open):
            sock.close()
