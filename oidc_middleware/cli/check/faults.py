"""From the middleware's own errors to findings: the same words as in the log, and what to do about them."""

from __future__ import annotations

import re
from typing import Final

from oidc_middleware.audit import escaped
from oidc_middleware.cli.check.findings import Report
from oidc_middleware.errors import OIDCError

#: What stands behind an address that was not reached, by the class of the exception.
_CAUSES: Final = {
    "gaierror": "The name is not known here: check its spelling, and DNS as this machine sees it.",
    "SSLCertVerificationError": "Its certificate is not trusted here: name the authority in SSL_CERT_FILE, or have the certificate mended.",
    "SSLError": "It does not speak TLS as expected: is the port right, and is it https there?",
    "ConnectionRefusedError": "Nothing listens there: check host and port, and whether it runs.",
    "ProxyError": "The proxy named in HTTPS_PROXY or HTTP_PROXY does not let the call pass.",
}
_ADVICE: Final = {
    "metadata_invalid": "Open <issuer>/.well-known/openid-configuration: what answers there is no provider's configuration. Is the issuer right?",
    "metadata_issuer_mismatch": "Set OIDC_ISSUER to exactly what the provider says, slash at the end or not, if that is your provider.",
    "metadata_endpoint_insecure": "Configure the provider's public https address; behind a proxy it often lacks the forwarded scheme.",
    "jwks_invalid": "Open the provider's jwks_uri; ask the provider's operator.",
    "response_redirected": "Write the address it redirects to: usually a slash at the end, or https instead of http, in OIDC_ISSUER.",
    "response_too_large": "Is it a provider that answers there?",
    "provider_unreachable": "Check DNS, routes, proxy variables and certificates between this machine and the provider.",
    "provider_timeout": "Check routes and firewalls between this machine and the provider, and the provider's load.",
    "provider_unavailable": "Look at the provider's log.",
    "provider_throttled": "Wait, and check again.",
    "store_unavailable": "Check that it runs, its address, credentials and TLS, and the way from this machine to it.",
    "store_full": "Give the store more memory, or shorten session_lifetime.",
}


def told(error: OIDCError) -> str:
    """The error in words: the sentence for people, the code, the evidence."""
    return f"{error.public} ({error.code}{': ' + escaped(error.detail) if error.detail else ''})"


def advice(error: OIDCError) -> str:
    """What to do about *error*."""
    names = re.findall(r"\w+", error.detail) if error.code in ("provider_unreachable", "provider_timeout") else []
    found = next((text for name, text in _CAUSES.items() if name in names), None)
    return found or _ADVICE.get(error.code, f"See docs/errors.md, {error.code}.")


def problem_of(report: Report, about: str, error: OIDCError) -> None:
    """*error* as a problem."""
    report.problem(about, told(error), advice(error))
