"""The authorization response, as the browser brings it back: OIDC Core 3.1.2.5 to 3.1.2.7, RFC 6749 4.1.2, RFC 9207 2.4.

Everything here is local: nothing goes to the provider before all of it has passed (catalogue ST-02, MX-01).
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from oidc_middleware.errors import LoginError
from oidc_middleware.protocol.text import masked, shown

#: 64 kB, as mod_auth_openidc reads of a form (catalogue ST-13); a query is bounded far lower by every server.
MAX_LENGTH: Final = 65_536
MAX_PARAMETERS: Final = 50
#: RFC 6749 sets no limit; the longest codes known (Entra ID) have about 2 kB (catalogue CI-04).
MAX_CODE_LENGTH: Final = 4096
MAX_STATE_LENGTH: Final = 1024

# A query or form as it travels: printable ASCII without space, and every percent sign begins two hexadecimal digits.
_ENCODED: Final = re.compile(r"(?:[\x21-\x24\x26-\x7e]|%[0-9A-Fa-f]{2})*+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CODE: Final = re.compile(r"[\x20-\x7e]+")  # RFC 6749 A.11
#: Tokens never come through the browser in the code flow (catalogue ST-14, RFC 9700 2.1.2).
_UNEXPECTED: Final = ("id_token", "access_token")


@dataclass(frozen=True, slots=True)
class CallbackParameters:
    """The parameters of an authorization response, decoded and not judged yet. ``None`` where absent."""

    code: str | None = field(default=None, repr=False)
    state: str | None = field(default=None, repr=False)
    iss: str | None = None
    error: str | None = None
    error_description: str | None = field(default=None, repr=False)
    unexpected: tuple[str, ...] = ()


_PROOF: Final = object()


class ValidatedCallback:
    """The proof that an authorization response belongs to this browser's login. Only :func:`validate_callback` makes one."""

    __slots__ = ("code",)

    code: str

    def __init__(self, code: str, proof: object) -> None:
        if proof is not _PROOF:
            raise TypeError("only validate_callback makes a ValidatedCallback")
        object.__setattr__(self, "code", code)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a ValidatedCallback is read-only")

    def __repr__(self) -> str:
        return "<ValidatedCallback>"


def parse_callback(raw: str) -> CallbackParameters:
    """Parse the raw query string, or the body of a ``form_post`` (each one character per byte), strictly.

    Raises ``LoginError``: ``duplicate_parameter`` when a name occurs twice, or ``code`` beside ``error`` (RFC 6749 3.1, catalogue ST-10);
    ``malformed_parameter`` for anything that is not well-formed UTF-8 in well-formed percent-encoding, for control characters, and for more than
    64 kB or 50 parameters (catalogue ST-11, ST-12, ST-13).
    """
    if len(raw) > MAX_LENGTH:
        raise LoginError("malformed_parameter", f"{len(raw)} characters")
    if _ENCODED.fullmatch(raw) is None:
        raise LoginError("malformed_parameter", "not in percent-encoding")
    found: dict[str, str] = {}
    for piece in filter(None, raw.split("&")):
        name, _, value = map(_decoded, piece.partition("="))
        if not name or _CONTROL.search(name) or len(found) >= MAX_PARAMETERS:
            raise LoginError("malformed_parameter", "a parameter without a usable name, or too many parameters")
        if name in found:
            raise LoginError("duplicate_parameter", shown(name))
        found[name] = value
    for name in ("code", "state", "iss", "error"):
        if _CONTROL.search(found.get(name, "")):
            raise LoginError("malformed_parameter", f"{name} has control characters")
    if "code" in found and "error" in found:
        raise LoginError("duplicate_parameter", "both code and error")
    return CallbackParameters(
        code=found.get("code"),
        state=found.get("state"),
        iss=found.get("iss"),
        error=found.get("error"),
        error_description=found.get("error_description"),  # Entra ID sends line breaks in it; it goes nowhere but, escaped, into the log
        unexpected=tuple(name for name in _UNEXPECTED if name in found),
    )


def validate_callback(parameters: CallbackParameters, *, state: str | None, issuer: str | None, iss_required: bool) -> ValidatedCallback:
    """Judge an authorization response against the login it claims to belong to.

    *state* is what this browser's pending login holds, *issuer* the identifier of the provider it went to, *iss_required* whether that provider's
    metadata promises ``iss``. ``None`` is for callers of the plain functions alone: no state was sent, so none may come back; the issuer is not
    known, so it cannot be compared. The order is: ``state`` (so that nothing foreign is looked at further), ``iss`` (RFC 9207 2.4, for errors too),
    unexpected tokens, the error, the code.

    Raises ``LoginError``: ``state_missing``, ``state_mismatch``, ``iss_missing``, ``iss_mismatch``, ``unexpected_parameter``, ``access_denied``,
    ``provider_refused``, ``code_missing``, ``code_invalid``.
    """
    _check_state(parameters.state, state)
    _check_issuer(parameters.iss, issuer, iss_required=iss_required)
    if parameters.unexpected:
        raise LoginError("unexpected_parameter", ", ".join(parameters.unexpected))
    if parameters.error is not None:
        code = "access_denied" if parameters.error == "access_denied" else "provider_refused"
        raise LoginError(code, f"error {masked(parameters.error)}, description {masked(parameters.error_description)}")
    if not parameters.code:
        raise LoginError("code_missing")
    if len(parameters.code) > MAX_CODE_LENGTH or _CODE.fullmatch(parameters.code) is None:
        raise LoginError("code_invalid", f"{len(parameters.code)} characters")
    return ValidatedCallback(parameters.code, _PROOF)


def _check_state(found: str | None, expected: str | None) -> None:
    if expected is None:
        if found is not None:
            raise LoginError("state_mismatch", "a state came back, but none was sent")
        return
    if not found:
        raise LoginError("state_missing")
    # Bytes, because compare_digest raises TypeError for text beyond ASCII (catalogue ST-11, Appendix A 2).
    if not expected or len(found) > MAX_STATE_LENGTH or not hmac.compare_digest(found.encode("utf-8"), expected.encode("utf-8")):
        raise LoginError("state_mismatch")


def _check_issuer(found: str | None, expected: str | None, *, iss_required: bool) -> None:
    """RFC 9207 2.4: simple string comparison, no normalisation (catalogue MX-01 to MX-04). An ``iss`` that nobody promised is compared as well."""
    if found is None:
        if iss_required:
            raise LoginError("iss_missing", f"expected {shown(expected)}")
    elif expected is not None and found != expected:
        raise LoginError("iss_mismatch", f"{shown(found)}, expected {shown(expected)}")


def _decoded(text: str) -> str:
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        raise LoginError("malformed_parameter", "not UTF-8") from None
