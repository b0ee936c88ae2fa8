"""Somebody who signs in through npm's oidc-provider, and how long the application took over it."""

from __future__ import annotations

import time
from typing import Any

import httpx

from examples.demo.browsing import Browser, Form

ADA = "ada@example.com"


class Wrong(RuntimeError):
    """The application did not do what it is measured for."""


class Visitor(Browser):
    """A browser that adds up how long the answers of 127.0.0.1 took; the provider is at localhost."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0.0
        self._begun: dict[int, float] = {}
        self._client.event_hooks = {"request": [self._asked], "response": [self._answered]}

    def _asked(self, request: httpx.Request) -> None:
        self._begun[id(request)] = time.perf_counter()

    def _answered(self, response: httpx.Response) -> None:
        begun = self._begun.pop(id(response.request))
        if response.request.url.host == "127.0.0.1":
            self.waited += time.perf_counter() - begun

    def sign_in(self, url: str) -> None:
        """From *url* to the provider, through its forms where it shows them, and back. Raises :class:`Wrong`."""
        self.visit(url)
        if any("login" in form.fields for form in self.forms):
            self.submit(self._form("login"), login="ada", password="any")
        if "/interaction/" in self.url:
            self.submit(self._form("prompt"))
        if self.page.status_code != 200 or not says(self.page, ADA) or not any("localhost" in address for _, address in self.trail):
            raise Wrong(f"nobody signed in at {url}: {self.page.status_code} {self.trail}\n{self.page.text[:2000]}")

    def _form(self, field: str) -> Form:
        for form in self.forms:
            if field in form.fields:
                return form
        raise Wrong(f"no form with {field} at {self.url}: {self.page.status_code}\n{self.page.text[:2000]}")

    def cookie_header(self) -> str:
        """What goes to the application."""
        request: Any = self._client.build_request("GET", self.url)
        header: str = request.headers.get("cookie", "")
        return header

    def forget_the_app(self) -> None:
        """Only the provider still knows who this is."""
        for cookie in list(self._client.cookies.jar):
            if cookie.domain == "127.0.0.1":
                self._client.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)


def says(response: httpx.Response, text: str) -> bool:
    """Whether the page or one of its headers names *text*."""
    return text in response.text or any(text in value for value in response.headers.values())
