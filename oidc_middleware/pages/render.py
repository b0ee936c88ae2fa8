"""Plain values in, a finished page out.

The law of this file: a page shows fixed text, a code from a closed list and a correlation id. The few values that come from elsewhere (a name,
the title of the application, a local address) are escaped by the template engine, cleaned of control characters here, and bounded in length;
an address becomes a link only if it is a path of ours or an http(s) URL (catalogue ER-01, ER-02, ER-03).
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from oidc_middleware.pages.wording import headline_for, hint_for, mends, tone_for

if TYPE_CHECKING:
    import jinja2

_TEMPLATES: Final = Path(__file__).parent / "templates"
_STATIC: Final = Path(__file__).parent / "static"

#: A CSP source we are willing to name in ``form-action``: a scheme, or an origin. Nothing that could end the directive (``;``, ``,``, space).
_CSP_SOURCE: Final = re.compile(r"https?:|https?://[A-Za-z0-9.\-]+(:[0-9]{1,5})?|https?://\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")

#: Longer names are cut: a page is not the place for 10 kB of display name.
_MAX_TEXT: Final = 200


class Page(NamedTuple):
    """A finished page: UTF-8 HTML, and the value of its ``Content-Security-Policy`` header."""

    body: bytes
    csp: str


def render_error(*, code: str, status: int, public: str, title: str, correlation_id: str, retry_url: str | None, home_url: str | None) -> Page:
    """Something did not work. *public* is the fixed sentence of the error, *code* its stable name, *correlation_id* finds the log line.

    *retry_url* starts the sign-in again (it is left out where that would not help), *home_url* leads to the application; either may be
    ``None``. *title* names the application and may be empty.
    """
    retry = _link(retry_url) if mends(code) else None
    return _page(
        "error.html",
        title=title,
        tone=tone_for(status),
        headline=headline_for(code, status),
        public=public,
        hint=hint_for(code, status, retry),
        code=_text(code),
        correlation_id=_text(correlation_id),
        retry_url=retry,
        again="Try again" if status >= 500 else "Sign in again",
        home_url=_link(home_url),
    )


def render_denied(
    *,
    reason: str,
    who: str,
    action: str,
    fields: Mapping[str, str],
    title: str,
    correlation_id: str = "",
    home_url: str | None = None,
    form_origins: Iterable[str] = (),
) -> Page:
    """Signed in as *who*, but no access, for the fixed sentence *reason*. The button POSTs *fields* to *action* to sign in as someone else.

    *form_origins* names where that POST is redirected to, see :func:`policy`.
    """
    return _page(
        "denied.html",
        form_origins=form_origins,
        title=title,
        tone="warn",
        reason=_sentence(_text(reason)),
        who=_text(who),
        action=_link(action),
        fields=dict(fields),
        correlation_id=_text(correlation_id),
        home_url=_link(home_url),
    )


def render_signed_out(*, title: str, login_url: str | None) -> Page:
    """The public page after sign-out. It never starts a sign-in by itself (catalogue LO-11)."""
    return _page("signed_out.html", title=title, tone="good", login_url=_link(login_url))


def render_signed_in(*, title: str, home_url: str | None) -> Page:
    """Where a login in a small window ends: the page closes itself by the one script its policy allows, or says that it may be closed."""
    script, digest = _signed_in_script()
    content = _page("signed_in.html", title=title, tone="good", home_url=_link(home_url), script=script)
    return content._replace(csp=f"{content.csp}; script-src '{digest}'")


@lru_cache(maxsize=1)
def session_script() -> bytes:
    """The script that front ends include, UTF-8."""
    return (_STATIC / "session.js").read_bytes()


def render_confirm_logout(
    *, title: str, action: str, csrf_token: str, return_to: str, who: str, home_url: str | None = None, form_origins: Iterable[str] = ()
) -> Page:
    """A sign-out whose origin is not proven asks first (catalogue LO-01). *who* may be empty.

    The form POSTs ``csrf_token`` and, unless empty, ``return_to`` to *action*; whoever stays signed in goes to ``return_to`` or *home_url*.
    *form_origins* names where the sign-out goes on to.
    """
    return _page(
        "confirm_logout.html",
        form_origins=form_origins,
        title=title,
        tone="calm",
        who=_text(who),
        action=_link(action),
        fields={"csrf_token": csrf_token} | ({"return_to": return_to} if return_to else {}),
        home_url=_link(return_to or home_url),
    )


def render_login_loop(*, title: str, correlation_id: str, retry_url: str | None) -> Page:
    """Signing in worked several times in a row and no session stuck: say what usually causes that (catalogue DS-07)."""
    return _page("login_loop.html", title=title, tone="warn", correlation_id=_text(correlation_id), retry_url=_link(retry_url))


def policy(form_origins: Iterable[str] = ()) -> str:
    """The Content-Security-Policy of a page (catalogue ER-04): nothing loads, nothing runs, nobody frames it.

    Browsers apply ``form-action`` to the redirects that answer a form as well, so a form that ends at the provider needs the provider's origin
    in *form_origins* (``https://login.example.com``, or ``https:`` when the provider hands on to others). Anything else there is left out.
    """
    sources = ["'self'", *(origin for origin in form_origins if _CSP_SOURCE.fullmatch(origin))]
    return f"default-src 'none'; style-src '{_style()[1]}'; form-action {' '.join(sources)}; base-uri 'none'; frame-ancestors 'none'"


def _page(template: str, *, title: str, form_origins: Iterable[str] = (), **values: object) -> Page:
    html = _environment().get_template(template).render(title=_text(title), style=_style()[0], **values)
    # A lone surrogate in a name is no reason to answer 500 (catalogue ER-03).
    return Page(html.encode("utf-8", "replace"), policy(form_origins))


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    import jinja2  # noqa: PLC0415  # an application that never shows a page does not load the template engine

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


@lru_cache(maxsize=1)
def _style() -> tuple[str, str]:
    """The style sheet, and the hash by which the policy allows exactly it (CSP Level 3, 6.7.3.2)."""
    css = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    return css, _digest(css)


@lru_cache(maxsize=1)
def _signed_in_script() -> tuple[str, str]:
    """The script that closes a window, and its hash."""
    script = (_STATIC / "signed-in.js").read_text(encoding="utf-8")
    return script, _digest(script)


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(value: str) -> str:
    """*value* without control, format and separator characters (they reorder or hide text), cut at 200 characters."""
    kept = "".join(char for char in value[: 4 * _MAX_TEXT] if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))
    return kept if len(kept) <= _MAX_TEXT else kept[: _MAX_TEXT - 1] + "…"


def _sentence(text: str) -> str:
    """*text* with a capital letter at its start and a full stop at its end."""
    return text and text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?", "…")) else ".")


def _link(url: str | None) -> str | None:
    """*url* if it is safe in ``href`` or ``action``: an absolute path of ours, or http(s). ``javascript:`` and its kin are not (ER-01)."""
    if url is None or not url.isprintable() or "\\" in url or " " in url:
        return None
    return url if re.match(r"/(?!/)|https?://[^/]", url) else None
