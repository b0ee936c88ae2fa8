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
    "login_required": "Please sign in",
    "method_not_allowed": "This request cannot be answered",
    "not_allowed": "No access",
    "not_found": "Nothing here",
    "origin_denied": "Request from another site",
    "transaction_expired": "This sign-in has expired",
}


#: What to do next, where the code says more than its status does. For whoever runs the application it names the setting.
_HINTS: Final = {
    "host_not_allowed": "If this is the right address, whoever runs this application has to name it in the setting base_url or allowed_hosts.",
    "insecure_transport": "Use the address that starts with https.",
    "session_too_large": "A session may take about 5.5 kB. Whoever runs this application can choose what it keeps: setting session_claims.",
}


def headline_for(code: str, status: int) -> str:
    """The heading of an error page."""
    if code in _HEADLINES:
        return _HEADLINES[code]
    if status == 503:
        return "Sign-in is unavailable right now"
    return "Sign-in did not work"


def hint_for(code: str, status: int, *, can_retry: bool) -> str:
    """One or two sentences on what to do next, or ``""``."""
    if code in _HINTS:
        return _HINTS[code]
    if status == 502:
        return "This is not your fault. If it happens again, pass the code and the reference below on to whoever runs this application."
    if status == 503:
        return "Nothing is lost. Please try again in a moment."
    if can_retry:
        return "You can start again. Afterwards you are taken to the page you asked for."
    return ""


def tone_for(status: int) -> str:
    """The colour class: ``warn`` for what the visitor or time can mend, ``bad`` for what neither can."""
    return "bad" if status in (500, 502) else "warn"
