"""The HTML pages the middleware answers with: one calm design, nothing loaded from anywhere, and no script but the two lines that close a window.

Each ``render_*`` function takes plain values and returns a :class:`Page`: the body, and the Content-Security-Policy to send with it.
"""

from oidc_middleware.pages.render import (
    Page,
    render_confirm_logout,
    render_denied,
    render_error,
    render_login_loop,
    render_signed_in,
    render_signed_out,
    session_script,
)

__all__ = [
    "Page",
    "render_confirm_logout",
    "render_denied",
    "render_error",
    "render_login_loop",
    "render_signed_in",
    "render_signed_out",
    "session_script",
]
