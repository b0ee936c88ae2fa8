"""A million signed-in people, written by the package's own code: the flow that keeps a session, the plans of the Redis store, real seals.

One by one they would take a quarter of an hour, most of it waiting. So many plans run side by side: each step of all of them is one pipeline.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from typing import Any, Final

from scale_count import BASE_URL, CLAIMS, SECRET

from oidc_middleware.config import load_settings
from oidc_middleware.flows.effects import Random, Shielded, StoreCreate
from oidc_middleware.flows.messages import Request
from oidc_middleware.flows.site import Site
from oidc_middleware.flows.stored import StoredSessions, store_key
from oidc_middleware.sessions.kept_tokens import KeptTokens
from oidc_middleware.sessions.session import Session

ISSUER: Final = "https://login.example.com"
_TOGETHER: Final = 200
#: An ID token signed with RS256 is of about this length; a session keeps it as the hint at sign-out.
_ID_TOKEN: Final = "e" * 1_100
_ACCESS_TOKEN: Final = "a" * 900
_REFRESH_TOKEN: Final = "r" * 700


def sessions_of(*, keep_tokens: bool = False) -> StoredSessions:
    """What keeps sessions at the site of the benchmark."""
    options = {"issuer": ISSUER, "client_id": "bench", "secret_key": SECRET, "base_url": BASE_URL, "store": "memory://", "keep_tokens": keep_tokens}
    stored = Site(load_settings(options, environ={}), BASE_URL, "").stored
    assert stored is not None
    return stored


def key_of(number: int) -> str:
    """Where session *number* is kept."""
    from base64 import urlsafe_b64encode  # noqa: PLC0415  # as the flow does it, and nowhere else here

    return store_key(urlsafe_b64encode(_id(number)).rstrip(b"=").decode())


def session(number: int, now: float, *, subject: str = "") -> Session:
    """Session *number*, of a user of its own unless *subject* says whose."""
    sub = subject or f"user-{number:012}"
    return Session(
        issuer=ISSUER, subject=sub, claims_json=json.dumps({"iss": ISSUER, "sub": sub, **CLAIMS}), created=now, seen=now, expires=now + 28_800,
        sid=f"sid-{number:012}", scopes=("openid", "profile", "email"), id_token=_ID_TOKEN, auth_time=int(now), issued_at=float(int(now)),
    )  # fmt: skip


def creations(stored: StoredSessions, number: int, now: float, *, subject: str = "") -> list[StoreCreate]:
    """What the flow of a sign-in asks the store to keep for session *number*: the session, and its tokens if they are kept."""
    kept = session(number, now, subject=subject)
    flow: Any = stored.write(kept, _REQUEST._replace(now=now), now, _tokens(kept, now) if stored.tokens else None)
    found = []
    effect = next(flow)
    while True:
        if isinstance(effect, Shielded):
            flow = effect.flow()
            effect = next(flow)
        if isinstance(effect, Random):
            effect = flow.send(_id(number) + os.urandom(effect.length - 32) if effect.length > 32 else os.urandom(effect.length))
            continue
        assert isinstance(effect, StoreCreate)
        found.append(effect)
        if effect.key.startswith("s:"):  # the last: what comes then is for browsers that had a session before
            flow.close()
            return found
        effect = flow.send(True)  # noqa: FBT003  # the store's answer


def fill(
    redis: Any, plans: Any, stored: StoredSessions, numbers: range, now: float, *, subject: str = "", ttl: float | None = None, indexed: bool = True
) -> None:
    """Write sessions *numbers*; *ttl* in the place of what the session's times say. *indexed*: so that logouts find them."""
    waiting: list[Any] = []
    for number in numbers:
        for asked in creations(stored, number, now, subject=subject):
            given = {"ttl": asked.ttl if ttl is None else ttl, "indexes": asked.indexes if indexed else (), "issued_at": asked.issued_at, "now": now}
            waiting.append(plans.create(asked.key, asked.data, **given))
        if len(waiting) >= _TOGETHER:
            _run(redis, waiting)
            waiting = []
    _run(redis, waiting)


def _run(redis: Any, plans: list[Any]) -> None:
    """Run plans side by side. Each has to say that it was done."""
    asking: Iterator[tuple[Any, list[Any]]] = ((plan, next(plan)) for plan in plans)
    running = list(asking)
    while running:
        pipeline = redis.pipeline(transaction=False)
        for _, commands in running:
            for command in commands:
                pipeline.execute_command(*command)
        answers = iter(pipeline.execute())
        following = []
        for plan, commands in running:
            try:
                following.append((plan, plan.send([next(answers) for _ in commands])))
            except StopIteration as end:
                if end.value is not True:
                    raise RuntimeError("a session was not stored") from None
        running = following


def _id(number: int) -> bytes:
    return hashlib.sha256(b"session %d" % number).digest()


def _tokens(kept: Session, now: float) -> KeptTokens:
    return KeptTokens(
        access_token=_ACCESS_TOKEN, refresh_token=_REFRESH_TOKEN, received=now, expires=now + 300, ends=kept.expires, scopes=kept.scopes,
        subject=kept.subject, audience=("bench",), nonce="n" * 43, auth_time=kept.auth_time,
    )  # fmt: skip


_REQUEST: Final = Request("http", "GET", "https", "", "/", "", "", "", lambda _name: [], "", 0.0)
