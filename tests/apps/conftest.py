"""Every test of this folder runs against four frameworks, or against those that speak its interface, and with sessions in every kind of place.

With sessions in cookies, which need no I/O, all four run; in stores, one framework of each interface for each kind, for the code behind is the same.
A test of what is in the cookies says so: ``@pytest.mark.session_cookies``.
"""

import logging

import pytest

from oidc_middleware.stores import open_async, open_sync
from oidc_middleware.testing import run_async
from tests.apps.kit import ASGI, FRAMEWORKS, Place

IN_STORES = (
    *("starlette-memory", "flask-memory", "fastapi-sqlite", "dash-sqlite", "starlette-redis", "dash-redis"),
    *("fastapi-revocation", "flask-revocation"),
)
FIXTURES = {"framework": tuple(FRAMEWORKS), "asgi_place": ASGI, "wsgi_place": tuple(name for name in FRAMEWORKS if name not in ASGI)}


def pytest_configure(config):
    config.addinivalue_line("markers", "session_cookies: what the session's cookies hold; runs with sessions in cookies only")


def pytest_generate_tests(metafunc):
    only_cookies = metafunc.definition.get_closest_marker("session_cookies") is not None
    for name, frameworks in FIXTURES.items():
        if name in metafunc.fixturenames:
            stored = () if only_cookies else (way for way in IN_STORES if way.partition("-")[0] in frameworks)
            metafunc.parametrize(name, [*frameworks, *stored], indirect=True)


@pytest.fixture(autouse=True)
def _log(caplog):
    """No test of this folder may leave a secret in any log, whatever else it is about (catalogue LG-01)."""
    caplog.set_level(logging.DEBUG)
    yield
    written = "".join(record.getMessage() + str(record.exc_text or "") for when in ("setup", "call") for record in caplog.get_records(when))
    assert "canary-" not in written
    assert "eyJ" not in written, "a token is in the log"


@pytest.fixture
def kept_in(request, tmp_path):
    """``kept_in("redis", asgi)``: the options for sessions in a new, empty store of that kind, open for as long as the test runs.

    An object where one can be shared: several applications of a place are workers that know the same sessions.
    """
    stores = []

    def options(kind, asgi):
        if kind == "":
            return {}
        number = len(stores)
        if kind == "sqlite":
            stores.append(None)
            return {"store": f"sqlite:///{tmp_path}/sessions-{number}.db"}
        url = f"{request.getfixturevalue('redis_url')}?prefix={tmp_path.name}-{number}:" if kind == "redis" else "memory://"
        stores.append((open_async if asgi else open_sync)(url))
        return {"revocation" if kind == "revocation" else "store": stores[-1]}

    yield options
    for closed in [store.close() for store in stores if store is not None]:
        if closed is not None:
            run_async(closed)


@pytest.fixture
def in_mode(monkeypatch, kept_in):
    """``in_mode("flask-sqlite")`` lets every :class:`Place` of the test keep its sessions so. Result: the framework."""

    def choose(way):
        framework, _, kind = way.partition("-")
        monkeypatch.setattr(Place, "sessions", staticmethod(lambda asgi: kept_in(kind, asgi)))
        return framework

    return choose


@pytest.fixture
def framework(request, in_mode):
    return in_mode(request.param)


@pytest.fixture
def place(framework):
    return Place(framework)


@pytest.fixture
def asgi_place(request, in_mode):
    return Place(in_mode(request.param))


@pytest.fixture
def wsgi_place(request, in_mode):
    return Place(in_mode(request.param))
