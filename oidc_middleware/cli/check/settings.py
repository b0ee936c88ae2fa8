"""What the settings themselves tell: usable all of them, or the middleware would not start, but not always meant so."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from oidc_middleware.cli.check.findings import Report
from oidc_middleware.config import Settings
from oidc_middleware.protocol.urls import is_loopback_host
from oidc_middleware.stores import is_shared

#: Sessions that outlive the end of an account for longer than a working day deserve a word.
_LONG_SESSION: Final = 24 * 3600.0


def addresses(settings: Settings) -> list[str]:
    """Where users reach the app, as far as the settings tell."""
    if settings.base_url is not None:
        return [settings.base_url]
    return [f"{_scheme(host, settings)}://{host}" for host in settings.allowed_hosts]


def redirect_uri(settings: Settings, address: str) -> str:
    """Where the provider sends browsers back to."""
    return f"{address}{settings.prefix}/callback"


def check_settings(settings: Settings, report: Report) -> None:
    """Look at the settings alone."""
    report.ok("settings", f"usable; issuer {settings.issuer}, client {settings.client_id}")
    _check_address(settings, report)
    _check_end_of_sessions(settings, report)
    if settings.insecure_allow_http:
        report.warning(
            "insecure_allow_http",
            "is on: everybody between users and the app can read and take over sessions",
            "Use https everywhere and remove OIDC_INSECURE_ALLOW_HTTP.",
        )
    if settings.allow is None:
        report.note("allow", "is not set: everyone who can sign in at the provider comes in", "Set OIDC_ALLOW unless the provider decides who may.")
    if settings.client_secret is None:
        report.note("client_secret", "is not set: a public client, protected by PKCE alone")
    if settings.base_url is not None and settings.trusted_proxies:
        report.note("trusted_proxies", "has no effect while base_url is set", "Remove one of them.")


def _check_address(settings: Settings, report: Report) -> None:
    base_url = settings.base_url
    if base_url is None and not settings.allowed_hosts:
        text = "is not set, nor is allowed_hosts: the app answers on loopback addresses only"
        report.warning("base_url", text, "Set OIDC_BASE_URL to the address that users type, with its mount path.")
    elif base_url is None:
        report.note("base_url", "is not set: the redirect URI follows the request, for the hosts in allowed_hosts", "Register one for each host.")
    elif urlsplit(base_url).scheme == "https":
        report.ok("base_url", f"https: {base_url}")
    elif is_loopback_host(urlsplit(base_url).hostname or ""):
        report.note("base_url", f"{base_url} is this machine, without https: for development", "Set it to the address that users type.")
    else:
        text = f"{base_url} is not https: cookies and codes cross the network in the clear"
        report.warning("base_url", text, "Put a proxy with a certificate before the app and write https.")
    for number, address in enumerate(addresses(settings)):
        report.register.setdefault("redirect_uri" + f" {number + 1}" * bool(number), redirect_uri(settings, address))
        report.register.setdefault("post_logout_redirect_uri" + f" {number + 1}" * bool(number), f"{address}{settings.prefix}/signed-out")


def _scheme(host: str, settings: Settings) -> str:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    return "http" if settings.insecure_allow_http or is_loopback_host(name.strip("[]")) else "https"


def _check_end_of_sessions(settings: Settings, report: Report) -> None:
    target = settings.store if settings.store is not None else settings.revocation
    setting = "store" if settings.store is not None else "revocation"
    if target is None:
        report.warning(
            "revocation",
            f"is not set, nor is store: nobody but the browser itself can end a session within its {settings.session_lifetime / 3600:g} hours, "
            "neither the provider (back-channel logout) nor an operator (sign-out-everywhere)",
            "Set OIDC_REVOCATION or OIDC_STORE to a store, if accounts have to end at once.",
        )
        if settings.session_lifetime > _LONG_SESSION:
            report.warning("session_lifetime", "is longer than a day for sessions that cannot be ended", "Shorten it, or set OIDC_REVOCATION.")
    elif not is_shared(target):
        report.warning(
            setting,
            "is in the memory of one process: with several workers, sessions and their ends are known to one of them only, and a restart forgets all",
            "Use sqlite:///… for the workers of one machine, redis://… for several machines.",
        )
    if target is not None:
        for address in addresses(settings)[:1]:
            report.register["backchannel_logout_uri"] = f"{address}{settings.prefix}/backchannel-logout"
