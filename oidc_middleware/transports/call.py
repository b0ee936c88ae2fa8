"""One HTTP call as it goes: how far it got, how long it may take, how large its answer may be, and what an exception means.

Pure bookkeeping: nothing here imports an HTTP library. Exceptions are told apart by the names in their class hierarchy, so that a client of
httpx and one of httpx2 are both understood.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, Final

from oidc_middleware.errors import OIDCError, ProviderError, Unavailable
from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.protocol.text import shown

#: Exception class -> error code, and whether a byte may have reached the provider. The first name found in the hierarchy counts.
_MEANING: Final[dict[str, tuple[str, bool]]] = {
    "ConnectTimeout": ("provider_timeout", False),
    "PoolTimeout": ("provider_timeout", False),
    "TimeoutException": ("provider_timeout", True),
    "TimeoutError": ("provider_timeout", True),
    "ConnectError": ("provider_unreachable", False),
    "ProxyError": ("provider_unreachable", False),
    "UnsupportedProtocol": ("provider_unreachable", False),
    "LocalProtocolError": ("provider_unreachable", False),
    "InvalidURL": ("provider_unreachable", False),
}
_BROKEN_OFF: Final = ("provider_unreachable", True)

#: What a kept-alive connection looks like that the provider closed just as we used it.
_CLOSED_UNDER_US: Final = frozenset({"RemoteProtocolError", "ReadError", "WriteError"})

#: zlib's window sizes for the two encodings that the standard library can undo within a bound.
_WINDOW: Final = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class Progress:
    """Follows one attempt through the client's trace events (httpx's ``trace`` extension)."""

    __slots__ = ("answered", "connecting", "fresh")

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Another attempt begins."""
        self.connecting = False  # between the start of a connection and the first byte of the request
        self.fresh = True  # not seen to go over a kept-alive connection
        self.answered = False  # the provider's header is here

    def note(self, event: str) -> None:
        """Take in one event, such as ``connection.connect_tcp.started`` or ``http11.receive_response_headers.complete``."""
        if event.endswith("connect_tcp.started"):
            self.connecting = True
        elif event.endswith("send_request_headers.started"):
            self.fresh = self.connecting
            self.connecting = False
        elif event.endswith("receive_response_headers.complete"):
            self.answered = True

    def may_retry(self, request: HttpRequest, error: BaseException) -> bool:
        """Whether the call may be made once more: a GET over a kept-alive connection that ended without an answer.

        A POST is never repeated: it may carry an authorization code (RFC 6749 4.1.2; catalogue F-OP-16, DI-09).
        """
        return request.method == "GET" and not self.fresh and not self.answered and bool(_CLOSED_UNDER_US.intersection(_names(error)))


def _names(error: BaseException) -> list[str]:
    return [cls.__name__ for cls in type(error).__mro__]


def translated(request: HttpRequest, error: Exception, progress: Progress) -> OIDCError:
    """The error of ours for what the client raised. Its detail names classes only: messages may quote URLs, headers or bodies."""
    if isinstance(error, OIDCError):
        return error
    code, sent = next((_MEANING[name] for name in _names(error) if name in _MEANING), _BROKEN_OFF)
    return Unavailable(code, f"{request.purpose}: {_chain(error)}", sent=sent and not progress.connecting)


def _chain(error: BaseException) -> str:
    """``ConnectError < gaierror``: the class raised and those behind it, which tell a DNS failure from a refused connection or a bad certificate."""
    names: list[str] = []
    reason = ""
    cause: BaseException | None = error
    while cause is not None and len(names) < 6:
        if type(cause).__name__ not in names:
            names.append(type(cause).__name__)
        reason = reason or _reason(cause)
        cause = cause.__cause__ or cause.__context__
    return " < ".join(names) + (f": {reason}" if reason else "")


def _reason(error: BaseException) -> str:
    """Why a certificate is refused, or a name has no address: texts of OpenSSL and the resolver, which know nothing of what we send (F-OP-12)."""
    text = getattr(error, "verify_message", None) or (getattr(error, "strerror", None) if type(error).__name__ == "gaierror" else None)
    return shown(text) if isinstance(text, str) else ""


def busy(request: HttpRequest) -> Unavailable:
    """Too many calls are under way already (catalogue DS-06)."""
    return Unavailable("provider_busy", f"{request.purpose}: too many calls to the provider are under way", sent=False)


def too_slow(request: HttpRequest, progress: Progress) -> Unavailable:
    """The total deadline is over (catalogue DI-06, F-OP-05, F-OP-06)."""
    phase = "connecting" if progress.connecting else "waiting for the answer"
    return Unavailable("provider_timeout", f"{request.purpose}: deadline passed while {phase}", sent=not progress.connecting)


def too_large(request: HttpRequest) -> ProviderError:
    """The answer is over the request's limit (catalogue DI-05)."""
    return ProviderError("response_too_large", f"{request.purpose}: more than {request.max_bytes} bytes")


def request_headers(request: HttpRequest) -> dict[str, str]:
    """The request's headers, and no compression asked for: a small compressed answer can be a huge one (catalogue DI-05)."""
    return {**request.headers, "Accept-Encoding": "identity"}


class Body:
    """Collects an answer's body within ``request.max_bytes``, counted after decoding: compression nobody asked for is undone in bounded steps."""

    def __init__(self, request: HttpRequest, headers: Mapping[str, str]) -> None:
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > request.max_bytes):
            raise too_large(request)
        self._request = request
        self._parts: list[bytes] = []
        self._room = request.max_bytes
        window = _WINDOW.get(headers.get("content-encoding", "").strip().lower())
        self._decoder: Any = zlib.decompressobj(window) if window is not None else None

    def add(self, chunk: bytes) -> None:
        """Take in bytes as they came over the wire. Error: ``response_too_large``."""
        if self._decoder is not None:
            try:
                chunk = self._decoder.decompress(chunk, self._room + 1)
            except zlib.error:
                raise Unavailable("provider_unreachable", f"{self._request.purpose}: compressed answer is damaged") from None
        if len(chunk) > self._room:
            raise too_large(self._request)
        self._room -= len(chunk)
        self._parts.append(chunk)

    def whole(self) -> bytes:
        """Everything. A compressed stream that stops early is a broken answer."""
        if self._decoder is not None and not self._decoder.eof:
            raise Unavailable("provider_unreachable", f"{self._request.purpose}: compressed answer broken off")
        return b"".join(self._parts)


def answer(response: Any, body: bytes) -> HttpResponse:
    """The values of a client's response object (httpx or a look-alike)."""
    headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
    return HttpResponse(int(response.status_code), headers, body)
