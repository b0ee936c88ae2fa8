"""Every test of this folder runs against four frameworks, or against those that speak its interface."""

import logging

import pytest

from tests.apps.kit import ASGI, FRAMEWORKS, Place


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.DEBUG)


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
