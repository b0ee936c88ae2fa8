"""``oidc-middleware check``: the settings, the provider and the store, looked at as the middleware will use them."""

from __future__ import annotations

from oidc_middleware.cli.check.findings import Finding, Report
from oidc_middleware.cli.check.provider import check_provider
from oidc_middleware.cli.check.registration import check_registration
from oidc_middleware.cli.check.settings import check_settings
from oidc_middleware.cli.check.store import check_store
from oidc_middleware.clock import Clock, SystemClock
from oidc_middleware.config import load_settings
from oidc_middleware.transports.base import SyncTransport
from oidc_middleware.transports.client import SyncHttp


def check_everything(*, probe: bool, clock: Clock | None = None, transport: SyncTransport | None = None) -> Report:
    """Check what the environment says. *probe*: also ask the provider about this very client.

    Raises :class:`~oidc_middleware.errors.ConfigError` with all problems when the settings cannot be used. Whatever else is wrong is a finding.
    """
    settings = load_settings({})
    clock = clock or SystemClock()
    transport = transport or SyncHttp(None, trust_env=settings.trust_env)
    report = Report()
    check_settings(settings, report)
    metadata = check_provider(settings, transport, clock, report)
    if probe and metadata is not None:
        check_registration(settings, metadata, transport, clock, report)
    check_store(settings, report)
    return report


__all__ = ["Finding", "Report", "check_everything"]
