"""An OpenID Provider inside the test process, every answer of which can be bent.

Valid by default: without edits it behaves like the provider of the OpenID Foundation's conformance suite (version 5.2.4), checks the code verifier,
the client's authentication, the redirect URI and the one-time use of codes for real, and remembers every request it receives.

    provider = ScriptedProvider(clock=clock)
    app = OIDCMiddleware(app, **provider.options(), http_client=provider.client(), clock=clock)
    provider.id_token_claims["iss"] = "https://other.example"       # a bent ID token
    provider.script("userinfo", status=500)                         # a broken endpoint
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

import anyio
import anyio.to_thread
import httpx

from oidc_middleware.testing import tokens
from oidc_middleware.testing.authorize import (
    CallbackAnswer,
    Grant,
    ProtocolViolation,
    RefreshGrant,
    callback_answer,
    parameters_of,
    request_problems,
)
from oidc_middleware.testing.clock import FakeClock
from oidc_middleware.testing.keys import Key, ProviderKeys, b64url
from oidc_middleware.testing.revocation import revocation_response
from oidc_middleware.testing.script import REMOVE, Edits, ReceivedRequest, Script, ScriptedAnswer, edited
from oidc_middleware.testing.token_endpoint import TokenEndpoint
from oidc_middleware.testing.userinfo import USER, userinfo_response

#: The algorithms that the suite's provider lists, ``none`` included: a relying party must not take this list as permission.
ALGORITHMS = ["none", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "ES256K", "EdDSA"]
_ENDPOINTS = {
    "/.well-known/openid-configuration": "discovery",
    "/jwks": "jwks",
    "/token": "token",
    "/userinfo": "userinfo",
    "/revoke": "revocation",
}
#: Seconds after which a forgotten gate opens by itself.
_MAX_GATE = 20.0


class ScriptedProvider:
    """One issuer with one registered client.

    ``client_auth`` is how the client is registered: ``client_secret_basic``, ``client_secret_post`` or ``none``. ``redirect_uris`` and
    ``post_logout_redirect_uris`` are compared exactly. The attributes below are the places to bend; edits are described at
    :data:`oidc_middleware.testing.script.Edits`.
    """

    def __init__(
        self,
        *,
        issuer: str = "https://op.example",
        client_id: str = "app",
        client_secret: str = "canary-client-secret-0123456789-abcdef",  # noqa: S107  # a marked value, made to be found in logs
        client_auth: str = "client_secret_basic",
        redirect_uris: Sequence[str] = ("https://app.example.com/oidc/callback",),
        post_logout_redirect_uris: Sequence[str] = ("https://app.example.com/oidc/signed-out",),
        end_session: bool = False,
        revocation: bool = False,
        clock: FakeClock | None = None,
    ) -> None:
        self.issuer, self.client_id, self.client_secret, self.client_auth = issuer, client_id, client_secret, client_auth
        self.redirect_uris, self.post_logout_redirect_uris = list(redirect_uris), list(post_logout_redirect_uris)
        self.end_session_supported, self.revocation_supported = end_session, revocation
        self.clock = clock or FakeClock(seed=issuer)
        self._entropy = FakeClock(seed=f"provider {issuer}")
        self.keys = ProviderKeys()
        self.user: dict[str, Any] = dict(USER)
        self._bend()

    def _bend(self) -> None:
        self.metadata_edits: dict[str, Any] = {}
        self.jwks_edit: Callable[[dict[str, Any]], Any] | None = None
        self.authorization_response_edits: dict[str, Any] = {}
        self.id_token_claims: dict[str, Any] = {}
        self.id_token_header: dict[str, Any] = {}
        self.id_token_alg = "RS256"  # noqa: S105  # an algorithm, no password
        self.id_token_key: Key | bytes | None = None
        self.id_token_edit: Callable[[str], Any] | None = None
        self.token_edits: dict[str, Any] = {}
        self.userinfo_edits: dict[str, Any] = {}
        self.userinfo_signed = False
        self.claims_in_id_token = False
        self.sends_iss = False
        #: The provider's session: in ID tokens and logout tokens, and back-channel logout in the metadata, as soon as it is set.
        self.sid: str | None = None
        self.code_lifetime = 60.0
        #: Seconds that the token endpoint promises; ``None``: it promises nothing, as the suite's.
        self.expires_in: object = None
        #: Refresh tokens for every login, not only with the scope ``offline_access``.
        self.refresh_tokens = False
        #: A refresh token is good for one use, and for as many seconds more as ``refresh_grace`` says; later, its reuse revokes the whole grant.
        self.refresh_rotation, self.refresh_grace = True, 0.0
        #: Edits of the answers to refresh requests, after ``token_edits``, and of their ID tokens, after ``id_token_claims``.
        self.refresh_edits: dict[str, Any] = {}
        self.refreshed_id_token_claims: dict[str, Any] = {}
        self.before_signing: Callable[[], None] | None = None
        self._script = Script()
        #: Every back-channel request received, in order.
        self.requests: list[ReceivedRequest] = []
        #: The parameters of every authorization request that was acceptable.
        self.authorizations: list[dict[str, str]] = []
        #: What the relying party did wrong on the back channel; empty after a correct run.
        self.complaints: list[str] = []
        #: The parameters of every sign-out request.
        self.signed_out: list[dict[str, str]] = []
        self.issued_id_tokens: list[str] = []
        self.secrets: set[str] = {self.client_secret}
        self.grants: dict[str, Grant] = {}
        self.tokens: dict[str, Grant] = {}
        self.refresh_grants: dict[str, RefreshGrant] = {}
        #: ``(token, token_type_hint)`` of every revocation request that was acceptable.
        self.revoked: list[tuple[str, str]] = []

    # -- what the relying party is given ---------------------------------------------------------------------------------------------

    def options(self) -> dict[str, Any]:
        """The options of the middleware that name this provider and client."""
        secret = {} if self.client_auth == "none" else {"client_secret": self.client_secret}
        return {"issuer": self.issuer, "client_id": self.client_id, **secret}

    def client(self) -> httpx.AsyncClient:
        """A client whose every request ends here; for ``http_client=`` of the ASGI middleware."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self._ahandle))

    def sync_client(self) -> httpx.Client:
        """A client whose every request ends here; for ``http_client=`` of the WSGI middleware."""
        return httpx.Client(transport=httpx.MockTransport(self._handle))

    # -- bending and looking ---------------------------------------------------------------------------------------------------------

    def script(self, endpoint: str, **answer: Any) -> None:
        """Replace the answer of ``discovery``, ``jwks``, ``token``, ``userinfo`` or ``revocation``; *answer* as in :class:`ScriptedAnswer`."""
        self._script.add(endpoint, ScriptedAnswer(**answer))

    def unscript(self) -> None:
        """Drop all scripted answers."""
        self._script.clear()

    def received(self, endpoint: str) -> list[ReceivedRequest]:
        """The requests that *endpoint* got."""
        return [request for request in self.requests if request.endpoint == endpoint]

    def rotate_keys(self) -> None:
        """New keys under new names; the old ones are gone from the key set."""
        self.keys = ProviderKeys(first_rsa=self.keys.rsa_used)

    def secret(self, name: str, length: int = 24) -> str:
        """A fresh token whose appearance in a log would be a finding; *name* makes it recognisable there."""
        value = self.identifier(name, length)
        self.secrets.add(value)
        return value

    def identifier(self, name: str, length: int = 24) -> str:
        """A fresh value that may be seen anywhere."""
        return f"{name}-{b64url(self._entropy.random(length))}"

    # -- the front channel -----------------------------------------------------------------------------------------------------------

    def authorize(self, location: str, **edits: Any) -> str:
        """The browser opens *location* (an authorization request) and the user agrees: where it is sent next.

        With ``response_mode=form_post`` the urlencoded form. *edits* change the response's parameters. Raises :class:`ProtocolViolation`.
        """
        answer = self.respond(location, **edits)
        return answer.url if answer.form is None else answer.form

    def respond(self, location: str, **edits: Any) -> CallbackAnswer:
        """As :meth:`authorize`, with URL and form kept apart."""
        endpoint, parameters, problems = parameters_of(location)
        if endpoint != self._url("authorize"):
            problems.append(f"{endpoint} is not the authorization endpoint")
        problems += request_problems(parameters, client_id=self.client_id, redirect_uris=self.redirect_uris)
        if problems:
            raise ProtocolViolation(problems)
        self.authorizations.append(parameters)
        self.secrets.update((parameters["state"], parameters["nonce"]))
        response = {"code": self._new_code(parameters), "state": parameters["state"]}
        if self.sends_iss:
            response["iss"] = self.issuer
        return callback_answer(parameters, edited(edited(response, self.authorization_response_edits), edits))

    def end_session(self, location: str) -> str:
        """The browser opens *location* (a sign-out request, RP-Initiated Logout 1.0 2): where it is sent next."""
        endpoint, parameters, problems = parameters_of(location)
        target = parameters.get("post_logout_redirect_uri", "")
        if endpoint != self._url("end_session"):
            problems.append(f"{endpoint} is not the end session endpoint")
        if target not in self.post_logout_redirect_uris:
            problems.append(f"post_logout_redirect_uri {target!r} is not registered")
        if "id_token_hint" in parameters and parameters["id_token_hint"] not in self.issued_id_tokens:
            problems.append("id_token_hint was not issued here")
        self.signed_out.append(parameters)
        if problems:
            raise ProtocolViolation(problems)
        return f"{target}?{urlencode({'state': parameters['state']})}" if "state" in parameters else target

    def _new_code(self, parameters: dict[str, str]) -> str:
        grant = Grant(self.secret("canary-code"), parameters, self.clock.now())
        self.grants[grant.code] = grant
        return grant.code

    def revoke_grant(self, grant: Grant) -> None:
        """None of the tokens that came of *grant* is good for anything any more."""
        for token in [token for token, found in list(self.tokens.items()) if found is grant]:
            self.tokens.pop(token, None)
        for token in [token for token, found in list(self.refresh_grants.items()) if found.grant is grant]:
            self.refresh_grants.pop(token, None)

    # -- the back channel ------------------------------------------------------------------------------------------------------------

    def _url(self, path: str) -> str:
        return f"{self.issuer.rstrip('/')}/{path}"

    def _endpoint(self, url: str) -> str:
        path = urlsplit(url)._replace(query="").geturl().removeprefix(self.issuer.rstrip("/"))
        return _ENDPOINTS.get(path, path)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        received, scripted = self._receive(request)
        if scripted is not None:
            time.sleep(scripted.delay)
            if scripted.gate is not None:
                scripted.gate.wait(_MAX_GATE)
        return self._answer(received, scripted)

    async def _ahandle(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        received, scripted = self._receive(request)
        await anyio.sleep(scripted.delay if scripted is not None else 0)
        if scripted is not None and scripted.gate is not None:
            await anyio.to_thread.run_sync(scripted.gate.wait, _MAX_GATE)
        return self._answer(received, scripted)

    def _receive(self, request: httpx.Request) -> tuple[ReceivedRequest, ScriptedAnswer | None]:
        url = str(request.url)
        received = ReceivedRequest(self._endpoint(url), request.method, url, dict(request.headers), request.read())
        self.requests.append(received)
        return received, self._script.take(received.endpoint)

    def _answer(self, request: ReceivedRequest, scripted: ScriptedAnswer | None) -> httpx.Response:
        if scripted is None:
            return self._own_answer(request)
        self.clock.advance(scripted.takes)
        if scripted.before is not None:
            scripted.before(request)
        if scripted.raises is not None:
            raise scripted.raises
        if scripted.replaces_all():
            return scripted.apply(httpx.Response(200, headers={"content-type": "application/json"}))
        return scripted.apply(self._own_answer(request))

    def _own_answer(self, request: ReceivedRequest) -> httpx.Response:
        match request.endpoint, request.method:
            case "discovery", "GET":
                return httpx.Response(200, json=self.metadata())
            case "jwks", "GET":
                return httpx.Response(200, json=self.jwks())
            case "token", "POST":
                return TokenEndpoint(self).answer(request)
            case "userinfo", "GET" | "POST":
                return userinfo_response(self, request)
            case "revocation", "POST" if self.revocation_supported:
                return revocation_response(self, request)
        self.complaints.append(f"{request.method} {request.url} is no endpoint of this provider")
        return httpx.Response(404, json={"error": "not_found"})

    def metadata(self) -> dict[str, Any]:
        """The provider's metadata, edits applied."""
        metadata: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": self._url("authorize"),
            "token_endpoint": self._url("token"),
            "userinfo_endpoint": self._url("userinfo"),
            "jwks_uri": self._url("jwks"),
            "response_types_supported": ["id_token code", "code", "id_token", "token id_token", "token code id_token", "token code"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["public", "pairwise"],
            "id_token_signing_alg_values_supported": list(ALGORITHMS),
            "token_endpoint_auth_methods_supported": [self.client_auth],
            "code_challenge_methods_supported": ["plain", "S256"],
            "scopes_supported": ["openid", "profile", "email", "address", "phone", "offline_access"],
            "claims_supported": ["sub", *self.user],
        }
        if self.end_session_supported:
            metadata["end_session_endpoint"] = self._url("end_session")
        if self.revocation_supported:
            metadata["revocation_endpoint"] = self._url("revoke")
        if self.sid is not None:
            metadata |= {"backchannel_logout_supported": True, "backchannel_logout_session_supported": True}
        if self.sends_iss:
            metadata["authorization_response_iss_parameter_supported"] = True
        return edited(metadata, self.metadata_edits)

    def jwks(self) -> Any:
        """The key set, edits applied."""
        document = self.keys.document()
        return document if self.jwks_edit is None else self.jwks_edit(document)

    def id_token(self, parameters: dict[str, str], access_token: str, edits: Edits | None = None) -> Any:
        """A signed ID token for an authorization request, all edits applied (OIDC Core 2)."""
        if self.before_signing is not None:
            self.before_signing()
        token = tokens.id_token(self, parameters, access_token, edits or {})
        self.issued_id_tokens.append(token)
        return token if self.id_token_edit is None else self.id_token_edit(token)

    def logout_token(self, *, header: Edits | None = None, alg: str = "RS256", key: Key | bytes | None = None, **edits: Any) -> str:
        """A logout token (Back-Channel Logout 2.4), valid without arguments: for the user, and for the session ``sid`` if there is one.

        *header* edits the header, which has no ``typ`` of its own (the suite's has none); *edits* change the claims.
        """
        return tokens.logout_token(self, edits, header or {}, alg=alg, key=key)


__all__ = ["ALGORITHMS", "REMOVE", "ScriptedProvider"]
