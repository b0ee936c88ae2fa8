"""Judging an authorization request (OpenID Connect Core 3.1.2.2): plain functions, no framework, no state of their own.

The names and the results are those of oauthlib's OpenID Connect grants: :func:`validate_authorization_request` returns ``(scopes, request info)``,
:func:`openid_authorization_validator` the OpenID Connect part of that. What is stricter than there: S256 is the only code challenge method,
``openid`` and ``redirect_uri`` are required, and a repeated or unknown value of any parameter is refused instead of passed on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeAlias

from oidc_middleware.provider.claims_request import parse_claims_request
from oidc_middleware.provider.parameters import Parameters, Parsed, read_parameters
from oidc_middleware.provider.refusals import Destination, FatalRequest, RequestRefused
from oidc_middleware.provider.registry import Client

#: What has been learnt about a request so far, under the names of its parameters.
RequestInfo: TypeAlias = dict[str, Any]
Check: TypeAlias = Callable[[RequestInfo], bool]
Clients: TypeAlias = Mapping[str, Client] | Callable[[str], Client | None]

DISPLAYS: Final = ("page", "popup", "touch", "wap")
PROMPTS: Final = ("none", "login", "consent", "select_account")
RESPONSE_MODES: Final = ("query", "form_post")

MAX_STATE: Final = 4_096  # a longer one would not fit into the request line of the answer
MAX_NONCE: Final = 1_024

_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")  # RFC 6749 3.3
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # RFC 7636 4.2: base64url of a SHA-256 value
_MAX_AGE: Final = re.compile(r"[0-9]{1,9}")
_REQUEST_OBJECTS: Final = ("request", "request_uri", "registration")  # Core 6, 7.2.1


def validate_authorization_request(
    params: Parameters,
    clients: Clients,
    *,
    require_pkce: bool | None = None,
    supported_scopes: Collection[str] | None = None,
    silent_login: Check | None = None,
    silent_consent: Check | None = None,
    user_match: Check | None = None,
) -> tuple[list[str], RequestInfo]:
    """Validate an authorization request; returns the list of scopes and a dictionary of what was requested.

    *params* is a raw query string or form body, a mapping, or pairs. *clients* maps a client identifier to its :class:`Client` (or is a function that
    does). *require_pkce* of ``None`` requires a code challenge of public clients only. Scopes outside *supported_scopes* are left out
    (Core 3.1.2.1). *silent_login*, *silent_consent* and *user_match* say what is known about the browser's user: see
    :func:`openid_authorization_validator`.

    The dictionary has ``client_id``, ``redirect_uri``, ``response_type``, ``response_mode``, ``state``, ``code_challenge``,
    ``code_challenge_method``, and what :func:`openid_authorization_validator` returns.

    Raises :class:`FatalRequest` when client or redirect URI are not proven (show it, never redirect), else :class:`RequestRefused` with its
    ``destination`` set. The order is that of RFC 6749 4.1.2.1: who asks, where the answer goes, and only then everything else.
    """
    parsed = read_parameters(params)
    client = _client(parsed, clients)
    destination = Destination(_redirect_uri(parsed, client), _state(parsed), _answer_mode(parsed))
    try:
        info: RequestInfo = {"client_id": client.client_id, "redirect_uri": destination.redirect_uri, **_oauth_part(parsed)}
        _check_challenge(info, required=client.is_public if require_pkce is None else require_pkce)
        scopes = _scopes(parsed.values.get("scope"), supported_scopes)
        openid = openid_authorization_validator(
            parsed.values,
            scopes=scopes,
            silent_login=_knowing(info, silent_login),
            silent_consent=_knowing(info, silent_consent),
            user_match=_knowing(info, user_match),
        )
    except RequestRefused as refusal:
        refusal.destination = destination
        raise
    return scopes, info | openid


def openid_authorization_validator(
    params: Parameters,
    *,
    scopes: Collection[str] | None = None,
    silent_login: Check | None = None,
    silent_consent: Check | None = None,
    user_match: Check | None = None,
) -> RequestInfo:
    """The OpenID Connect part of an authorization request (Core 3.1.2.1); ``{}`` when *scopes* (or ``scope``) has no ``openid``.

    With ``prompt=none`` the request is refused unless *silent_login* says that somebody is signed in freshly enough and *silent_consent* that
    consent is not needed; nothing given counts as "no" and as "not needed". *user_match* says whether ``id_token_hint`` and the ``claims``
    request fit the user at hand. Each is called with the dictionary that would be returned: ``scopes``, ``ui_locales``, ``acr_values`` (lists),
    ``prompt`` (a set), ``claims`` (a dictionary), ``max_age`` (an integer or ``None``), ``display``, ``nonce``, ``id_token_hint``, ``login_hint``.

    Raises :class:`RequestRefused` with ``invalid_request``, ``login_required`` or ``consent_required``.
    """
    values, repeated = read_parameters(params)
    scopes = list(scopes) if scopes is not None else values.get("scope", "").split()
    if "openid" not in scopes:
        return {}
    if repeated:
        raise RequestRefused("invalid_request", "A parameter was sent more than once.")
    info: RequestInfo = {
        "scopes": scopes,
        "display": _display(values.get("display")),
        "nonce": _bounded(values.get("nonce"), "nonce", MAX_NONCE),
        "prompt": _prompt(values.get("prompt", "")),
        "max_age": _max_age(values.get("max_age")),
        "ui_locales": values.get("ui_locales", "").split(),
        "id_token_hint": values.get("id_token_hint"),
        "login_hint": values.get("login_hint"),
        "acr_values": values.get("acr_values", "").split(),
        "claims": parse_claims_request(values.get("claims")),
    }
    if "none" in info["prompt"]:
        _check_silent(info, silent_login, silent_consent)
    if user_match is not None and not user_match(info):
        raise RequestRefused("login_required", "The signed-in user is not the one that was asked for.")
    return info


# -- who asks, and where the answer goes: wrong here means a page ------------------------------------------------------------------------


def _client(parsed: Parsed, clients: Clients) -> Client:
    client_id = parsed.values.get("client_id")
    if client_id is None:
        raise FatalRequest("invalid_request", "The client_id parameter is missing.")
    if "client_id" in parsed.repeated:
        raise FatalRequest("invalid_request", "The client_id parameter was sent more than once.")
    client = clients.get(client_id) if isinstance(clients, Mapping) else clients(client_id)
    if client is None:
        raise FatalRequest("invalid_client", "There is no client with this client_id.")
    return client


def _redirect_uri(parsed: Parsed, client: Client) -> str:
    """Required by Core 3.1.2.1 and compared as a string (RFC 9700 4.1.3)."""
    uri = parsed.values.get("redirect_uri")
    if uri is None:
        raise FatalRequest("invalid_request", "The redirect_uri parameter is missing.")
    if "redirect_uri" in parsed.repeated:
        raise FatalRequest("invalid_request", "The redirect_uri parameter was sent more than once.")
    if not client.accepts_redirect_uri(uri):
        raise FatalRequest("invalid_request", "The redirect_uri is not registered for this client, to the letter.")
    return uri


def _state(parsed: Parsed) -> str | None:
    """The state to send back, also with a refusal; not one that was sent twice or is too long to send."""
    state = parsed.values.get("state")
    return None if state is None or "state" in parsed.repeated or len(state) > MAX_STATE else state


def _answer_mode(parsed: Parsed) -> str:
    mode = parsed.values.get("response_mode", "query")
    web = parsed.values["redirect_uri"].startswith(("http://", "https://"))  # a form cannot be posted to an application's private scheme
    return mode if mode in RESPONSE_MODES and web and "response_mode" not in parsed.repeated else "query"


# -- everything else: wrong here means an answer to the client ---------------------------------------------------------------------------


def _oauth_part(parsed: Parsed) -> RequestInfo:
    values, repeated = parsed
    if repeated:
        raise RequestRefused("invalid_request", "A parameter was sent more than once.")
    for name in _REQUEST_OBJECTS:
        if name in values:
            raise RequestRefused(f"{name}_not_supported", f"The {name} parameter is not supported.")
    if "response_type" not in values:
        raise RequestRefused("invalid_request", "The response_type parameter is missing.")
    if values["response_type"] != "code":
        raise RequestRefused("unsupported_response_type", "Only response_type=code is supported.")
    mode = values.get("response_mode", "query")
    if mode != _answer_mode(parsed):
        raise RequestRefused("invalid_request", "This response_mode is not supported for this redirect_uri.")
    return {
        "response_type": "code",
        "response_mode": mode,
        "state": _bounded(values.get("state"), "state", MAX_STATE),
        "code_challenge": values.get("code_challenge"),
        "code_challenge_method": values.get("code_challenge_method"),
    }


def _check_challenge(info: RequestInfo, *, required: bool) -> None:
    """RFC 7636 4.3, 4.4.1. A missing method would mean ``plain``, which RFC 9700 2.1.1 rules out (catalogue PK-02)."""
    challenge, method = info["code_challenge"], info["code_challenge_method"]
    if challenge is None and method is None:
        if required:
            raise RequestRefused("invalid_request", "PKCE is required: code_challenge is missing.")
        return
    if method != "S256":
        raise RequestRefused("invalid_request", "The code_challenge_method must be S256.")
    if challenge is None or not _CHALLENGE.fullmatch(challenge):
        raise RequestRefused("invalid_request", "The code_challenge must be 43 base64url characters.")


def _scopes(scope: str | None, supported: Collection[str] | None) -> list[str]:
    if scope is None or not _SCOPE.fullmatch(scope.strip(" ")):
        raise RequestRefused("invalid_scope", "The scope parameter is missing or malformed.")
    scopes = list(dict.fromkeys(scope.split()))
    if "openid" not in scopes:
        raise RequestRefused("invalid_scope", "The scope parameter must contain openid.")
    return [item for item in scopes if supported is None or item in supported]


def _bounded(value: str | None, name: str, limit: int) -> str | None:
    if value is not None and len(value) > limit:
        raise RequestRefused("invalid_request", f"The {name} parameter is too long.")
    return value


def _display(value: str | None) -> str | None:
    if value is not None and value not in DISPLAYS:
        raise RequestRefused("invalid_request", "The display parameter has an unknown value.")
    return value


def _prompt(value: str) -> set[str]:
    prompt = set(value.split())
    if prompt - set(PROMPTS):
        raise RequestRefused("invalid_request", "The prompt parameter has an unknown value.")
    if "none" in prompt and len(prompt) > 1:
        raise RequestRefused("invalid_request", "Prompt none is mutually exclusive with other values.")
    return prompt


def _max_age(value: str | None) -> int | None:
    if value is None:
        return None
    if not _MAX_AGE.fullmatch(value):
        raise RequestRefused("invalid_request", "The max_age parameter must be a non-negative integer.")
    return int(value)


def _knowing(info: RequestInfo, check: Check | None) -> Check | None:
    """*check*, told about the OAuth part of the request as well."""
    return None if check is None else lambda openid: check(info | openid)


def _check_silent(info: RequestInfo, login: Check | None, consent: Check | None) -> None:
    if login is None or not login(info):
        raise RequestRefused("login_required", "Nobody is signed in (freshly enough) in this browser.")
    if consent is not None and not consent(info):
        raise RequestRefused("consent_required", "The user has not consented to this client's access.")
