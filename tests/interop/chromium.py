"""Chromium, watched: what a page complains about, and whether it reaches out to anyone but us."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.interop.programs import ROOT

SCREENSHOTS = ROOT / "var" / "screenshots"

#: /usr/bin/chromium is Debian's; without the switches it looks for hosts of its maker.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE = {"width": 1280, "height": 860}
NARROW = {"width": 390, "height": 844}


class Window:
    """One browser profile with its tabs."""

    def __init__(self, chromium: Any, origins: Iterable[str], **options: Any) -> None:
        self.context = chromium.new_context(viewport=WIDE, **options)
        self.context.set_default_timeout(15_000)
        self.origins = set(origins)
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        self.context.on("console", self._console)
        self.context.on("weberror", lambda problem: self.complaints.append(f"exception: {problem.error}"))
        self.context.on("request", self._request)

    def _console(self, message: Any) -> None:
        # Chromium notes every answer with a status from 400 on; pages that are meant to have one are not at fault.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource: the server responded with a status of"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and f"{parts.scheme}://{parts.netloc}" not in self.origins:
            self.strangers.append(request.url)

    def tab(self) -> Any:
        return self.context.new_page()

    def close(self) -> None:
        """End the profile; it fails the test if any page complained."""
        self.context.close()
        assert self.complaints == []
        assert self.strangers == []


def photograph(page: Any, name: str) -> None:
    """A picture wide and narrow, light and dark; no page may need sideways scrolling."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for label, viewport, scheme in (("wide", WIDE, "light"), ("narrow", NARROW, "light"), ("narrow-dark", NARROW, "dark")):
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=str(SCREENSHOTS / f"{re.sub('[^a-z0-9]+', '-', name.lower())}-{label}.png"), full_page=True)
        wanted = page.evaluate("document.documentElement.scrollWidth")
        assert wanted <= viewport["width"], f"{name} needs {wanted} of {viewport['width']} pixels"
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")


def installed() -> bool:
    return Path("/usr/bin/chromium").exists()
