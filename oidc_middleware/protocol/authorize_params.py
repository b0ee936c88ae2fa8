"""Judging the ``authorize_params`` setting, at start and not at the first login."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from oidc_middleware.protocol.strict_json import loads_object

#: Parameters of the authorization request that are ours alone. The last five would let a request object, or a secret, into the URL.
OURS: Final = frozenset(
    {
        "response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "response_mode",
        "request", "request_uri", "registration", "client_secret", "code_verifier",
    }
)  # fmt: skip

#: OIDC Core 3.1.2.1 and Initiating User Registration 1.0. An unknown value would be ignored by most providers, and with it what it was to enforce.
PROMPTS: Final = ("none", "login", "consent", "select_account", "create")
DISPLAYS: Final = ("page", "popup", "touch", "wap")

_LOCALE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")  # RFC 5646 2.1, as far as it matters
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_MAX_VALUE_LENGTH: Final = 4096


def authorize_params_problems(params: Mapping[str, object]) -> list[str]:
    """All that is wrong with the setting ``authorize_params``: a sentence each, naming it. An empty list when it can be used.

    Judges what the specification defines (OIDC Core 3.1.2.1, 5.5); other names are provider extras and need only be text, numbers or lists of these.
    """
    problems = []
    for name, value in params.items():
        shown = name if _NAME.fullmatch(name) else repr(name)[:100]
        if shown != name:
            problems.append(f"authorize_params: {shown} is no parameter name")
        elif name in OURS:
            problems.append(f"authorize_params: {name} is set by the middleware and cannot be overridden")
        elif value is not None:
            problems += [f"authorize_params: {name} {problem}" for problem in _CHECKS.get(name, _extra)(value)]
    max_age = params.get("max_age")
    if max_age == 0 and not isinstance(max_age, bool) and _words(params.get("prompt")) == ["none"]:
        # It asks for a fresh sign-in that nobody may see; the conformance suite refuses the pair.
        problems.append("authorize_params: max_age 0 contradicts prompt none")
    return problems


def _words(value: object) -> list[str] | None:
    """A space-delimited list, given as text or as a list of words. ``None`` when it is neither."""
    if isinstance(value, str):
        return value.split(" ") if _is_text(value) else None
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, str) and _is_text(item) and " " not in item for item in value):
        return list(value)
    return None


def _is_text(value: str) -> bool:
    return 0 < len(value) <= _MAX_VALUE_LENGTH and value.isprintable()


def _prompt(value: object) -> Iterator[str]:
    words = _words(value)
    if words is None or "" in words:
        yield f"must be one or more of {', '.join(PROMPTS)}"
        return
    for word in sorted(set(words) - set(PROMPTS)):
        yield f"has the unknown value {word!r}; known are {', '.join(PROMPTS)}"
    if len(set(words)) != len(words):
        yield "repeats a value"
    if "none" in words and len(words) > 1:
        yield "cannot combine none with other values"


def _max_age(value: object) -> Iterator[str]:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        yield "must be a number of seconds, an integer of at least 0"


def _display(value: object) -> Iterator[str]:
    if value not in DISPLAYS:
        yield f"must be one of {', '.join(DISPLAYS)}"


def _locales(value: object) -> Iterator[str]:
    words = _words(value)
    if words is None or not all(_LOCALE.fullmatch(word) for word in words):
        yield "must be language tags such as 'de' or ['de-CH', 'en']"


def _acr_values(value: object) -> Iterator[str]:
    words = _words(value)
    if words is None or "" in words:
        yield "must be values separated by one space each, or a list of them"


def _line(value: object) -> Iterator[str]:
    if not isinstance(value, str) or not _is_text(value):
        yield "must be text of one line"


def _claims(value: object) -> Iterator[str]:
    """OIDC Core 5.5: an object with ``userinfo`` and ``id_token``, each an object of claims whose value is ``null`` or an object."""
    request: Any = value
    if isinstance(value, str):
        try:
            request = loads_object(value)
        except ValueError as error:
            yield f"must be a JSON object: {error}"
            return
    if not isinstance(request, Mapping) or not request:
        yield "must be a JSON object or a mapping, and not empty"
        return
    for member in ("userinfo", "id_token"):
        claims = request.get(member)
        if claims is None:
            continue
        if not isinstance(claims, Mapping):
            yield f"must have an object as {member}"
        elif not all(isinstance(name, str) and (item is None or isinstance(item, Mapping)) for name, item in claims.items()):
            yield f"must have null or an object for each claim of {member}"


def _extra(value: object) -> Iterator[str]:
    if isinstance(value, (int, float)) or (isinstance(value, str) and _is_text(value)) or (isinstance(value, (list, tuple)) and _words(value)):
        return
    yield "must be text of one line, a number, or a list of words"


_CHECKS: Final[Mapping[str, Callable[[object], Iterator[str]]]] = {
    "prompt": _prompt,
    "max_age": _max_age,
    "display": _display,
    "ui_locales": _locales,
    "claims_locales": _locales,
    "acr_values": _acr_values,
    "login_hint": _line,
    "id_token_hint": _line,
    "claims": _claims,
}
