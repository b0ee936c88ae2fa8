"""The provider's configuration and keys, fetched and judged as the middleware does it, and compared with the settings."""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Final

from oidc_middleware.cli.check.faults import problem_of
from oidc_middleware.cli.check.findings import Report
from oidc_middleware.clock import Clock
from oidc_middleware.config import Settings
from oidc_middleware.errors import ConfigError, OIDCError
from oidc_middleware.policy.allow import AllowRules
from oidc_middleware.protocol.client_auth import choose_auth_method
from oidc_middleware.protocol.keys import ALGORITHMS, KeySet, jwks_request, process_jwks
from oidc_middleware.protocol.messages import HttpResponse
from oidc_middleware.protocol.metadata import ProviderMetadata, discovery_request, process_discovery
from oidc_middleware.protocol.strict_json import loads_object
from oidc_middleware.protocol.text import shown
from oidc_middleware.transports.base import SyncTransport

#: The Date header has no fractions of a second.
_DATE_STEP: Final = 0.5


def check_provider(settings: Settings, transport: SyncTransport, clock: Clock, report: Report) -> ProviderMetadata | None:
    """Ask for configuration and keys. The metadata, or ``None`` when there is none that could be used."""
    before = clock.now()
    try:
        response = transport.send(discovery_request(settings.issuer))
    except OIDCError as error:
        problem_of(report, "issuer", error)
        return None
    after = clock.now()
    _check_clock(response, before, after, settings.leeway, report)
    try:
        metadata = process_discovery(response, issuer=settings.issuer, allow_insecure_http=settings.insecure_allow_http)
    except OIDCError as error:
        problem_of(report, "issuer", error)
        return None
    document = loads_object(response.body)
    report.ok("issuer", f"the configuration of {metadata.issuer} is there, is its own, and names usable endpoints")
    _check_abilities(settings, metadata, document, report)
    _check_asked_for(settings, metadata, report)
    _check_algorithms(settings, listed(document, "id_token_signing_alg_values_supported"), report)
    _check_keys(settings, metadata, transport, report)
    return metadata


def listed(document: dict[str, Any], name: str) -> tuple[str, ...] | None:
    """A list of strings in the configuration; ``None`` when it is not there."""
    value = document.get(name)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else None


def _check_clock(response: HttpResponse, before: float, after: float, leeway: float, report: Report) -> None:
    """Compare the clocks by the answer's ``Date`` (RFC 9110 6.6.1), and ``Age`` where a cache answered (RFC 9111 5.1)."""
    try:
        date = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except (ValueError, TypeError, OverflowError):
        report.note("leeway", "the provider's answer carries no date: the clocks were not compared")
        return
    age = response.headers.get("age", "")
    date += int(age[:9]) if age.isascii() and age.isdigit() else 0
    behind = date + _DATE_STEP - (before + after) / 2
    certain = max(0.0, abs(behind) - _DATE_STEP - (after - before) / 2)
    text = f"this machine's clock is {certain:.0f} s {'behind' if behind > 0 else 'ahead of'} the provider's; leeway is {leeway:g} s"
    if certain > leeway:
        report.problem("leeway", text, "Set the clocks right (NTP). Tokens are refused as issued in the future, or as expired.")
    elif certain > leeway / 2:
        report.warning("leeway", text, "Set the clocks right (NTP) before the difference grows.")
    else:
        report.ok("leeway", f"the clocks of this machine and of the provider agree within {certain + 1:.0f} s")


def _check_abilities(settings: Settings, metadata: ProviderMetadata, document: dict[str, Any], report: Report) -> None:
    """What the provider says it can do, beside what will be asked of it."""
    if "S256" in metadata.code_challenge_methods:
        report.ok("require_pkce", "the provider advertises PKCE with S256")
    elif settings.require_pkce:
        report.problem("require_pkce", "is set, but the provider does not advertise S256", "Unset OIDC_REQUIRE_PKCE, or turn PKCE on there.")
    else:
        report.warning("require_pkce", "the provider does not advertise PKCE with S256; it is used all the same", "Turn it on at the provider.")
    if "code" not in (listed(document, "response_types_supported") or ("code",)):
        report.problem("issuer", "the provider does not offer the authorization code flow", "Turn on the response type `code` at the provider.")
    modes = listed(document, "response_modes_supported") or ("query", "fragment")  # the default of OIDC Discovery 3
    if settings.response_mode not in modes:
        advice = "Unset OIDC_RESPONSE_MODE, unless you know that the provider can do it."
        report.warning("response_mode", f"is {settings.response_mode}, which the provider does not list", advice)
    try:
        method = choose_auth_method(settings.client_auth, settings.client_secret is not None, metadata)
    except ConfigError as error:
        report.problem("client_auth", error.detail.removeprefix("client_auth: "), "Turn on client_secret_basic or client_secret_post there.")
    else:
        _check_method(method, metadata, report)
    if settings.userinfo == "always" and metadata.userinfo_endpoint is None:
        report.problem("userinfo", "is always, but the provider has no UserInfo endpoint", "Set OIDC_USERINFO=auto.")
    if metadata.end_session_endpoint is None:
        report.note("issuer", "the provider has no end_session_endpoint: signing out ends the session here, not the one at the provider")
    _check_logout(settings, metadata, report)


def _check_method(method: str, metadata: ProviderMetadata, report: Report) -> None:
    if method != "none" and method not in metadata.token_endpoint_auth_methods:
        offered = ", ".join(map(shown, metadata.token_endpoint_auth_methods))
        report.warning("client_auth", f"is {method}, which the provider does not list", f"It lists {offered}.")
    else:
        report.ok("client_auth", f"{method} will be used")


def _check_logout(settings: Settings, metadata: ProviderMetadata, report: Report) -> None:
    revocable = settings.store is not None or settings.revocation is not None
    if revocable and not metadata.backchannel_logout_supported:
        report.note("revocation", "the provider does not advertise back-channel logout: it will end no session here by itself")
    elif revocable:
        report.ok("revocation", "the provider advertises back-channel logout; the address to register is below")


def _check_asked_for(settings: Settings, metadata: ProviderMetadata, report: Report) -> None:
    """Scopes, and the claims that rules look at, beside what the provider lists; lists may be incomplete (OIDC Discovery 3)."""
    missing = [scope for scope in settings.scopes if metadata.scopes_supported and scope not in metadata.scopes_supported]
    if missing:
        report.warning("scopes", f"the provider does not list {_and(missing)}", "Leave out what it does not know; some refuse the sign-in for it.")
    wanted = sorted(AllowRules.from_option(settings.allow).claims)
    absent = [claim for claim in wanted if metadata.claims_supported and claim not in metadata.claims_supported]
    if absent:
        advice = "Have the provider send them, perhaps by a further scope; rules that look at a missing claim admit nobody."
        report.warning("allow", f"looks at claims that the provider does not list: {_and(absent)}", advice)
    if settings.keep_tokens and "offline_access" not in settings.scopes and "offline_access" in metadata.scopes_supported:
        advice = "Add offline_access to OIDC_SCOPES if tokens shall be refreshed."
        report.note("keep_tokens", "is on, without the scope offline_access, which the provider knows", advice)


def _check_algorithms(settings: Settings, offered: Sequence[str] | None, report: Report) -> None:
    if offered is None:
        report.note("id_token_algs", "the provider does not list what it signs ID tokens with, as it should (OIDC Discovery 3)")
    elif not set(offered) & set(settings.id_token_algs):
        usable = [alg for alg in offered if alg in ALGORITHMS]
        advice = f"Set OIDC_ID_TOKEN_ALGS to what this client's tokens are signed with: {' or '.join(usable)}." if usable else "Use another provider."
        listing = ", ".join(map(shown, offered[:20]))
        report.problem("id_token_algs", f"accepts {_and(settings.id_token_algs)}, but the provider signs with {listing}", advice)
    else:
        report.ok("id_token_algs", f"the provider signs with {_and([alg for alg in settings.id_token_algs if alg in offered])}")


def _check_keys(settings: Settings, metadata: ProviderMetadata, transport: SyncTransport, report: Report) -> None:
    if all(alg.startswith("HS") for alg in settings.id_token_algs):
        return  # the client secret is the key
    try:
        keys = process_jwks(transport.send(jwks_request(metadata)))
    except OIDCError as error:
        problem_of(report, "keys", error)
        return
    fitting = [alg for alg in settings.id_token_algs if keys.candidates(alg, None)]
    if fitting:
        report.ok("keys", f"{len(keys.keys)} usable, for {_and(fitting)} among others")
    else:
        advice = "Set OIDC_ID_TOKEN_ALGS to an algorithm that its keys are for."
        report.problem("keys", f"the provider publishes none for {_and(settings.id_token_algs)}, only {_kinds(keys)}", advice)
    if keys.skipped:
        report.note("keys", f"{len(keys.skipped)} published that cannot be used here: {'; '.join(keys.skipped[:5])}")


def _kinds(keys: KeySet) -> str:
    return _and(sorted({f"{key.kty} {key.crv or ''}".strip() for key in keys.keys}))


def _and(items: Sequence[str]) -> str:
    return ", ".join(items)
