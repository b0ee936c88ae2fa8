"""The ``claims`` parameter (OpenID Connect Core 5.5): which claims a client asks for by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from oidc_middleware.protocol.strict_json import loads_object
from oidc_middleware.provider.refusals import RequestRefused

MAX_LENGTH: Final = 8_192  # a request line of 8 kB is what servers commonly take


def parse_claims_request(claims: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """The request as a dictionary with the members ``userinfo`` and ``id_token`` where they were sent; ``{}`` for none.

    Other top-level members are kept, but have no effect (Core 5.5: they must be ignored). Raises :class:`RequestRefused` ``invalid_request``.
    """
    if claims is None or claims == "":
        return {}
    parsed = _parse(claims) if isinstance(claims, str) else dict(claims)
    for member in ("userinfo", "id_token"):
        if member in parsed:
            parsed[member] = _checked(parsed[member])
    return parsed


def _parse(text: str) -> dict[str, Any]:
    if len(text) > MAX_LENGTH:
        raise RequestRefused("invalid_request", "The claims parameter is too long.")
    try:
        return loads_object(text)
    except ValueError:
        raise RequestRefused("invalid_request", "The claims parameter is malformed: a JSON object is expected.") from None


def _checked(member: object) -> dict[str, Any]:
    if member is None:
        return {}
    if not isinstance(member, Mapping) or not all(_is_request(item) for item in member.values()):
        raise RequestRefused("invalid_request", "The claims parameter is malformed: see OpenID Connect Core 5.5.")
    return dict(member)


def _is_request(item: object) -> bool:
    """``null``, or an object whose ``essential`` is a boolean and whose ``values`` is an array (Core 5.5.1)."""
    if item is None:
        return True
    return isinstance(item, Mapping) and isinstance(item.get("essential", False), bool) and isinstance(item.get("values", []), list)


def asked_for(claims: Mapping[str, Any], member: str) -> list[str]:
    """The names of the claims asked for at *member* (``userinfo`` or ``id_token``)."""
    return list(claims.get(member) or ())


def wanted_values(claims: Mapping[str, Any], name: str, member: str = "id_token") -> list[Any]:
    """The values that would satisfy the request for *name*, in order of preference; empty when any would."""
    request = (claims.get(member) or {}).get(name) or {}
    return list(request.get("values", [])) or ([request["value"]] if "value" in request else [])


def is_essential(claims: Mapping[str, Any], name: str, member: str = "id_token") -> bool:
    return bool(((claims.get(member) or {}).get(name) or {}).get("essential"))
