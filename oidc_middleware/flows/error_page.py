"""A failed sign-in is shown at an address of its own: neither code nor state stays where people copy, bookmark and photograph (catalogue CI-03).

What the page tells travels sealed in that address, so the server keeps nothing, and a reload or the Back button shows it again. The sealed value is
no secret and gives nobody anything: whoever opens a link with somebody else's sees the same fixed sentence, and a link to sign in.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from oidc_middleware.errors import CODES, OIDCError
from oidc_middleware.flows.answers import Refusal, redirect, report_refusal, show_refusal, wants_page
from oidc_middleware.flows.effects import Flow, Random, Report
from oidc_middleware.flows.login import single_parameters
from oidc_middleware.flows.messages import Request, Respond
from oidc_middleware.flows.relying_party import RelyingParty
from oidc_middleware.flows.site import Site
from oidc_middleware.sessions.codec import UnknownFormat, dump, is_count, is_text, is_time, load, require
from oidc_middleware.sessions.sealing import NONCE_BYTES, BrokenSeal, sealed_size

#: Seconds for which the page can be shown again: long enough to read a reference to somebody on the phone.
LIFETIME: Final = 3_600

#: Seconds the clock of the worker that saw the failure may be ahead of ours.
_LEEWAY: Final = 60

#: Longer addresses are cut or refused by too many things on the way; what makes one longer is the return path, which then stays out.
_MAX_ADDRESS: Final = 2_000

_PURPOSE: Final = "error"


def refuse_callback(
    error: OIDCError, request: Request, rp: RelyingParty, site: Site, *, return_to: str | None = None, set_cookies: Sequence[str] = ()
) -> Flow[Respond]:
    """The answer to a callback that failed: 303 to the page where its address holds anything and a person looks at it, else the answer itself
    (programs, and a form as the provider posts it).

    The line in the log is written here and not again. *return_to*: one of our own return paths.
    """
    refusal = yield from report_refusal(error, "login.failed")
    if not request.query or not wants_page(request):
        return show_refusal(refusal, request, site, title=rp.settings.title, return_to=return_to, set_cookies=set_cookies)
    entropy: bytes = yield Random(NONCE_BYTES)
    return redirect(_address(refusal, return_to or "", request.now, entropy, site), status=303, set_cookies=set_cookies)


def _address(refusal: Refusal, return_to: str, now: float, entropy: bytes, site: Site) -> str:
    before = site.url("error") + "?of="
    payload = dump([*refusal, return_to, int(now)])
    if len(site.origin) + len(before) + sealed_size(_PURPOSE, len(payload)) > _MAX_ADDRESS:
        payload = dump([*refusal, "", int(now)])
    return before + site.keyring.seal(_PURPOSE, payload, entropy)


def error_endpoint(request: Request, rp: RelyingParty, site: Site) -> Flow[Respond]:
    """``GET error``: the page of a sign-in that failed within the last hour. It changes nothing, for whoever opens it."""
    yield Report("login.failure_shown", logging.DEBUG)
    refusal, return_to = _opened(single_parameters(request.query).get("of", ""), request.now, site)
    return show_refusal(refusal, request, site, title=rp.settings.title, return_to=return_to)


def _opened(sealed: str, now: float, site: Site) -> tuple[Refusal, str | None]:
    """What *sealed* tells, and the return path, which is judged again: the settings may have changed since."""
    try:
        code, correlation_id, retry_after, return_to, made = load(site.keyring.open(_PURPOSE, sealed), 5)
        require(is_text(code) and code in CODES and is_text(correlation_id) and is_text(return_to))
        require((retry_after is None or is_count(retry_after)) and is_time(made) and made - _LEEWAY <= now < made + LIFETIME)
    except (BrokenSeal, UnknownFormat):
        return Refusal("error_page_expired"), None
    return Refusal(code, correlation_id, retry_after), site.after_login(return_to) if return_to else None
