"""Fixtures of the store tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stores.groups import Cluster, Watched
from tests.stores.harness import Opened
from tests.stores.proxy import Proxy
from tests.stores.servers import Server


@pytest.fixture
def opened() -> Iterator[Opened]:
    """``opened(target, "sync" or "async")`` opens a store; all are closed with the test."""
    stores = Opened()
    yield stores
    stores.close()


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory) -> Iterator[Server]:
    """One server for all tests that do nothing bad to it."""
    server = Server(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture
def redis_server(shared_redis) -> Server:
    """The same, empty."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


@pytest.fixture
def own_redis(tmp_path):
    """``own_redis("--maxmemory", ...)`` starts a server to do bad things to; all are ended with the test."""
    servers = []

    def start(*options, port=0):
        server = Server(tmp_path / f"redis-{len(servers)}", *options, port=port)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def target_of(request, tmp_path):
    """The URL of an empty store of a kind."""

    def target(kind):
        match kind:
            case "memory":
                return "memory://"
            case "sqlite":
                return f"sqlite:///{tmp_path}/sessions.db"
            case "redis":
                return request.getfixturevalue("redis_server").url
            case "sentinel":
                watched = request.getfixturevalue("watched")
                with watched.master.client() as client:
                    client.flushall()
                return watched.url
            case "cluster":
                cluster = request.getfixturevalue("cluster")
                cluster.empty()
                return cluster.url

    return target


@pytest.fixture(scope="module")
def watched(tmp_path_factory) -> Iterator[Watched]:
    """A master, its replica and a sentinel."""
    group = Watched(tmp_path_factory.mktemp("watched"))
    yield group
    group.stop()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """Three masters that share the keys."""
    group = Cluster(tmp_path_factory.mktemp("cluster"))
    yield group
    group.stop()


KINDS = ["memory", "sqlite", "redis", pytest.param("sentinel", marks=pytest.mark.slow), pytest.param("cluster", marks=pytest.mark.slow)]


@pytest.fixture(params=KINDS)
def kind(request):
    """What a store is made of."""
    return request.param


@pytest.fixture
def store(kind, shell, opened, target_of):
    """An empty store of each kind, for either shell."""
    return opened(target_of(kind), shell)


@pytest.fixture
def proxied():
    """``proxied(server)`` puts a :class:`Proxy` in front of it."""
    proxies = []

    def start(server):
        proxies.append(Proxy(server.port))
        return proxies[-1]

    yield start
    for proxy in proxies:
        proxy.close()


@pytest.fixture(params=["sync", "async"])
def shell(request):
    """Which client."""
    return request.param
