"""Which words and which colour go with a status. All of it is fixed text."""

from __future__ import annotations

from typing import Final

#: Errors that are about the request as such rather than about a sign-in.
_HEADLINES: Final = {
    "access_denied": "Sign-in was not completed",
    "acr_insufficient": "A stronger sign-in is needed",
    "auth_too_old": "Please sign in afresh",
    "auth_time_missing": "Please sign in afresh",
    "body_too_large": "This request cannot be answered",
    "body_unsupported": "This request cannot be answered",
    "bad_request_target": "This request cannot be answered",
    "config_invalid": "Not set up correctly",
    "cross_site_request": "Request from another site",
    "host_not_allowed": "Unknown address",
    "insecure_transport": "A secure connection is needed",
    "internal_error": "This page cannot be shown",
    "login_required": "Please sign in",
    "method_not_allowed": "This request cannot be answered",
    "not_allowed": "No access",
    "not_found": "Nothing here",
    "origin_denied": "Request from another site",
    "transaction_expired": "This sign-in has expired",
}


#: Errors that signing in again does not mend: the page then leads to the application only.
_NOT_ABOUT_SIGN_IN: Final = frozenset(
    {"bad_request_target", "body_too_large", "body_unsupported", "cross_site_request", "method_not_allowed", "not_found", "origin_denied"}
)

#: What to do next, where the code says more than its status does. For whoever runs the application it names the setting.
_HINTS: Final = {
    "bad_request_target": "If you followed a link, it may be incomplete.",
    "cross_site_request": "If you meant to do this, do it in the application itself.",
    "host_not_allowed": "If this is the right address, whoever runs this application has to name it in the setting base_url or allowed_hosts.",
    "insecure_transport": "Use the address that starts with https.",
    "not_found": "The address may be mistyped, or the link you followed out of date.",
    "session_too_large": (
        "A session may take about 5.5 kB. Whoever runs this application can choose what it keeps, or where: settings session_claims and store."
    ),
}


def headline_for(code: str, status: int) -> str:
    """The heading of an error page."""
    if code in _HEADLINES:
        return _HEADLINES[code]
    if status == 503:
        return "Sign-in is unavailable right now"
    return "Sign-in did not work"


def mends(code: str) -> bool:
    """Whether signing in again may mend it."""
    return code not in _NOT_ABOUT_SIGN_IN


def hint_for(code: str, status: int, retry_url: str | None) -> str:
    """One or two sentences on what to do next, or ``""``. *retry_url* tells whether the page that was asked for is still known."""
    if code in _HINTS:
        return _HINTS[code]
    if status == 502:
        return "This is not your fault. If it happens again, pass the code and the reference below on to whoever runs this application."
    if status == 503:
        return "Nothing is lost. Please try again in a moment."
    if retry_url is None:
        return ""
    return "You can start again." + (" You will then be taken to the page you asked for." if "return_to=" in retry_url else "")


def tone_for(status: int) -> str:
    """The colour class: ``warn`` for what the visitor or time can mend, ``bad`` for what neither can."""
    return "bad" if status in (500, 502) else "warn"
