"""What tests of an application behind ``oidc_middleware`` need: a provider that does as told, a browser, a clock. Never used in production code."""

from oidc_middleware.testing.authorize import CallbackAnswer, ProtocolViolation
from oidc_middleware.testing.browser import Browser, TooManyRedirects
from oidc_middleware.testing.clock import FakeClock
from oidc_middleware.testing.cookie_jar import Cookie, CookieJar
from oidc_middleware.testing.exchange import Page, Sent
from oidc_middleware.testing.login import find_middleware, login_as, session_set_cookies
from oidc_middleware.testing.provider import ScriptedProvider
from oidc_middleware.testing.script import REMOVE, ReceivedRequest
from oidc_middleware.testing.servers import AsgiServer, WsgiServer, run_async

__all__ = [
    "REMOVE",
    "AsgiServer",
    "Browser",
    "CallbackAnswer",
    "Cookie",
    "CookieJar",
    "FakeClock",
    "Page",
    "ProtocolViolation",
    "ReceivedRequest",
    "ScriptedProvider",
    "Sent",
    "TooManyRedirects",
    "WsgiServer",
    "find_middleware",
    "login_as",
    "run_async",
    "session_set_cookies",
]
