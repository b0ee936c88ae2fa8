"""What one middleware instance knows for as long as it lives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oidc_middleware.config import Settings
from oidc_middleware.flows.effects import Flow
from oidc_middleware.flows.metadata import ProviderMemory
from oidc_middleware.flows.open_sockets import OpenSockets
from oidc_middleware.flows.revocation import Revocations
from oidc_middleware.flows.site import Sites
from oidc_middleware.identity import User
from oidc_middleware.policy.allow import AllowRules
from oidc_middleware.policy.public import PublicPaths


class RelyingParty:
    """The settings, and what is worked out from them once.

    *drive* is how the shell runs a flow that the application starts: it returns the result, or something to await. *still* is that of a store
    which can tell at once that a session was not changed (:class:`~oidc_middleware.stores.base.Instant`). *memory* is the name of a store that is
    in this process alone.
    """

    def __init__(
        self,
        settings: Settings,
        user_type: type[User] = User,
        drive: Callable[[Flow[str]], Any] | None = None,
        still: Callable[[str, int, float], bool] | None = None,
        memory: Callable[[], str] | None = None,
    ) -> None:
        self.settings = settings
        self.user_type = user_type
        self.drive = drive
        self.still = still or _must_be_asked
        self.anonymous = user_type("", "")
        self.sites = Sites(settings, memory)
        self.public = PublicPaths(settings.public)
        self.allow = AllowRules.from_option(settings.allow)
        self.provider = ProviderMemory(settings.issuer)
        self.revocations = Revocations()
        self.sockets = OpenSockets()
        #: Whether a session can be ended from elsewhere: it is on the server, or the list of ended ones is.
        self.revocable = settings.store is not None or settings.revocation is not None
        #: Whether there are several workers, each with a memory of its own for what they should share (catalogue F-ST-15, LT-17).
        self.scattered = False


def _must_be_asked(_key: str, _version: int, _now: float) -> bool:
    return False
