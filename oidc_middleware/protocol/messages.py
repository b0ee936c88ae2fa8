"""An HTTP call to the provider, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

#: No answer of a provider may be larger than this after decoding (catalogue DI-05); 1 MB, as mod_auth_openidc and others choose.
MAX_RESPONSE_BYTES = 1_000_000


def _no_headers() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One call to the provider. ``purpose`` names the endpoint for logs and metrics: ``discovery``, ``jwks``, ``token``, ``userinfo``,
    ``revocation``.

    ``max_bytes`` bounds the decoded body of the answer, ``seconds`` the whole call, where it has to be quicker than others. The printed form shows
    neither headers nor body: both carry secrets.
    """

    purpose: str
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=_no_headers, repr=False)
    body: bytes = field(default=b"", repr=False)
    max_bytes: int = MAX_RESPONSE_BYTES
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The provider's answer, read completely. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=_no_headers, repr=False)
    body: bytes = field(default=b"", repr=False)
