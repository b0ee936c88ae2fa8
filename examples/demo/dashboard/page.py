"""From figures and a user to a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from dashboard import charts
from dashboard.figures import RANGES, Dashboard
from oidc_middleware.identity import User

_HERE = Path(__file__).parent
ASSETS = _HERE / "assets"


@lru_cache(maxsize=1)
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined)
    environment.globals.update(area=charts.area, sparkline=charts.sparkline, ranges=RANGES)
    return environment


def render(dashboard: Dashboard, user: User, *, mount: str = "") -> str:
    """The page as HTML. *mount* is where the application is mounted; all its addresses start there."""
    first = ("iss", "sub", "name", "email")  # who it is, and who says so
    names = sorted(user.claims, key=lambda name: first.index(name) if name in first else len(first))
    claims = {name: _plain(user.claims[name]) for name in names}
    return (
        _templates()
        .get_template("dashboard.html")
        .render(board=dashboard, user=user, initials=_initials(user.display_name), claims=claims, mount=mount.rstrip("/"))
    )


def summary(dashboard: Dashboard, user: User) -> dict[str, Any]:
    """What the page asks for every few seconds: the key figures, and who is asking."""
    return {"user": user.display_name, "tiles": {tile.label: tile.value for tile in dashboard.tiles}}


def _initials(name: str) -> str:
    words = [word for word in name.split() if word[0].isalpha()]
    return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper() if words else "?"


def _plain(value: object) -> str:
    """A claim as text. Claims are read-only mappings and tuples, which the JSON encoder has to be told about."""
    return (
        value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, default=lambda item: dict(item) if isinstance(item, Mapping) else str(item))
    )
