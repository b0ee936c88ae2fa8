"""The provider's configuration: OpenID Connect Discovery 1.0, RFC 8414, RFC 9207 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from authlib.oidc.discovery import get_well_known_url

from oidc_middleware.errors import ProviderError
from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.protocol.responses import JSON_REQUEST_HEADERS, check_status, json_body
from oidc_middleware.protocol.text import shown
from oidc_middleware.protocol.urls import endpoint_problem

_REQUIRED: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_OPTIONAL: Final = ("userinfo_endpoint", "end_session_endpoint", "revocation_endpoint")


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """What we use of a provider's configuration. ``issuer`` equals the configured one; every endpoint is safe to use."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    revocation_endpoint: str | None = None
    token_endpoint_auth_methods: tuple[str, ...] = ("client_secret_basic",)
    code_challenge_methods: tuple[str, ...] = ()
    claims_supported: tuple[str, ...] = ()
    scopes_supported: tuple[str, ...] = ()
    iss_parameter_supported: bool = False
    backchannel_logout_supported: bool = False
    backchannel_logout_session_supported: bool = False


def discovery_request(issuer: str) -> HttpRequest:
    """The request for *issuer*'s configuration (OIDC Discovery 4.1: a terminating slash is removed first; 4.3 compares with it)."""
    return HttpRequest("discovery", "GET", get_well_known_url(issuer, external=True), JSON_REQUEST_HEADERS)


def process_discovery(response: HttpResponse, *, issuer: str, allow_insecure_http: bool = False) -> ProviderMetadata:
    """Judge the answer to :func:`discovery_request`.

    *issuer* is the configured identifier, compared character by character (OIDC Discovery 4.3, catalogue DI-01, MX-07). Optional fields of a wrong
    type count as absent (catalogue DI-10). Raises ``ProviderError`` (``metadata_invalid``, ``metadata_issuer_mismatch``,
    ``metadata_endpoint_insecure``, ``response_redirected``) or ``Unavailable``.
    """
    check_status(response, "discovery")
    document = json_body(response, "metadata_invalid", "discovery")
    if not isinstance(document.get("issuer"), str):
        raise ProviderError("metadata_invalid", "the configuration names no issuer")
    if document["issuer"] != issuer:
        raise ProviderError("metadata_issuer_mismatch", f"configured {shown(issuer)}, the provider says {shown(document['issuer'])}")
    missing = [name for name in _REQUIRED if not isinstance(document.get(name), str) or not document[name]]
    if missing:
        raise ProviderError("metadata_invalid", f"the configuration lacks {', '.join(missing)}")
    endpoints = {name: document[name] for name in (*_REQUIRED, *_OPTIONAL) if isinstance(document.get(name), str) and document[name]}
    for name, url in endpoints.items():
        problem = endpoint_problem(url, allow_insecure_http=allow_insecure_http)
        if problem is not None:
            raise ProviderError("metadata_endpoint_insecure", f"{name} {problem}: {shown(url)}")
    return ProviderMetadata(
        issuer=issuer,
        **endpoints,
        # The defaults are the specifications': OIDC Discovery 3, `false` in RFC 9207 3 and in Back-Channel Logout 2.1.
        token_endpoint_auth_methods=_strings(document, "token_endpoint_auth_methods_supported") or ("client_secret_basic",),
        code_challenge_methods=_strings(document, "code_challenge_methods_supported"),
        claims_supported=_strings(document, "claims_supported"),
        scopes_supported=_strings(document, "scopes_supported"),
        iss_parameter_supported=document.get("authorization_response_iss_parameter_supported") is True,
        backchannel_logout_supported=document.get("backchannel_logout_supported") is True,
        backchannel_logout_session_supported=document.get("backchannel_logout_session_supported") is True,
    )


def _strings(document: dict[str, Any], name: str) -> tuple[str, ...]:
    value = document.get(name)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
