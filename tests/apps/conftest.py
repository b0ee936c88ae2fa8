"""Every test of this folder runs against four frameworks, or against those that speak its interface, and with sessions in every kind of place.

With sessions in cookies, which need no I/O, all four run, in process and each behind a real server; in stores, one framework of each interface for
each kind, for the code behind is the same. A test of what is in the cookies says so: ``@pytest.mark.session_cookies``. One that calls the
application itself, below the level of HTTP, has no use for a server: ``@pytest.mark.in_process``.
"""

import logging

import pytest

from oidc_middleware.stores import open_async, open_sync
from oidc_middleware.testing import run_async
from tests.apps.kit import ASGI, FRAMEWORKS, Place
from tests.apps.sockets import SERVED, Sockets
from tests.conformance.party import assert_clean

IN_STORES = (
    *("starlette-memory", "flask-memory", "fastapi-sqlite", "dash-sqlite", "starlette-redis", "dash-redis"),
    *("fastapi-revocation", "flask-revocation"),
)
FIXTURES = {"framework": tuple(FRAMEWORKS), "asgi_place": ASGI, "wsgi_place": tuple(name for name in FRAMEWORKS if name not in ASGI)}


def pytest_configure(config):
    config.addinivalue_line("markers", "session_cookies: what the session's cookies hold; runs with sessions in cookies only")
    config.addinivalue_line("markers", "in_process: calls the application below the level of HTTP; runs without real servers")


def pytest_generate_tests(metafunc):
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    more = (*(() if "session_cookies" in marks else IN_STORES), *(() if "in_process" in marks else SERVED))
    for name, frameworks in FIXTURES.items():
        if name in metafunc.fixturenames:
            ways = (way for way in more if way.replace("@", "-").partition("-")[0] in frameworks)
            metafunc.parametrize(name, [*frameworks, *ways], indirect=True)
    if "served_place" in metafunc.fixturenames:
        metafunc.parametrize("served_place", SERVED, indirect=True)


@pytest.fixture(autouse=True)
def _log(caplog):
    """No test of this folder may leave a secret in any log, whatever else it is about (catalogue LG-01)."""
    caplog.set_level(logging.DEBUG)
    yield
    written = "".join(record.getMessage() + str(record.exc_text or "") for when in ("setup", "call") for record in caplog.get_records(when))
    assert "canary-" not in written
    assert "eyJ" not in written, "a token is in the log"


@pytest.fixture(autouse=True)
def _addresses():
    """No test of this folder leaves what a provider answered in an address where a page of ours is shown (catalogue CI-03)."""
    Place.browsers.clear()
    yield
    for page in (page for browser in Place.browsers for page in browser.history):
        assert_clean(page)


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
        url = f"{request.getfixturevalue('patient_redis_url')}?prefix={tmp_path.name}-{number}:" if kind == "redis" else "memory://"
        stores.append((open_async if asgi else open_sync)(url))
        return {"revocation" if kind == "revocation" else "store": stores[-1]}

    yield options
    for closed in [store.close() for store in stores if store is not None]:
        if closed is not None:
            run_async(closed)


@pytest.fixture
def served_by(monkeypatch):
    """``served_by("uvicorn")``: from now on the browsers of the test speak to real servers of that kind."""
    kinds = []

    def choose(kind):
        kinds.append(Sockets(kind))
        monkeypatch.setattr("oidc_middleware.testing.browser.server_for", kinds[-1].server_for)

    yield choose
    for kind in kinds:
        kind.close()


@pytest.fixture
def in_mode(monkeypatch, kept_in, served_by):
    """``in_mode("flask-sqlite")``: every :class:`Place` of the test keeps its sessions so; ``in_mode("flask@gunicorn")``: it runs behind that server.

    Result: the framework.
    """

    def choose(way):
        way, _, server = way.partition("@")
        framework, _, kind = way.partition("-")
        if server:
            served_by(server)
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


@pytest.fixture
def served_place(request, in_mode):
    return Place(in_mode(request.param))
