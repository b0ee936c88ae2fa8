"""What the provider answers when it refuses, in the words of the specifications.

The error *codes* here are those of the wire (RFC 6749 4.1.2.1 and 5.2, OpenID Connect Core 3.1.2.6), not those of ``oidc_middleware.errors``: a
client of this provider sees them. Descriptions are fixed sentences of ours; nothing a request said is ever part of one, so they may travel in a
redirect (RFC 6749 4.1.2.1 allows few characters there) and stand on a page.
"""

from __future__ import annotations

from dataclasses import dataclass

from oidc_middleware.errors import OIDCError


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the answer to an authorization request goes. Exists only once client and redirect URI are proven to belong together."""

    redirect_uri: str
    state: str | None = None
    response_mode: str = "query"


class RequestRefused(OIDCError):
    """The provider refuses a request: ``error`` is the code on the wire, ``description`` a sentence that is safe to show.

    ``destination`` is set when the refusal may be sent to the client by redirect.
    """

    def __init__(self, error: str, description: str, destination: Destination | None = None) -> None:
        super().__init__("request_refused", f"{error}: {description}")
        self.error = error
        self.description = description
        self.destination = destination

    def __str__(self) -> str:
        return f"{self.error}: {self.description}"


class FatalRequest(RequestRefused):
    """Client or redirect URI cannot be trusted: show a page, never redirect (RFC 6749 4.1.2.1, RFC 9700 4.11)."""


class TokenRefused(RequestRefused):
    """The token endpoint's refusal (RFC 6749 5.2). ``challenge`` asks for ``WWW-Authenticate: Basic``."""

    def __init__(self, error: str, description: str, *, status: int = 400, challenge: bool = False) -> None:
        super().__init__(error, description)
        self.status = status
        self.challenge = challenge
