"""How a test bends a provider: edits of what it says, and scripted answers instead of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

import httpx


class _Remove:
    def __repr__(self) -> str:
        return "REMOVE"


#: As a value in an edit: leave this member out.
REMOVE: Final = _Remove()

#: A mapping from member to its new value, :data:`REMOVE`, or a function from the old value to the new one.
Edits = Mapping[str, Any]


def edited(value: Mapping[str, Any], edits: Edits) -> dict[str, Any]:
    """*value* with *edits* applied."""
    result = dict(value)
    for name, edit in edits.items():
        new = edit(result.get(name)) if callable(edit) else edit
        if new is REMOVE:
            result.pop(name, None)
        else:
            result[name] = new
    return result


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One back-channel request, as the provider saw it. Header names are lower case."""

    endpoint: str
    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def form(self) -> dict[str, str]:
        """The body as a form; the last value of a repeated parameter."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(slots=True)
class ScriptedAnswer:
    """What an endpoint does instead of, or on top of, its own answer.

    ``raises`` is thrown into the HTTP client. ``status``, ``json`` and ``body`` replace that part of the real answer, ``headers`` are
    set on it. ``delay`` waits
    that many real seconds, ``gate`` until the test sets it, ``takes`` lets the fake clock pass instead. ``times`` bounds for how many requests all
    this holds.
    """

    status: int | None = None
    headers: Mapping[str, str] | None = None
    json: Any = REMOVE
    body: bytes | None = None
    raises: Exception | None = None
    edit: Callable[[httpx.Response], httpx.Response] | None = None
    before: Callable[[ReceivedRequest], None] | None = None
    delay: float = 0.0
    gate: threading.Event | None = None
    takes: float = 0.0
    times: int | None = None

    def replaces_all(self) -> bool:
        """Whether the provider's own code need not run: nothing is consumed, no code is used up."""
        return self.raises is not None or self.body is not None or self.json is not REMOVE

    def apply(self, response: httpx.Response) -> httpx.Response:
        """*response* with the scripted parts put in."""
        status = self.status or response.status_code
        headers = {name: value for name, value in {**response.headers, **(self.headers or {})}.items() if name != "content-length"}
        if self.json is not REMOVE:
            result = httpx.Response(status, headers=headers, json=self.json)
        else:
            result = httpx.Response(status, headers=headers, content=response.content if self.body is None else self.body)
        return self.edit(result) if self.edit is not None else result


class Script:
    """The scripted answers of all endpoints; the oldest one that still holds is used."""

    def __init__(self) -> None:
        self._answers: dict[str, list[ScriptedAnswer]] = {}

    def add(self, endpoint: str, answer: ScriptedAnswer) -> None:
        """Queue *answer* for *endpoint*."""
        self._answers.setdefault(endpoint, []).append(answer)

    def clear(self) -> None:
        """Back to the provider's own answers."""
        self._answers.clear()

    def take(self, endpoint: str) -> ScriptedAnswer | None:
        """The answer for the next request to *endpoint*, counted as used."""
        for answer in self._alive(endpoint):
            if answer.times is not None:
                answer.times -= 1
            return answer
        return None

    def _alive(self, endpoint: str) -> Iterator[ScriptedAnswer]:
        return (answer for answer in self._answers.get(endpoint, ()) if answer.times is None or answer.times > 0)
