"""The one line: wraps whatever application it is given."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from oidc_middleware.errors import ConfigError

App = TypeVar("App")


def protect(app: App, **options: Any) -> App:
    """Put a login in front of *app* and return the protected application.

    *app* is an ASGI or a WSGI callable, which comes back wrapped, or a framework object whose callable can be replaced (Flask; Dash on Flask,
    Quart or FastAPI), which is changed in place and comes back itself. Settings come from *options* and from ``OIDC_*`` environment variables.

    Raises :class:`~oidc_middleware.errors.ConfigError` naming every problem at once.
    """
    server = getattr(app, "server", None)
    if server is not None and hasattr(app, "callback") and hasattr(app, "layout"):
        _protect_dash(server, options)
        return app
    for attribute in ("wsgi_app", "asgi_app"):
        # A method of the class is the object's own front door (Flask, Quart). An attribute of the object alone is an application behind it, as in
        # Socket.IO's WSGIApp: replacing that would leave everything else the object serves without a login.
        if callable(getattr(type(app), attribute, None)):
            setattr(app, attribute, _wrapped(getattr(app, attribute), options))
            return app
    wrapped: App = _wrapped(app, options)
    return wrapped


def _protect_dash(server: Any, options: dict[str, Any]) -> None:
    """Dash serves through another framework's object, which it names ``server``."""
    if hasattr(server, "add_middleware"):
        from oidc_middleware.asgi import OIDCMiddleware  # noqa: PLC0415  # each world loads its own shell only

        OIDCMiddleware(server, **options)  # the framework makes its own at the first request, too late to tell of a mistake
        server.add_middleware(OIDCMiddleware, **options)
    else:
        protect(server, **options)


def _wrapped(app: Any, options: dict[str, Any]) -> Any:
    if _is_asgi(app):
        from oidc_middleware.asgi import OIDCMiddleware  # noqa: PLC0415  # each world loads its own shell only

        return OIDCMiddleware(app, **options)
    from oidc_middleware.wsgi import OIDCMiddleware as WSGIMiddleware  # noqa: PLC0415  # likewise

    return WSGIMiddleware(app, **options)


def _is_asgi(app: Any) -> bool:
    """Whether *app* is called as ``await app(scope, receive, send)``. A coroutine function is; otherwise the number of arguments tells."""
    if not callable(app):
        raise ConfigError([f"app: a {type(app).__name__} is neither an ASGI nor a WSGI application; pass the object that the server calls"])
    call = app if inspect.isfunction(app) or inspect.ismethod(app) else type(app).__call__
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(call):
        return True
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return False
    for count, answer in ((3, True), (2, False)):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return answer
    raise ConfigError(["app: takes neither (scope, receive, send) nor (environ, start_response); pass the object that the server calls"])
