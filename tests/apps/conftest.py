"""Every test of this folder runs against four frameworks, or against those that speak its interface."""

import logging

import pytest

from tests.apps.kit import ASGI, FRAMEWORKS, Place


@pytest.fixture(autouse=True)
def _log(caplog):
    """No test of this folder may leave a secret in any log, whatever else it is about (catalogue LG-01)."""
    caplog.set_level(logging.DEBUG)
    yield
    written = "".join(record.getMessage() + str(record.exc_text or "") for when in ("setup", "call") for record in caplog.get_records(when))
    assert "canary-" not in written
    assert "eyJ" not in written, "a token is in the log"


@pytest.fixture(params=list(FRAMEWORKS))
def framework(request):
    return request.param


@pytest.fixture
def place(framework):
    return Place(framework)


@pytest.fixture(params=list(ASGI))
def asgi_place(request):
    return Place(request.param)


@pytest.fixture(params=[name for name in FRAMEWORKS if name not in ASGI])
def wsgi_place(request):
    return Place(request.param)
