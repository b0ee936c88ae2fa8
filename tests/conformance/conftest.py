"""Every module runs against both shells, with sessions in cookies and in a store."""

import logging

import pytest

from tests.conformance.backchannel import PLACES, place_options
from tests.conformance.party import Party


def pytest_generate_tests(metafunc):
    if "party" in metafunc.fixturenames:
        stored = [] if "logout_party" in metafunc.fixturenames else ["asgi-memory", "wsgi-memory"]  # that one chooses a store itself
        metafunc.parametrize("party", ["asgi", "wsgi", *stored], indirect=True)


@pytest.fixture
def party(request, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    shell, _, kind = request.param.partition("-")
    if kind:
        monkeypatch.setattr(Party, "kept", {"store": f"{kind}://"})
    party = Party(shell, caplog)
    yield party
    party.assert_nothing_leaked()
    party.assert_addresses_are_clean()


@pytest.fixture(params=PLACES)
def logout_party(request, party, tmp_path):
    """A party whose sessions the provider can end."""
    party.restart(registration={"end_session": True}, **place_options(request.param, tmp_path))
    party.provider.sid = "session-at-the-provider"
    return party
