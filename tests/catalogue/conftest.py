"""Every row runs against both shells."""

import logging

import pytest

from oidc_middleware.stores import open_sync
from tests.catalogue.helpers import IDS, MODES, Stage
from tests.catalogue.helpers_stores import AsyncRecorder, SyncRecorder


@pytest.fixture(params=["asgi", "wsgi"])
def stage(request, caplog):
    caplog.set_level(logging.DEBUG)
    stage = Stage(request.param, caplog)
    yield stage
    stage.close()
    stage.assert_addresses_are_clean()


@pytest.fixture(params=MODES, ids=IDS)
def mode(request):
    """Options of a middleware, for each place where sessions can be."""
    return request.param


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request, stage, tmp_path):
    """The stage starts again with its sessions in here: a real store, behind one that keeps a record and fails on command."""
    urls = {"memory": lambda: "memory://", "sqlite": lambda: f"sqlite:///{tmp_path}/sessions.db"}
    url = urls.get(request.param, lambda: f"{request.getfixturevalue('patient_redis_url')}?prefix={tmp_path.name}:")()
    inner = open_sync(url)
    recorder = (AsyncRecorder if stage.shell == "asgi" else SyncRecorder)(inner)
    stage.kept = {"store": recorder}
    stage.restart()
    yield recorder
    inner.close()


@pytest.fixture
def ended(stage):
    """The stage starts again with sessions in cookies, and a list of ended ones in here."""
    recorder = (AsyncRecorder if stage.shell == "asgi" else SyncRecorder)(open_sync("memory://"))
    stage.kept = {"revocation": recorder}
    stage.restart()
    return recorder
