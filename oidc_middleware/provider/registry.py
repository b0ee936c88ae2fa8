"""The registered clients."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final
from urllib.parse import urlsplit

from oidc_middleware.errors import ConfigError

SIGNING_ALGS: Final = ("RS256", "ES256", "EdDSA")
AUTH_METHODS: Final = ("client_secret_basic", "client_secret_post", "none")

#: Any port and path on this machine. Deliberately one strict expression instead of a URL parser: parsers disagree (catalogue RD-08, RD-09).
_LOOPBACK: Final = re.compile(
    r"https?://(?:localhost|127\.(?:[0-9]{1,3}\.){2}[0-9]{1,3}|\[::1\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9\-._~%!$&'()*+,;=:@/]*)?(?:\?[\x21\x23-\x3b\x3d\x3f-\x5b\x5d-\x7e]*)?"
)
_PRIVATE_SCHEME: Final = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:/")


@dataclass(frozen=True, slots=True)
class Client:
    """One registered client. The names are those of dynamic registration (RFC 7591, OpenID Connect Registration 2).

    ``client_secret`` of ``None`` makes a public client, which must use PKCE. ``token_endpoint_auth_method`` of ``None`` means "either of
    ``client_secret_basic`` and ``client_secret_post``" for a client with a secret and ``none`` for one without.
    ``any_loopback_redirect_uri`` is a development switch: every redirect and post-logout redirect URI on this machine is accepted besides the
    registered ones. ``insecure_allow_http`` admits registered ``http`` URIs on other hosts, whose answers anyone on the way can read.
    """

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    redirect_uris: Sequence[str] = ()
    post_logout_redirect_uris: Sequence[str] = ()
    token_endpoint_auth_method: str | None = None
    id_token_signed_response_alg: str = "RS256"  # noqa: S105 - an algorithm
    client_name: str = ""
    require_auth_time: bool = False
    any_loopback_redirect_uri: bool = False
    insecure_allow_http: bool = False

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise ConfigError(problems)

    @classmethod
    def of(cls, value: Client | Mapping[str, Any]) -> Client:
        """A client from itself or from a mapping of the same names. Raises :class:`ConfigError` naming unknown keys."""
        if isinstance(value, Client):
            return value
        if unknown := sorted(set(value) - {item.name for item in fields(cls)}):
            raise ConfigError([f"clients: unknown key {name!r}" for name in unknown])
        if "client_id" not in value:
            raise ConfigError(["clients: client_id is missing"])
        return cls(**value)

    @property
    def label(self) -> str:
        return self.client_name or self.client_id

    @property
    def is_public(self) -> bool:
        return self.client_secret is None

    @property
    def auth_methods(self) -> tuple[str, ...]:
        """How this client may authenticate at the token endpoint."""
        if self.is_public:
            return ("none",)
        return (self.token_endpoint_auth_method,) if self.token_endpoint_auth_method else ("client_secret_basic", "client_secret_post")

    def accepts_redirect_uri(self, uri: str) -> bool:
        """Exact string comparison (RFC 9700 4.1.3), or anything on this machine where the switch is on."""
        return uri in self.redirect_uris or self._any_loopback(uri)

    def accepts_post_logout_redirect_uri(self, uri: str) -> bool:
        return uri in self.post_logout_redirect_uris or self._any_loopback(uri)

    def _any_loopback(self, uri: str) -> bool:
        return self.any_loopback_redirect_uri and _LOOPBACK.fullmatch(uri) is not None

    def _problems(self) -> Iterable[str]:
        name = f"clients: {self.client_id!r:.80}"
        if not _is_plain(self.client_id):
            yield "clients: client_id must be printable ASCII characters"
        if self.client_secret is not None and not self.client_secret:
            yield f"{name}: client_secret is empty; leave it out for a public client"
        if self.token_endpoint_auth_method not in (None, *AUTH_METHODS):
            yield f"{name}: token_endpoint_auth_method must be one of {', '.join(AUTH_METHODS)}"
        elif self.is_public and self.token_endpoint_auth_method not in (None, "none"):
            yield f"{name}: token_endpoint_auth_method needs a client_secret"
        elif not self.is_public and self.token_endpoint_auth_method == "none":  # noqa: S105 - a method
            yield f"{name}: token_endpoint_auth_method none is for a client without client_secret"
        if self.id_token_signed_response_alg not in SIGNING_ALGS:
            yield f"{name}: id_token_signed_response_alg must be one of {', '.join(SIGNING_ALGS)}"
        for setting in ("redirect_uris", "post_logout_redirect_uris"):
            yield from (f"{name}: {setting}: {problem}" for problem in self._uri_problems(getattr(self, setting)))
        if not self.redirect_uris and not self.any_loopback_redirect_uri:
            yield f"{name}: redirect_uris is empty; register one or switch any_loopback_redirect_uri on"

    def _uri_problems(self, uris: object) -> Iterable[str]:
        if isinstance(uris, str) or not isinstance(uris, Sequence):
            yield "must be a list of URIs"
            return
        yield from (problem for uri in uris if (problem := redirect_uri_problem(uri, insecure_allow_http=self.insecure_allow_http)))


def _is_plain(text: object) -> bool:
    return isinstance(text, str) and text != "" and text.isascii() and text.isprintable()


def redirect_uri_problem(uri: object, *, insecure_allow_http: bool = False) -> str | None:
    """Why *uri* cannot be registered: a sentence, or ``None``. https, http on this machine, or a private-use scheme with a dot (RFC 8252 7)."""
    if not isinstance(uri, str) or not _is_plain(uri) or any(character in uri for character in ' "<>\\^`{|}#'):
        return "a URI must be absolute, printable ASCII and without a fragment"
    if _LOOPBACK.fullmatch(uri) or _PRIVATE_SCHEME.match(uri):
        return None
    try:
        parts = urlsplit(uri)
        usable = bool(parts.hostname) and parts.username is None and (parts.port or 1) > 0
    except ValueError:
        return "a URI cannot be read"
    if not usable or parts.scheme not in ("http", "https"):
        return "a URI must start with https://, http:// on a loopback host, or a private-use scheme such as com.example.app:/"
    if parts.scheme == "http" and not insecure_allow_http:
        return "http is for loopback hosts only (or set insecure_allow_http)"
    return None
