"""What every answer of the provider is checked for first, in one place."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any, Final

from oidc_middleware.errors import ProviderError, Unavailable
from oidc_middleware.protocol.messages import HttpResponse
from oidc_middleware.protocol.strict_json import loads_object
from oidc_middleware.protocol.text import masked, shown

#: ``identity`` keeps a small answer from inflating to a large one (catalogue DI-05).
JSON_REQUEST_HEADERS: Final = {"accept": "application/json", "accept-encoding": "identity"}

#: A provider that asks for more is asked again after this many seconds all the same (catalogue F-OP-07, DI-08).
MAX_RETRY_AFTER: Final = 300
DEFAULT_RETRY_AFTER: Final = 5
_EXCERPT_BYTES: Final = 2_000


def check_status(response: HttpResponse, purpose: str) -> None:
    """Raise for what means the same at every endpoint: redirects, throttling, server errors. *purpose* names the endpoint for the log.

    Redirects are never followed (RFC 9700 4.12, catalogue DI-03). ``Retry-After`` is honoured up to 300 s (catalogue DI-08).
    """
    status = response.status
    if 300 <= status < 400 and status != 304:
        raise ProviderError("response_redirected", f"{purpose} endpoint answered {status}")
    if status == 429:
        raise Unavailable("provider_throttled", f"{purpose} endpoint answered 429", retry_after=retry_after(response))
    if status >= 500:
        raise Unavailable("provider_unavailable", f"{purpose} endpoint answered {status}", retry_after=retry_after(response))


def json_body(response: HttpResponse, code: str, purpose: str, *, huge_numbers_as_none: bool = False) -> dict[str, Any]:
    """The JSON object that *response*, an answer with status 200, carries; ``ProviderError(code)`` for anything else (catalogue DI-04)."""
    if response.status != 200:
        raise ProviderError(code, f"{purpose}: status {response.status}: {_excerpt(response)}")
    if not is_json(response):
        raise ProviderError(code, f"{purpose}: {shown(content_type(response))[:40]}, no JSON: {_excerpt(response)}")
    try:
        return loads_object(response.body, huge_numbers_as_none=huge_numbers_as_none)
    except ValueError as error:
        raise ProviderError(code, f"{purpose} endpoint: {error}") from None


def content_type(response: HttpResponse) -> str:
    """The media type in lower case, without parameters (conformance: ``application/jwt;charset=UTF-8``)."""
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(response: HttpResponse) -> bool:
    """``application/json`` or another JSON type such as ``application/jwk-set+json`` (RFC 6839 3.1). Text that merely looks like it is not."""
    media_type = content_type(response)
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def error_of(response: HttpResponse) -> tuple[str, str]:
    """The ``error`` code of an OAuth error answer (RFC 6749 5.2) or ``""``, and a text for the log: escaped, truncated, secrets masked."""
    try:
        body = loads_object(response.body)
    except ValueError:
        return "", f"status {response.status}: {_excerpt(response)}"
    error = body.get("error")
    code = error if isinstance(error, str) else ""
    return code, f"status {response.status}, error {masked(error)}, description {masked(body.get('error_description'))}"


def retry_after(response: HttpResponse) -> int:
    """Seconds to wait, from 1 to 300 (RFC 9110 10.2.3). A date counts from the answer's own ``Date``, so no clock is needed."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return max(1, min(MAX_RETRY_AFTER, int(value[:9])))
    try:
        seconds = (parsedate_to_datetime(value) - parsedate_to_datetime(response.headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no dates at all, or one with and one without a time zone
        return DEFAULT_RETRY_AFTER
    return max(1, min(MAX_RETRY_AFTER, int(seconds)))


def asks_to_wait(response: HttpResponse) -> str | None:
    """The error code for an answer that says when to come again: 429, or a server error with ``Retry-After``. ``None`` for any other."""
    if response.status == 429:
        return "provider_throttled"
    return "provider_unavailable" if response.status >= 500 and "retry-after" in response.headers else None


def _excerpt(response: HttpResponse) -> str:
    """What the body begins with, for the log: a proxy's page tells an operator at once who answered (catalogue F-OP-10)."""
    return masked(" ".join(response.body[:_EXCERPT_BYTES].decode("latin-1").split()), cut=len(response.body) > _EXCERPT_BYTES)
