"""The two dashboards of the demo: sample figures, charts drawn as SVG on the server, and the page around them."""

from dashboard.figures import Dashboard, operations, sales, weeks
from dashboard.page import ASSETS, render, summary

__all__ = ["ASSETS", "Dashboard", "operations", "render", "sales", "summary", "weeks"]
