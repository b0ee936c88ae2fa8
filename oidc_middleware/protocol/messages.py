"""An HTTP call to the provider, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

#: No answer of a provider may be larger than this after decoding (catalogue DI-05); 1 MB, as mod_auth_openidc and others choose.
MAX_RESPONSE_BYTES = 1_000_000


def _no_headers() -> Mapping[str, str]:
    return MappingProxyType({})


class KeptConnection:
    """Room for the open connection that one call leaves for the next. What is in it, the transport knows; whoever made the room closes it."""

    __slots__ = ("connection",)

    def __init__(self) -> None:
        self.connection: Any = None

    def take(self) -> Any:
        """What is there, for whoever takes it to use or to close; ``None`` where there is nothing."""
        connection, self.connection = self.connection, None
        return connection


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One call to the provider. ``purpose`` names the endpoint for logs and metrics: ``discovery``, ``jwks``, ``token``, ``userinfo``,
    ``revocation``.

    ``max_bytes`` bounds the decoded body of the answer, ``seconds`` the whole call, where it has to be quicker than others. Into ``kept`` a POST may
    put its connection, from there a GET may take it. The printed form shows neither headers nor body: both carry secrets.
    """

    purpose: str
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=_no_headers, repr=False)
    body: bytes = field(default=b"", repr=False)
    max_bytes: int = MAX_RESPONSE_BYTES
    seconds: float | None = None
    kept: KeptConnection | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The provider's answer, read completely. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=_no_headers, repr=False)
    body: bytes = field(default=b"", repr=False)
