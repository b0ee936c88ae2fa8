"""Flask without authentication."""

from __future__ import annotations

import place
from flask import Flask

app = Flask(__name__)


@app.get("/")
def home() -> str:
    return place.ADA
