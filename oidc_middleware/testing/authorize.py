"""The authorization endpoint of a scripted provider: as strict as the conformance suite's (AbstractOIDCCClientTest), and a bit more."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

#: The suite warns about a nonce that is longer or uses other characters.
_NONCE: Final = re.compile(r"[A-Za-z0-9\-_.~]{1,43}")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9\-_]{43}")  # RFC 7636 4.2: base64url of a SHA-256
_PROMPTS: Final = {"none", "login", "consent", "select_account"}


class ProtocolViolation(AssertionError):
    """The relying party asked for something no correct one asks for. ``problems`` lists all of it."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(slots=True)
class Grant:
    """An authorization code and what it stands for."""

    code: str = field(repr=False)
    parameters: Mapping[str, str] = field(repr=False)
    issued: float
    used: bool = False
    access_token: str = field(default="", repr=False)
    signed_in: int = 0


@dataclass(slots=True)
class RefreshGrant:
    """What a refresh token stands for, and when it was rotated out, if it was."""

    grant: Grant
    used: float | None = None


class CallbackAnswer(NamedTuple):
    """What the browser is told to do next: open ``url`` (``form`` is ``None``), or post ``form`` (urlencoded) to it."""

    url: str
    form: str | None = None


def parameters_of(location: str) -> tuple[str, dict[str, str], list[str]]:
    """``(endpoint, parameters, problems)`` of an authorization request; a repeated parameter is a problem (RFC 6749 3.1)."""
    parts = urlsplit(location)
    pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
    repeated = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    problems = [f"{name} is sent twice" for name in repeated]
    if parts.fragment:
        problems.append("the authorization request has a fragment")
    return parts._replace(query="", fragment="").geturl(), dict(pairs), problems


def request_problems(parameters: Mapping[str, str], *, client_id: str, redirect_uris: Collection[str]) -> list[str]:
    """Everything the suite (and a careful provider) would object to in an authorization request."""
    problems = []
    if parameters.get("response_type") != "code":
        problems.append("response_type is not code")
    if parameters.get("client_id") != client_id:
        problems.append("client_id is not the registered one")
    if parameters.get("redirect_uri") not in redirect_uris:
        problems.append(f"redirect_uri {parameters.get('redirect_uri')!r} is not registered")
    if "openid" not in parameters.get("scope", "").split(" "):
        problems.append("scope lacks openid")
    if len(parameters.get("state", "")) < 22:
        problems.append("state is missing or guessable")
    if not _NONCE.fullmatch(parameters.get("nonce", "")):
        problems.append("nonce is missing, longer than 43 characters or not URL-safe")
    if parameters.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(parameters.get("code_challenge", "")):
        problems.append("PKCE with S256 is missing")
    problems += [f"{name} is not supported here" for name in ("request", "request_uri", "registration") if name in parameters]
    return problems + _option_problems(parameters)


def _option_problems(parameters: Mapping[str, str]) -> list[str]:
    problems = []
    prompts = parameters.get("prompt", "").split()
    if set(prompts) - _PROMPTS or ("none" in prompts and len(prompts) > 1):
        problems.append(f"prompt {parameters['prompt']!r} is not valid")
    max_age = parameters.get("max_age", "1")
    if not max_age.isdecimal():
        problems.append("max_age is not a number of seconds")
    elif int(max_age) == 0 and "none" in prompts:
        problems.append("max_age=0 and prompt=none contradict each other")
    if "claims" in parameters and not isinstance(json.loads(parameters["claims"]), dict):
        problems.append("claims is not a JSON object")
    if parameters.get("response_mode", "query") not in ("query", "form_post"):
        problems.append("response_mode is not supported")
    return problems


def callback_answer(parameters: Mapping[str, str], response: Mapping[str, object]) -> CallbackAnswer:
    """The authorization response on its way to the redirect URI; a list as a value repeats the parameter."""
    pairs = [(name, item) for name, value in response.items() for item in (value if isinstance(value, list) else [value])]
    encoded, redirect_uri = urlencode(pairs), parameters["redirect_uri"]
    if parameters.get("response_mode") == "form_post":
        return CallbackAnswer(redirect_uri, encoded)
    return CallbackAnswer(f"{redirect_uri}{'&' if urlsplit(redirect_uri).query else '?'}{encoded}")
