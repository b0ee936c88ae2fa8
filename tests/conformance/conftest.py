"""Every module runs against both shells."""

import logging

import pytest

from tests.conformance.backchannel import PLACES, place_options
from tests.conformance.party import Party


@pytest.fixture(params=["asgi", "wsgi"])
def party(request, caplog):
    caplog.set_level(logging.DEBUG)
    party = Party(request.param, caplog)
    yield party
    party.assert_nothing_leaked()


@pytest.fixture(params=PLACES)
def logout_party(request, party, tmp_path):
    """A party whose sessions the provider can end."""
    party.restart(registration={"end_session": True}, **place_options(request.param, tmp_path))
    party.provider.sid = "session-at-the-provider"
    return party
