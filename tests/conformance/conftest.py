"""Every module runs against both shells."""

import logging

import pytest

from tests.conformance.party import Party


@pytest.fixture(params=["asgi", "wsgi"])
def party(request, caplog):
    caplog.set_level(logging.DEBUG)
    party = Party(request.param, caplog)
    yield party
    party.assert_nothing_leaked()
