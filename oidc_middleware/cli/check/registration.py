"""Whether the provider knows this client: asked with a sign-in that may show no page, and with a code that is none.

Neither changes anything at the provider but its log. Redirects are not followed, no cookie is sent, and what answers is judged by its error code.
"""

from __future__ import annotations

import base64
import re
from typing import Final
from urllib.parse import parse_qs, urlsplit

from oidc_middleware.cli.check.faults import told
from oidc_middleware.cli.check.findings import Report
from oidc_middleware.cli.check.settings import addresses, redirect_uri
from oidc_middleware.clock import Clock
from oidc_middleware.config import Settings
from oidc_middleware.errors import ConfigError, LoginError, OIDCError, ProviderError
from oidc_middleware.protocol.authorization import authorization_request, parse_callback, validate_callback
from oidc_middleware.protocol.client_auth import Client, choose_auth_method
from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.protocol.metadata import ProviderMetadata
from oidc_middleware.protocol.pkce import code_challenge
from oidc_middleware.protocol.text import masked
from oidc_middleware.protocol.tokens import code_request, process_tokens
from oidc_middleware.transports.base import SyncTransport

#: Nobody is signed in to a command: what a provider says that found nothing else to complain about (OIDC Core 3.1.2.6).
_NOBODY: Final = frozenset({"login_required", "interaction_required", "consent_required", "account_selection_required"})
#: Parameters about whoever signs in; nobody does.
_ABOUT_USERS: Final = frozenset({"prompt", "max_age", "id_token_hint", "login_hint", "display"})
#: No provider issued this code.
_NO_CODE: Final = "oidc-middleware-check"


def check_registration(settings: Settings, metadata: ProviderMetadata, transport: SyncTransport, clock: Clock, report: Report) -> None:
    """Ask the authorization and the token endpoint about this client."""
    where = addresses(settings)
    if not where:
        report.note("client_id", "without base_url there is no redirect URI to ask the provider about")
        return
    uri = redirect_uri(settings, where[0])
    verifier = _random(clock)
    if _check_authorization(settings, metadata, uri, verifier, transport, clock, report):
        _check_token(settings, metadata, uri, verifier, transport, report)


def _check_authorization(
    settings: Settings, metadata: ProviderMetadata, uri: str, verifier: str, transport: SyncTransport, clock: Clock, report: Report
) -> bool:
    """Whether it makes sense to go on."""
    url = authorization_request(
        metadata.authorization_endpoint,
        client_id=settings.client_id,
        redirect_uri=uri,
        scopes=settings.scopes,
        state=_random(clock),
        nonce=_random(clock),
        code_challenge=code_challenge(verifier),
        extra={**{name: value for name, value in settings.authorize_params.items() if name not in _ABOUT_USERS}, "prompt": "none"},
    )
    try:
        response = transport.send(HttpRequest("authorization", "GET", url, {"accept": "text/html"}))
    except OIDCError as error:
        report.note("client_id", f"the authorization endpoint could not be asked from here: {told(error)}", "Browsers have to reach it.")
        return True
    return _judge_authorization(response, uri, report)


def _judge_authorization(response: HttpResponse, uri: str, report: Report) -> bool:
    location = response.headers.get("location", "")
    if 300 <= response.status < 400 and re.match(re.escape(uri) + r"[?#]", location):
        parts = urlsplit(location)
        answer = parse_qs(parts.query or parts.fragment)
        error = answer.get("error", [""])[0]
        if error in _NOBODY or not error:
            report.ok("client_id", f"the provider knows this client and its redirect URI {uri}")
        else:
            said = f"error {masked(error)}, description {masked(answer.get('error_description', [''])[0])}"
            report.problem("client_id", f"the provider refuses to begin a sign-in: {said}", "Look it up in OIDC Core 3.1.2.6 and RFC 6749 4.1.2.1.")
        return True
    if 400 <= response.status < 500:
        text = f"the provider refuses this client or its redirect URI (status {response.status} instead of an answer to {uri})"
        report.problem("client_id", text, "Compare OIDC_CLIENT_ID, and register the redirect URI to the letter.")
        return False
    text = f"the provider did not tell whether it knows the redirect URI {uri} (status {response.status})"
    report.note("client_id", text, "Open the app in a browser.")
    return True


def _check_token(settings: Settings, metadata: ProviderMetadata, uri: str, verifier: str, transport: SyncTransport, report: Report) -> None:
    try:
        client = Client(
            settings.client_id, settings.client_secret, choose_auth_method(settings.client_auth, settings.client_secret is not None, metadata)
        )
    except ConfigError:
        return  # a finding already
    callback = validate_callback(parse_callback(f"code={_NO_CODE}&state=-"), state="-", issuer=None, iss_required=False)
    request = code_request(callback, token_endpoint=metadata.token_endpoint, client=client, redirect_uri=uri, code_verifier=verifier)
    try:
        process_tokens(transport.send(request))
    except LoginError:  # the code is none, so the client was not what it minded
        report.ok("client_secret", f"the token endpoint takes this client with {client.auth_method}")
    except ProviderError as error:
        if error.code == "client_rejected":
            advice = "Compare OIDC_CLIENT_ID and OIDC_CLIENT_SECRET with the registration, and OIDC_CLIENT_AUTH with how it is to authenticate."
            report.problem("client_secret", told(error), advice)
        else:
            report.note("client_secret", f"the token endpoint answered a made-up code in an unusual way: {told(error)}")
    except OIDCError as error:
        report.problem("issuer", f"the token endpoint cannot be used: {told(error)}", "It has to be reached from this machine.")
    else:
        report.problem("issuer", "the provider gave tokens for a code that it never issued", "Do not use this provider.")


def _random(clock: Clock) -> str:
    return base64.urlsafe_b64encode(clock.random(32)).rstrip(b"=").decode("ascii")
