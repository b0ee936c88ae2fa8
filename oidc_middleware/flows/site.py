"""Where users reach the application, and everything that hangs on that address: cookie names, keys, the redirect URI.

With ``base_url`` set there is one site. Without it, the site follows the request's scheme and host, but only for hosts that are allowed or
loopback (catalogue RD-14): whatever a stranger writes into a Host header never becomes part of a redirect URI.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from oidc_middleware.config import Settings
from oidc_middleware.errors import LoginError
from oidc_middleware.flows.messages import Request
from oidc_middleware.flows.stored import StoredSessions
from oidc_middleware.policy.return_to import safe_return_to
from oidc_middleware.protocol.urls import is_loopback_host
from oidc_middleware.sessions.cookies import CookieNames, cookie_label
from oidc_middleware.sessions.csrf import CsrfTokens
from oidc_middleware.sessions.pending import PendingLogins
from oidc_middleware.sessions.rounds import Rounds
from oidc_middleware.sessions.sealing import Keyring
from oidc_middleware.sessions.session import Lifetimes
from oidc_middleware.sessions.session_cookie import SessionCookies

#: Hosts as RFC 3986 3.2.2 has them, without what only confuses: no userinfo, no percent-encoding, no empty host.
_HOST: Final = re.compile(r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_MOUNT: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
#: Sites remembered when the address follows the request; one per port of a loopback host and allowed host, so a few.
_MAX_SITES: Final = 64


class Site:
    """One address of the application: ``origin`` (``https://dash.example.com``) plus ``mount`` (``/dash`` or empty)."""

    def __init__(self, settings: Settings, origin: str, mount: str, memory: Callable[[], str] | None = None) -> None:
        self.origin = origin
        self.mount = mount
        self.secure = origin.startswith("https:")
        self.prefix = mount + settings.prefix
        self.landing = mount + "/"
        self.redirect_uri = f"{origin}{self.prefix}/callback"
        self.signed_in_path = f"{self.prefix}/signed-in"
        self.signed_out_uri = f"{origin}{self.prefix}/signed-out"
        keyring = Keyring(settings.secret_keys, context=f"{settings.issuer}\n{settings.client_id}\n{mount}")
        names = CookieNames(cookie_label(settings.client_id, mount), self.secure)
        lifetimes = Lifetimes(settings.session_lifetime, settings.idle_timeout, settings.leeway)
        cross_site = settings.response_mode == "form_post"  # a form post comes from the provider's site
        self.keyring = keyring
        self.lifetimes = lifetimes
        self.session_name = names.session
        self.sessions = SessionCookies(names, keyring, lifetimes, cross_site=cross_site)
        self.stored = None if settings.store is None else StoredSessions(names, keyring, lifetimes, keep_tokens=settings.keep_tokens, memory=memory)
        self.logins = PendingLogins(
            names,
            keyring,
            settings.login_timeout,
            settings.leeway,
            landing=self.landing,
            cross_site=cross_site,
        )
        self.rounds = Rounds(names, keyring, cross_site=cross_site)
        self.csrf = CsrfTokens(keyring)

    def url(self, endpoint: str) -> str:
        """The path of one of our endpoints, as a browser needs it."""
        return f"{self.prefix}/{endpoint}"

    def return_path(self, value: object) -> str:
        """*value* if it is a path of this site that a login may lead back to, else the landing page. The one rule for every such value."""
        return safe_return_to(value, own_prefix=self.prefix, default=self.landing)

    def after_login(self, value: object) -> str:
        """Where a login leads: :meth:`return_path`, and one page of ours besides, at which a login in a small window ends.

        That page, to the letter: it does nothing, so it leads nowhere in circles as our other endpoints would (catalogue RD-16).
        """
        return self.signed_in_path if value == self.signed_in_path else self.return_path(value)


class Sites:
    """Finds the site of a request."""

    def __init__(self, settings: Settings, memory: Callable[[], str] | None = None) -> None:
        self._settings = settings
        self._memory = memory
        self._sites: dict[tuple[str, str, str], Site] = {}
        self.fixed: Site | None = None
        if settings.base_url is not None:
            parts = urlsplit(settings.base_url)
            self.fixed = Site(settings, f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/"), memory)

    def of(self, request: Request) -> Site:
        """The site *request* was sent to. Raises ``LoginError``: ``host_not_allowed``, ``insecure_transport``, ``bad_request_target``."""
        if self.fixed is not None:
            return self.fixed
        scheme, host = self._address(request)
        key = (scheme, host, request.mount)
        site = self._sites.get(key)
        if site is None:
            site = self._new_site(scheme, host, request.mount)
            if len(self._sites) >= _MAX_SITES:
                self._sites.clear()
            self._sites[key] = site
        return site

    def _new_site(self, scheme: str, host: str, mount: str) -> Site:
        match = _HOST.fullmatch(host)
        if match is None:
            raise LoginError("host_not_allowed", f"unusable Host header {host[:200]!r}")
        name = match["name"].lower()
        loopback = is_loopback_host(name.strip("[]"))
        allowed = self._settings.allowed_hosts
        if not loopback and name not in allowed and host.lower() not in allowed:
            raise LoginError("host_not_allowed", f"host {host[:200]!r} is neither in allowed_hosts nor loopback; set base_url or allowed_hosts")
        if scheme != "https" and not loopback and not self._settings.insecure_allow_http:
            raise LoginError("insecure_transport", "plain http on a host that is not loopback; set base_url, or trusted_proxies behind a TLS proxy")
        if not _MOUNT.fullmatch(mount):
            raise LoginError("bad_request_target", f"unusable mount path {mount[:200]!r}")
        return Site(self._settings, f"{scheme}://{host.lower()}", mount, self._memory)

    def _address(self, request: Request) -> tuple[str, str]:
        hosts = request.headers("host")
        scheme = "https" if request.scheme in ("https", "wss") else "http"
        if self._settings.trusted_proxies and self._trusted(request.peer):
            hops = self._trusted_hops(request)
            scheme = _hop(request.headers("x-forwarded-proto"), hops) or scheme
            forwarded_host = _hop(request.headers("x-forwarded-host"), hops)
            hosts = [forwarded_host] if forwarded_host else hosts
        if len(hosts) != 1 or scheme not in ("http", "https"):
            raise LoginError("host_not_allowed", "the request names no host, or several")
        return scheme, hosts[0]

    def _trusted(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self._settings.trusted_proxies)

    def _trusted_hops(self, request: Request) -> int:
        """How many of our own proxies the request came through: the peer, and from the right every trusted address (catalogue HD-07)."""
        hops = 1
        for address in reversed(_list(request.headers("x-forwarded-for"))):
            if not self._trusted(address):
                break
            hops += 1
        return hops


def _list(values: Sequence[str]) -> list[str]:
    return [item.strip() for value in values for item in value.split(",")]


def _hop(values: Sequence[str], hops: int) -> str:
    """What the outermost of *hops* trusted proxies wrote; whatever stands left of it came from a stranger."""
    items = [item for item in _list(values) if item]
    return items[-min(hops, len(items))].lower() if items else ""
