"""Driving a flow by hand: next, look at the effect, send the answer."""

from __future__ import annotations

import json
from typing import Any

from oidc_middleware.config import load_settings
from oidc_middleware.flows.effects import Claim, Connected, Fetch, Now, Once, Random, ReadBody, Report, Shielded
from oidc_middleware.flows.messages import Request
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.protocol.messages import HttpResponse
from oidc_middleware.testing import FakeClock

ISSUER = "https://op.example.com"
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks",
    "userinfo_endpoint": f"{ISSUER}/userinfo",
}


def party(**options: Any) -> RelyingParty:
    given = {"issuer": ISSUER, "client_id": "app", "secret_key": "kD3vQ8wZr5nT1yXb7LmP9sHc2JfG6uEa", "base_url": "https://app.example.com", **options}
    return RelyingParty(load_settings({name: value for name, value in given.items() if value is not None}, environ={}))


def request(path: str = "/", *, headers: dict[str, str | list[str]] | None = None, **fields: Any) -> Request:
    given = {name: [value] if isinstance(value, str) else value for name, value in (headers or {}).items()}
    navigation = {"sec-fetch-mode": ["navigate"], "sec-fetch-dest": ["document"], "accept": ["text/html"], "host": ["app.example.com"]}
    known = navigation | given
    plain = {
        "kind": "http", "method": "GET", "scheme": "https", "mount": "", "path": path, "target": "", "query": "", "cookie": "",
        "headers": lambda name: known.get(name, []), "peer": "192.0.2.7", "now": 1_800_000_000.0,
    }  # fmt: skip
    return Request(**(plain | fields))


def json_response(document: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(status, {"content-type": "application/json"}, json.dumps(document).encode())


def code_of(answer: Any) -> str:
    """The error code that an answer of ours names, to a program or on a page."""
    if dict(answer.headers)["Content-Type"] == "application/problem+json":
        return str(json.loads(answer.body)["code"])
    return str(answer.body.decode().partition("<dt>Code</dt><dd>")[2].partition("<")[0])


class Driver:
    """Answers everything but ``Fetch``; calls are taken from ``answers`` (a list of responses or errors) and recorded."""

    def __init__(self, *answers: Any, clock: FakeClock | None = None, body: bytes = b"") -> None:
        self.answers = list(answers)
        self.clock = clock or FakeClock()
        self.body = body
        self.effects: list[Any] = []
        self.used: set[str] = set()

    @property
    def fetched(self) -> list[str]:
        return [effect.request.purpose for effect in self.effects if isinstance(effect, Fetch)]

    @property
    def events(self) -> list[str]:
        return [effect.event for effect in self.effects if isinstance(effect, Report)]

    def run(self, flow: Any) -> Any:
        try:
            effect = next(flow)
            while True:
                self.effects.append(effect)
                try:
                    result = self._perform(effect)
                except Exception as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(result)
        except StopIteration as stop:
            return stop.value

    def _perform(self, effect: Any) -> Any:
        match effect:
            case Fetch():
                answer = self.answers.pop(0)
                if isinstance(answer, Exception):
                    raise answer
                return answer
            case Now():
                return self.clock.now()
            case Random(length):
                return self.clock.random(length)
            case ReadBody():
                return self.body
            case Claim(key):
                fresh = key not in self.used
                self.used.add(key)
                return fresh
            case Once(_, flow) | Shielded(flow):
                return self.run(flow())
            case Connected(flow, kept):
                return self.run(flow(kept))
            case Report():
                return None
        raise AssertionError(effect)
