"""Just enough of a browser for a check: cookies, redirects, forms, and the headers by which a server knows a navigation."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

import httpx


@dataclass
class Form:
    """A form of a page. A button that has a name belongs to ``buttons``, not to ``fields``."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    words: str = ""


class _Forms(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get").lower()))
            self._inside = True
        elif self._inside and tag == "button" and "name" in values:
            self.forms[-1].buttons.append((values["name"], values.get("value", "")))
        elif self._inside and tag == "input" and "name" in values and values.get("type") not in ("checkbox", "radio"):
            self.forms[-1].fields[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "form"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.forms[-1].words += data


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class Browser:
    """One person's browser. ``page`` is what it shows, ``trail`` where the last navigation led, ``[(status, url), ...]``."""

    def __init__(self) -> None:
        self._client = httpx.Client(timeout=20, trust_env=False)
        self.page = httpx.Response(204)
        self.trail: list[tuple[int, str]] = []

    @property
    def url(self) -> str:
        return str(self.page.url)

    @property
    def forms(self) -> list[Form]:
        return _Forms(self.page.text).forms

    def visit(self, url: str) -> httpx.Response:
        """Type *url* into the address bar."""
        return self._navigate("GET", url, None, {"Sec-Fetch-Site": "none"})

    def submit(self, form: Form, **more: str) -> httpx.Response:
        """Press a button of *form* on the page that is shown."""
        target = str(self.page.url.join(form.action or self.url))
        same = origin_of(target) == origin_of(self.url)
        headers = {"Origin": origin_of(self.url), "Sec-Fetch-Site": "same-origin" if same else "cross-site"}
        if form.method == "get":
            return self._navigate("GET", str(httpx.URL(target).copy_merge_params(form.fields | more)), None, headers)
        return self._navigate("POST", target, form.fields | more, headers)

    def fetch(self, url: str) -> httpx.Response:
        """What a script on a page does; the page stays."""
        return self._client.get(url, headers={"Accept": "application/json", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"})

    def post_json(self, url: str, value: object) -> httpx.Response:
        """What a script on a page of the same site does when it sends something; the page stays."""
        headers = {"Accept": "application/json", "Origin": origin_of(url), "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
        return self._client.post(url, json=value, headers=headers)

    def close(self) -> None:
        self._client.close()

    def _navigate(self, method: str, url: str, form: dict[str, str] | None, headers: dict[str, str]) -> httpx.Response:
        always = {"Accept": "text/html,application/xhtml+xml", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        self.trail = []
        for _ in range(12):
            self.page = self._client.request(method, url, data=form, headers=always | headers)
            self.trail.append((self.page.status_code, url))
            if not self.page.is_redirect:
                return self.page
            url = str(self.page.url.join(self.page.headers["location"]))
            method, form = "GET", None
        raise RuntimeError(f"more than 12 redirects, the last to {url}")
