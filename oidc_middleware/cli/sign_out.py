"""``oidc-middleware sign-out-everywhere``: an operator's word, carried out in the store that all workers share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from oidc_middleware.config import load_settings
from oidc_middleware.drive import SyncWorld, run
from oidc_middleware.errors import ConfigError, Unavailable
from oidc_middleware.flows.backchannel import sign_out_everywhere
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.stores import file_of, is_shared, open_sync
from oidc_middleware.transports.client import SyncHttp


class Ended(NamedTuple):
    """Whose sessions ended. ``sessions``: how many; ``None`` for sessions in cookies, which nobody can count."""

    subject: str
    issuer: str
    sessions: int | None


def end_everywhere(subject: str, issuer: str | None) -> Ended:
    """End all sessions of *subject* that began until now, with the settings of the environment.

    Raises ``ConfigError`` for settings with which nothing would end, and ``Unavailable`` when the store was not reached, or is full.
    """
    if not subject.strip():
        raise ConfigError(["subject: is empty"])
    settings = load_settings({"issuer": issuer})
    _check_issuer(issuer)
    target = settings.store if settings.store is not None else settings.revocation
    if target is not None:
        _check_reach(target, "store" if settings.store is not None else "revocation")
    store = None if target is None else open_sync(target)
    try:
        world = SyncWorld(SyncHttp(None, trust_env=settings.trust_env), store=store)
        count = run(sign_out_everywhere(subject, RelyingParty(settings)), world)  # says itself what it thinks of no store at all
    finally:
        if store is not None:
            store.close()
    return Ended(subject, settings.issuer, None if settings.store is None else count)


def _check_issuer(issuer: str | None) -> None:
    """A typing mistake would end the sessions of nobody, and say that it was done."""
    told = any(name in os.environ for name in ("OIDC_ISSUER", "OIDC_ISSUER_FILE"))
    if issuer is not None and told and load_settings({}).issuer != issuer:
        raise ConfigError(["issuer: --issuer is not what OIDC_ISSUER says; leave one of them out"])


def _check_reach(target: object, setting: str) -> None:
    """Whether what is written there is what the workers read."""
    if not is_shared(target):
        raise ConfigError([f"{setting}: is in the memory of the app's own process, which no command reaches; restart the app to end all sessions"])
    path = file_of(target)
    if path is not None and not Path(path).is_file():
        raise Unavailable("store_unavailable", f"the file {path} does not exist; a relative path begins where the app was started")
