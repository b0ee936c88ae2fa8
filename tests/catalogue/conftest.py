"""Every row runs against both shells."""

import logging

import pytest

from tests.catalogue.helpers import Stage


@pytest.fixture(params=["asgi", "wsgi"])
def stage(request, caplog):
    caplog.set_level(logging.DEBUG)
    return Stage(request.param, caplog)
